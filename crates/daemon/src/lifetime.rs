//! From the first connection to the last worker: the one loop that everything happens in.
//!
//! Ready means that the name is owned: whoever waits for the unit can call; and that the Varlink
//! socket listens. Where there is no system bus yet, as early at boot, that alone has to do. Stopping,
//! by SIGTERM, SIGINT or the loss of the bus, asks all workers to end, serves the bus until they have, gives the
//! name back, and serves what was sent to it until then. A second signal kills the workers at once.
//!
//! With nothing to do for a while it leaves the same way. Who calls just then is still served: the
//! name is taken once more, and the service manager asked for patience.

use crate::bus::link::{Link, News, Target};
use crate::bus::service::{Input, ServiceError};
use crate::configuration;
use crate::control::{self, Request, Requests};
use crate::ids::Ids;
use crate::leftovers::{self, ImageRoots};
use crate::manager::Manager;
use crate::open_files;
use crate::queue::Limits;
use crate::readiness::watch;
use crate::service_manager::{self, READY, STOPPING, notify};
use crate::settings::Settings;
use crate::varlink::limits::Kept;
use crate::varlink::listener::{Address, Listener};
use crate::varlink::server::{Left, Server};
use crate::worker::{Event, Launcher};
use importd_api::failure::Kind;
use importd_host::activation::Passed;
use importd_host::child::ExitOutcome;
use importd_host::notify::{Datagram, Receiver};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval};

/// Events of workers that are not yet handled; workers wait when there are more.
const EVENTS_QUEUED: usize = 256;

/// Most datagrams handled in a row when a worker has ended. Socket queues are shorter
/// (`net.unix.max_dgram_qlen`); more can only come from somebody who keeps sending.
const DATAGRAMS_AT_ONCE: usize = 256;

/// Most things still done for callers when the name has been given back. The queue and the open
/// questions hold fewer; more come only from somebody who calls us by our number and does not stop.
const LAST_CALLS_MAX: usize = 1024;

/// How long a bus that is there may take until we own the name, before the service manager hears that
/// we are ready all the same. It ends a service that starts for longer than 90 s, and a bus that is
/// started on demand may need what waits for us.
const BUS_PATIENCE: Duration = Duration::from_secs(10);

/// Why the daemon failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something of the process itself cannot be set up.
    #[error("Failed to set up {what}: {source}")]
    SetUp {
        /// What.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The bus cannot be served.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The bus has gone away.
    #[error("The connection to the bus is lost")]
    BusLost,
}

impl Error {
    /// The number for `ERRNO=`, sd_notify(3).
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Error::SetUp { source, .. } => source.raw_os_error().unwrap_or(Kind::Io.errno()),
            Error::Service(ServiceError::NameTaken) => Kind::Exists.errno(),
            Error::Service(_) | Error::BusLost => Kind::Io.errno(),
        }
    }
}

fn set_up(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::SetUp { what, source }
}

/// Serves until told to stop.
///
/// # Errors
/// [`Error`] when the service cannot be offered, or not any longer.
///
/// # Cancellation
/// Workers are left to their parent-death signal.
pub async fn run(settings: Settings, passed: Vec<Passed>) -> Result<(), Error> {
    let mut requests = Requests::new(&settings.pressure).map_err(set_up("signal handlers"))?;
    let (receiver, notify_socket) = Receiver::bind_abstract().map_err(set_up("notify socket"))?;
    let notify_ready = receiver.as_fd().try_clone_to_owned().and_then(watch);
    let notify_ready = notify_ready.map_err(set_up("notify socket"))?;
    let (sender, events) = mpsc::channel(EVENTS_QUEUED);
    let launcher = Launcher {
        directory: settings.worker_directory,
        log: settings.log,
        notify_socket,
        grace: settings.grace,
        open_files_max: settings.worker_open_files,
        events: sender,
    };
    let ids = Ids::open(settings.runtime_directory.as_deref());
    let mut table =
        Manager::new(settings.scope, ids, launcher).with_roots(settings.image_roots.clone());
    table.set_limits(limits(&settings.configuration));
    let mut varlink = Server::new(settings.scope, settings.places.clone());
    if let Some(listener) = Listener::passed(passed).map_err(set_up("the passed socket"))? {
        varlink.listen(listener);
    }
    let link = Link::new(Target {
        scope: settings.scope,
        address: settings.bus_address,
        places: settings.places,
    });
    let mut daemon = Daemon {
        table,
        link,
        varlink,
        address: settings.varlink,
        downloads: settings.downloads,
        image_roots: settings.image_roots,
        configuration: settings.configuration,
        receiver,
        notify_ready,
        events,
        watchdog: service_manager::watchdog(),
        rest: settings.rest,
        quiet_since: Instant::now(),
        overtime: None,
        ready_by: Some(Instant::now() + BUS_PATIENCE),
        is_stopping: false,
        failure: None,
    };
    loop {
        daemon.until_done(&mut requests).await;
        daemon.varlink.finish().await;
        if let Some(failure) = daemon.failure {
            return Err(failure);
        }
        daemon.leave().await;
        if daemon.is_stopping || daemon.table.is_empty() {
            return Ok(());
        }
        daemon.stay().await?;
    }
}

/// What one turn of the loop was.
#[derive(PartialEq, Eq)]
enum Turn {
    /// Something happened and was handled.
    Done,
    /// There was nothing to do for long enough.
    Rested,
}

struct Daemon {
    table: Manager,
    link: Link,
    varlink: Server,
    /// Where the Varlink socket is if none is passed.
    address: Option<Address>,
    /// Where workers keep unfinished downloads.
    downloads: Option<PathBuf>,
    image_roots: ImageRoots,
    /// Folders of the configuration.
    configuration: Vec<PathBuf>,
    receiver: Receiver,
    /// Tells when the receiver has something.
    notify_ready: AsyncFd<OwnedFd>,
    events: mpsc::Receiver<Event>,
    watchdog: Option<Interval>,
    /// How long to wait for something to do.
    rest: Option<Duration>,
    /// When something was done last.
    quiet_since: Instant,
    /// Asks for patience, once the service manager believes that we are about to end.
    overtime: Option<Interval>,
    /// When the service manager hears that we are ready; `None`: it has.
    ready_by: Option<Instant>,
    is_stopping: bool,
    /// Why we stop, if not because we are told to.
    failure: Option<Error>,
}

impl Daemon {
    /// Does what there is to do until told to stop, or until there has been nothing for a while.
    async fn until_done(&mut self, requests: &mut Requests) {
        while !(self.is_stopping && self.table.is_empty()) {
            if self.turn(requests).await == Turn::Rested {
                tracing::debug!("Nothing to do, exiting");
                notify(&STOPPING);
                return;
            }
        }
    }

    /// Waits for one thing to happen and handles it.
    async fn turn(&mut self, requests: &mut Requests) -> Turn {
        let end = self.rests_until();
        tokio::select! {
            // Neither is something to do.
            () = tick(self.watchdog.as_mut()), if self.ready_by.is_none() => {
                service_manager::say_alive();
                return Turn::Done;
            }
            () = tick(self.overtime.as_mut()) => {
                service_manager::ask_for_patience();
                return Turn::Done;
            }
            () = at(self.link.changes_due()) => {
                self.link.tell_changes(&self.table).await;
                return Turn::Done;
            }
            () = at(self.ready_by) => {
                self.be_ready();
                return Turn::Done;
            }
            () = at(end) => return Turn::Rested,
            request = requests.next() => self.obey(request),
            Some(event) = self.events.recv() => self.handle(event),
            datagram = next_datagram(&self.receiver, &self.notify_ready) => self.take(datagram),
            input = self.varlink.next() => {
                if self.varlink.serve(input, &mut self.table) == Left::Reload {
                    self.reload();
                }
            }
            news = self.link.next(), if self.failure.is_none() => match news {
                News::Absent => {
                    self.be_ready();
                    return Turn::Done;
                }
                News::Joined => self.join(),
                News::Failed(error) => self.fail(error.into()),
                News::Input(Input::Closed) => self.fail(Error::BusLost),
                News::Input(input) => self.link.serve(input, &mut self.table).await,
            },
        }
        self.announce().await;
        self.quiet_since = Instant::now();
        Turn::Done
    }

    /// When there has been nothing to do for long enough; `None` while there is.
    fn rests_until(&self) -> Option<Instant> {
        if !(self.table.is_empty() && self.link.is_at_rest()) {
            return None;
        }
        let end = self.quiet_since + self.rest?;
        match self.varlink.kept() {
            Kept::Open => None,
            Kept::Until(kept) => Some(end.max(kept)),
            Kept::Not => Some(end),
        }
    }

    /// Tells everyone what has happened.
    async fn announce(&mut self) {
        self.link.announce(&mut self.table).await;
        for notice in self.link.take_told() {
            self.varlink.announce(&notice, &self.table);
        }
    }

    /// We are on the bus and own the name.
    fn join(&mut self) {
        if let Some(bus) = self.link.connection() {
            self.varlink.ask_on(bus.clone());
        }
        self.be_ready();
    }

    /// Nobody else is the import service: takes its socket, cleans up, and tells the service manager
    /// that we can be called.
    fn be_ready(&mut self) {
        if self.ready_by.take().is_none() {
            return;
        }
        if self.link.connection().is_none() {
            tracing::info!("There is no bus yet, serving Varlink meanwhile.");
        }
        if let Some(address) = self.address.take().filter(|_| !self.varlink.is_listening()) {
            self.bind(&address);
        }
        self.image_roots.sweep_all();
        leftovers::sweep_downloads(self.downloads.take());
        notify(&READY);
    }

    fn bind(&mut self, address: &Address) {
        let path = address.path.display();
        match Listener::bind(address) {
            Ok(Some(listener)) => self.varlink.listen(listener),
            Ok(None) => tracing::info!("The socket {path} is somebody else's, it is left alone."),
            Err(error) => tracing::warn!("The socket {path} cannot be bound: {error}"),
        }
    }

    fn fail(&mut self, failure: Error) {
        self.failure.get_or_insert(failure);
        self.stop();
    }

    /// Takes the name again for somebody who called at the last moment.
    async fn stay(&mut self) -> Result<(), Error> {
        if let Some(service) = self.link.service_mut() {
            service.claim_name().await?;
        }
        self.overtime = Some(service_manager::overtime());
        self.quiet_since = Instant::now();
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        if let Event::Exited { id, exit } = event {
            // What a worker reported before it ended has arrived before its end is seen.
            self.take_datagrams();
            self.clean_up(id, exit);
        }
        self.table.apply(event);
    }

    /// Removes what a worker could not remove itself.
    fn clean_up(&self, id: u32, exit: ExitOutcome) {
        if let (ExitOutcome::Signaled(_), Some(transfer)) = (exit, self.table.get(id)) {
            self.image_roots.sweep_after(transfer.job());
        }
    }

    /// Gives the name back, and serves what was sent to it until then.
    async fn leave(&mut self) {
        let Some(service) = self.link.service_mut() else {
            return;
        };
        let mut released = pin!(service.release_name());
        loop {
            tokio::select! {
                () = &mut released => break,
                input = service.next() => match input {
                    Input::Closed => return,
                    input => service.serve(input, &mut self.table).await,
                },
            }
        }
        for _ in 0..LAST_CALLS_MAX {
            match service.next_accepted().await {
                None | Some(Input::Closed) => return,
                Some(input) => service.serve(input, &mut self.table).await,
            }
        }
    }

    fn obey(&mut self, request: Request) {
        match request {
            Request::Stop => self.stop(),
            Request::Reload => self.reload(),
            Request::Control(number) => control::obey(number, &self.table),
            Request::SaveMemory => control::save_memory(),
        }
    }

    /// Reads the configuration again.
    fn reload(&mut self) {
        if self.is_stopping {
            return;
        }
        // Before the first READY=1 another one would be mistaken for it.
        let is_ready = self.ready_by.is_none();
        if is_ready {
            service_manager::announce_reload();
        }
        let limits = limits(&self.configuration);
        self.table.set_limits(limits);
        tracing::info!(
            "Read the configuration again: at most {} transfers run at once.",
            self.table.limits().running
        );
        if is_ready {
            notify(&READY);
        }
    }

    fn stop(&mut self) {
        if self.is_stopping {
            self.table.kill_all();
            return;
        }
        self.is_stopping = true;
        if self.ready_by.is_none() {
            notify(&STOPPING);
        }
        self.varlink.close();
        self.table.stop_all();
    }

    /// Takes the datagrams that have arrived.
    fn take_datagrams(&mut self) {
        for _ in 0..DATAGRAMS_AT_ONCE {
            match self.receiver.recv().transpose() {
                Some(datagram) => self.take(datagram),
                None => return,
            }
        }
    }

    fn take(&mut self, datagram: io::Result<Datagram>) {
        match datagram {
            Ok(datagram) => self.table.report(datagram.pid, &datagram.text),
            Err(error) => tracing::warn!("A notification could not be received: {error}"),
        }
    }
}

/// Waits for a datagram of a worker.
///
/// # Cancellation
/// Nothing is lost: one is received after the last point where it waits.
async fn next_datagram(receiver: &Receiver, ready: &AsyncFd<OwnedFd>) -> io::Result<Datagram> {
    loop {
        let mut ready = ready.readable().await?;
        let received = ready.try_io(|_| match receiver.recv() {
            Ok(Some(datagram)) => Ok(datagram),
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        });
        if let Ok(received) = received {
            return received;
        }
    }
}

async fn tick(watchdog: Option<&mut Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn at(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// The limits that the configuration sets, as far as the descriptors allow.
fn limits(configuration: &[PathBuf]) -> Limits {
    configuration::limits(configuration).within(open_files::most())
}
