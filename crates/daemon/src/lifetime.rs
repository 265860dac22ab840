//! From the first connection to the last worker: the one loop that everything happens in.
//!
//! Ready means that the name is owned: whoever waits for the unit can call. Stopping, by SIGTERM,
//! SIGINT or the loss of the bus, asks all workers to end, serves the bus until they have, and then
//! gives the name back. A second signal kills the workers at once.

use crate::bus::service::{Input, Service, ServiceError};
use crate::ids::Ids;
use crate::manager::{Manager, Notice};
use crate::readiness::watch;
use crate::settings::Settings;
use crate::worker::{Event, Launcher};
use importd_host::dir::Dir;
use importd_host::notify::{Datagram, Receiver};
use importd_host::staging;
use sd_notify::NotifyState;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

/// Events of workers that are not yet handled; workers wait when there are more.
const EVENTS_QUEUED: usize = 256;

/// Most datagrams handled in a row when a worker has ended. Socket queues are shorter
/// (`net.unix.max_dgram_qlen`); more can only come from somebody who keeps sending.
const DATAGRAMS_AT_ONCE: usize = 256;

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
pub async fn run(settings: Settings) -> Result<(), Error> {
    let mut stops = Stops::new().map_err(set_up("signal handlers"))?;
    let (receiver, notify_socket) = Receiver::bind_abstract().map_err(set_up("notify socket"))?;
    let notify_ready = receiver.as_fd().try_clone_to_owned().and_then(watch);
    let notify_ready = notify_ready.map_err(set_up("notify socket"))?;
    let (sender, events) = mpsc::channel(EVENTS_QUEUED);
    let launcher = Launcher {
        directory: settings.worker_directory,
        log_level: settings.log_level,
        notify_socket,
        grace: settings.grace,
        events: sender,
    };
    let ids = Ids::open(settings.runtime_directory.as_deref());
    let table = Manager::new(settings.scope, ids, launcher);
    let address = settings.bus_address.as_deref();
    let service = Service::connect(settings.scope, address, settings.places).await?;
    service.claim_name().await?;
    tokio::task::spawn_blocking(move || sweep(&settings.image_roots));
    let mut daemon = Daemon {
        table,
        service,
        receiver,
        notify_ready,
        events,
        watchdog: watchdog(),
        is_stopping: false,
        bus_is_lost: false,
    };
    notify(&[
        NotifyState::Ready,
        NotifyState::Status("Processing requests..."),
    ]);
    while !(daemon.is_stopping && daemon.table.is_empty()) {
        daemon.turn(&mut stops).await;
    }
    if daemon.bus_is_lost {
        return Err(Error::BusLost);
    }
    daemon.service.release_name().await;
    Ok(())
}

struct Daemon {
    table: Manager,
    service: Service,
    receiver: Receiver,
    /// Tells when the receiver has something.
    notify_ready: AsyncFd<OwnedFd>,
    events: mpsc::Receiver<Event>,
    watchdog: Option<Interval>,
    is_stopping: bool,
    bus_is_lost: bool,
}

impl Daemon {
    /// Waits for one thing to happen and handles it.
    async fn turn(&mut self, stops: &mut Stops) {
        tokio::select! {
            () = stops.next() => self.stop(),
            () = tick(self.watchdog.as_mut()) => notify(&[NotifyState::Watchdog]),
            Some(event) = self.events.recv() => {
                // What a worker reported before it ended has arrived before its end is seen.
                if matches!(event, Event::Exited { .. }) {
                    self.take_datagrams().await;
                }
                let notice = self.table.apply(event);
                self.announce(notice).await;
            }
            datagram = next_datagram(&self.receiver, &self.notify_ready) => self.take(datagram).await,
            input = self.service.next(), if !self.bus_is_lost => match input {
                Input::Closed => {
                    self.bus_is_lost = true;
                    self.stop();
                }
                input => self.service.serve(input, &mut self.table).await,
            },
        }
    }

    fn stop(&mut self) {
        if self.is_stopping {
            self.table.kill_all();
            return;
        }
        self.is_stopping = true;
        notify(&[
            NotifyState::Stopping,
            NotifyState::Status("Shutting down..."),
        ]);
        self.table.stop_all();
    }

    async fn announce(&self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            self.service.announce(notice).await;
        }
    }

    /// Takes the datagrams that have arrived.
    async fn take_datagrams(&mut self) {
        for _ in 0..DATAGRAMS_AT_ONCE {
            match self.receiver.recv().transpose() {
                Some(datagram) => self.take(datagram).await,
                None => return,
            }
        }
    }

    async fn take(&mut self, datagram: io::Result<Datagram>) {
        match datagram {
            Ok(datagram) => {
                let notice = self.table.report(datagram.pid, &datagram.text);
                self.announce(notice).await;
            }
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

/// The signals that ask the daemon to stop.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Twice as often as the service manager wants to hear from us, if it does (sd_watchdog_enabled(3)).
fn watchdog() -> Option<Interval> {
    let period = sd_notify::watchdog_enabled()? / 2;
    let mut interval = tokio::time::interval(period.max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(interval)
}

async fn tick(watchdog: Option<&mut Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("The service manager could not be notified: {error}");
    }
}

/// Removes what transfers left behind whose worker was killed, or which a power cut ended.
fn sweep(image_roots: &[PathBuf]) {
    for root in image_roots {
        let swept = Dir::open(root).and_then(|folder| staging::sweep(&folder));
        match swept {
            Ok(0) => {}
            Ok(count) => tracing::info!(
                "Removed {count} unfinished images of earlier transfers from {}",
                root.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                "Unfinished images of earlier transfers in {} could not be removed: {error}",
                root.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweep_takes_leftovers_of_killed_workers_from_all_folders() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for place in [&one, &two] {
            let leftover = place.path().join(".#importd.a.0123456789abcdef/b");
            std::fs::create_dir_all(leftover).unwrap();
            std::fs::create_dir_all(place.path().join("image")).unwrap();
        }
        let absent = one.path().join("absent");
        sweep(&[one.path().to_owned(), absent, two.path().to_owned()]);
        for place in [&one, &two] {
            let left = std::fs::read_dir(place.path()).unwrap();
            let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["image"]);
        }
    }
}
