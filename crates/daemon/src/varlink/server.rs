//! Calls looked up, authorised and done, and followers of transfers told what happens.
//!
//! A call that needs an authorization is put aside until the verdict comes; nobody waits for it but
//! its own connection.

use crate::authorize::{Action, Authority, PeerRequest};
use crate::images::Places;
use crate::manager::{Manager, Order};
use crate::notice::Notice;
use crate::refusal::Refusal;
use crate::transfer::Transfer;
use crate::varlink::connection::{Arrived, Connection, Event};
use crate::varlink::fault::Fault;
use crate::varlink::limits::{Kept, Limits};
use crate::varlink::listener::Listener;
use crate::varlink::outbox::{Gone, Outbox};
use crate::varlink::parameters::Parameters;
use crate::varlink::peer::Peer;
use crate::varlink::wish::{Deed, Dialect, Wish};
use crate::varlink::{import, method, oci, own, service, standard};
use importd_api::class::{Class, Scope};
use importd_varlink::message::Wanted;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// Calls that have arrived and are not looked at yet; connections wait when there are more.
const EVENTS_QUEUED: usize = 64;

/// Most calls that wait for their authorization at once; as on the bus.
const QUESTIONS_MAX: usize = 256;

/// Most lists of images that are being made or wait for it; as on the bus.
const LISTS_MAX: usize = 16;

/// How often a follower is told figures at most; as on the bus.
const FIGURES_INTERVAL: Duration = Duration::from_millis(100);

/// How long the end of the daemon waits for clients to take their last replies.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(2);

/// Something to be done.
#[derive(Debug)]
pub enum Input {
    /// Somebody has connected.
    Connection(UnixStream),
    /// Something has happened on a connection.
    Event(Event),
    /// A call's authorization has been decided.
    Decided(Box<Decided>),
}

/// A call whose authorization has been decided.
#[derive(Debug)]
pub struct Decided {
    wish: Wish,
    peer: Arc<Peer>,
    outbox: Outbox,
    verdict: Result<(), Refusal>,
}

/// What is left for the daemon to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// The configuration is to be read again.
    Reload,
}

/// Somebody who hears what happens to a transfer.
#[derive(Debug)]
struct Follower {
    outbox: Outbox,
    dialect: Dialect,
    /// When it was told figures last.
    figures_told: Option<Instant>,
}

/// The service on the socket.
#[derive(Debug)]
pub struct Server {
    authority: Authority,
    /// Where polkit is asked; `None` before the bus is there.
    bus: Option<zbus::Connection>,
    listener: Option<Listener>,
    limits: Limits,
    events: mpsc::Receiver<Event>,
    arriving: mpsc::Sender<Event>,
    asked: usize,
    verdicts: mpsc::Receiver<Box<Decided>>,
    decided: mpsc::Sender<Box<Decided>>,
    followers: BTreeMap<u32, Vec<Follower>>,
    places: Arc<Places>,
    lists: Arc<Semaphore>,
}

/// A line of a transfer's log, as a reply says it.
#[derive(Serialize)]
struct Line<'a> {
    log: Log<'a>,
}

#[derive(Serialize)]
struct Log<'a> {
    priority: u32,
    message: &'a str,
}

/// What follows from a call.
enum Step {
    /// The only reply.
    Reply(Value),
    /// Several replies.
    Replies(Vec<Value>),
    /// An empty reply.
    Done,
    /// It has to be authorised first.
    Ask(Box<Wish>),
    /// A list of images is to be made.
    Images(Option<Class>),
    /// The configuration is to be read again.
    Reload,
}

impl Server {
    /// A service that nobody can connect to yet, of images in these places.
    #[must_use]
    pub fn new(scope: Scope, places: Places) -> Self {
        let (arriving, events) = mpsc::channel(EVENTS_QUEUED);
        let (decided, verdicts) = mpsc::channel(QUESTIONS_MAX);
        Self {
            authority: Authority::new(scope),
            bus: None,
            listener: None,
            limits: Limits::default(),
            events,
            arriving,
            asked: 0,
            verdicts,
            decided,
            followers: BTreeMap::new(),
            places: Arc::new(places),
            lists: Arc::new(Semaphore::new(LISTS_MAX)),
        }
    }

    /// Listens from now on.
    pub fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    /// Takes no connections any more; those that wait are the next daemon's.
    pub fn close(&mut self) {
        self.listener = None;
    }

    /// Whether somebody can connect.
    #[must_use]
    pub const fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    /// Asks polkit on that bus from now on.
    pub fn ask_on(&mut self, bus: zbus::Connection) {
        self.bus = Some(bus);
    }

    /// Until when connections keep an idle daemon from exiting.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.limits.kept()
    }

    /// Waits for something to do.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Input {
        let listener = self.listener.as_mut();
        let connection = async {
            match listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            connection = connection => Input::Connection(connection),
            // We hold a sender of each: they do not end.
            Some(event) = self.events.recv() => Input::Event(event),
            Some(decided) = self.verdicts.recv() => Input::Decided(decided),
        }
    }

    /// Does what is to be done.
    pub fn serve(&mut self, input: Input, table: &mut Manager) -> Left {
        match input {
            Input::Connection(connection) => self.connect(connection),
            Input::Event(Event::Rested) => {}
            Input::Event(Event::Call(arrived)) => return self.receive(*arrived, table),
            Input::Decided(decided) => {
                self.asked = self.asked.saturating_sub(1);
                self.act(*decided, table);
            }
        }
        Left::Nothing
    }

    fn connect(&self, stream: UnixStream) {
        let peer = match Peer::of(&stream) {
            Ok(peer) => peer,
            Err(error) => {
                tracing::debug!("Nobody knows who has connected: {error}");
                return;
            }
        };
        let has_say = self.authority.grants(peer.uid);
        let Some(place) = self.limits.enter(&peer, has_say) else {
            let uid = peer.uid;
            tracing::debug!("User {uid} has, or all have, too many Varlink connections");
            return;
        };
        match Connection::new(stream, (peer, place), self.arriving.clone()) {
            Ok(connection) => drop(tokio::spawn(connection.run())),
            Err(error) => tracing::warn!("A connection cannot be watched: {error}"),
        }
    }

    /// Looks a call up and does it, or asks first whether the caller may.
    fn receive(&mut self, arrived: Arrived, table: &mut Manager) -> Left {
        let (peer, outbox) = (Arc::clone(&arrived.peer), arrived.outbox);
        let call = (arrived.call, arrived.descriptors);
        let step = self.step(call, (&peer, outbox.wanted()), table);
        match step {
            Err(fault) => outbox.fail(&fault),
            Ok(Step::Reply(reply)) => outbox.reply(&reply),
            Ok(Step::Done) => outbox.done(),
            Ok(Step::Replies(mut replies)) => {
                let last = replies.pop();
                // Who is gone needs no more.
                if replies.iter().try_for_each(|reply| outbox.part(reply)) == Ok(()) {
                    outbox.reply(&last);
                }
            }
            Ok(Step::Images(class)) => self.list_images(class, outbox),
            Ok(Step::Reload) => {
                outbox.done();
                return Left::Reload;
            }
            Ok(Step::Ask(wish)) => self.ask(*wish, (peer, outbox), table),
        }
        Left::Nothing
    }

    fn step(
        &self,
        (call, descriptors): (importd_varlink::message::Call, Vec<std::os::fd::OwnedFd>),
        (peer, wanted): (&Peer, Wanted),
        table: &Manager,
    ) -> Result<Step, Fault> {
        let unknown = || Fault::unknown_method(&call.method);
        let (interface, method) = method::find(&call.method).ok_or_else(unknown)?;
        let parameters = Parameters::from(call.parameters);
        let scope = table.scope();
        let ask = |wish| Ok(Step::Ask(Box::new(wish)));
        let is_original = interface.name == import::INTERFACE.name;
        match method {
            "GetInfo" => standard::info(parameters).map(Step::Reply),
            "GetInterfaceDescription" => standard::description(parameters).map(Step::Reply),
            "Pull" if is_original => ask(import::pull(scope, Dialect::Original, parameters)?),
            "Pull" => ask(import::pull(scope, Dialect::Own, parameters)?),
            "Import" => ask(own::import(scope, parameters, descriptors)?),
            "Export" => ask(own::export(scope, parameters, descriptors)?),
            "PullOci" => ask(oci::pull(scope, parameters)?),
            "ImportOci" => ask(oci::import(scope, parameters, descriptors)?),
            "ExportOci" => ask(oci::export(scope, parameters, descriptors)?),
            "PushOci" => ask(oci::push(scope, parameters)?),
            "Cancel" => ask(own::cancel(table, parameters)?),
            "ListTransfers" | "ListImages" if wanted != Wanted::More => Err(Fault::expected_more()),
            "ListTransfers" if is_original => {
                import::list_transfers(table, parameters).map(Step::Replies)
            }
            "ListTransfers" => own::list_transfers(table, parameters).map(Step::Replies),
            "ListImages" => own::images_class(parameters).map(Step::Images),
            _ => self.service(method, parameters, (peer, table)),
        }
    }

    /// The methods of `io.systemd.service`.
    fn service(
        &self,
        method: &str,
        parameters: Parameters,
        (peer, table): (&Peer, &Manager),
    ) -> Result<Step, Fault> {
        let allowed = || match self.authority.grants(peer.uid) {
            true => Ok(()),
            false => Err(Fault::from(Refusal::Denied(Action::ControlLog))),
        };
        match method {
            "SetLogLevel" => {
                let level = service::level(parameters)?;
                allowed()?;
                table.log().set_level(level);
                tracing::info!("The log level is {} now.", level.as_str());
                Ok(Step::Done)
            }
            "GetLogLevel" => service::log_level(table.log(), parameters).map(Step::Reply),
            "GetEnvironment" => {
                allowed()?;
                service::environment(std::env::vars_os(), parameters).map(Step::Reply)
            }
            "Reload" => {
                service::reload(parameters)?;
                allowed()?;
                Ok(Step::Reload)
            }
            // Ping, the only other one.
            _ => parameters.finish().map(|()| Step::Done),
        }
    }

    /// Asks whether a caller may have its wish, unless that is known already.
    fn ask(&mut self, wish: Wish, (peer, outbox): (Arc<Peer>, Outbox), table: &mut Manager) {
        // Known before anybody is asked, as in the original.
        if let Deed::Start(job, _) = &wish.deed
            && let Err(refusal) = table.admits(job)
        {
            outbox.fail(&wish.dialect.refusal(refusal));
            return;
        }
        let mut decided = Decided {
            wish,
            peer,
            outbox,
            verdict: Ok(()),
        };
        if self.authority.grants(decided.peer.uid) {
            return self.act(decided, table);
        }
        if self.asked >= QUESTIONS_MAX {
            decided.verdict = Err(Refusal::TooManyQuestions);
            return self.act(decided, table);
        }
        self.asked += 1;
        let (authority, bus) = (self.authority.clone(), self.bus.clone());
        let answers = self.decided.clone();
        tokio::spawn(async move {
            let request = PeerRequest {
                peer: &decided.peer,
                action: decided.wish.action,
                details: &decided.wish.details,
                is_interactive: decided.wish.is_interactive,
            };
            let gone = decided.outbox.gone();
            decided.verdict = authority.ask_peer(bus.as_ref(), &request, gone).await;
            // Fails only when the daemon is about to end.
            answers.send(Box::new(decided)).await.unwrap_or(());
        });
    }

    /// Grants a wish, or not.
    fn act(&mut self, decided: Decided, table: &mut Manager) {
        let Decided {
            wish,
            peer,
            outbox,
            verdict,
        } = decided;
        let dialect = wish.dialect;
        let outcome = verdict.and_then(|()| match wish.deed {
            Deed::Start(job, stream) => {
                let owner = peer.uid;
                let job = *job;
                table.start(Order { job, stream, owner }).map(Some)
            }
            Deed::Cancel(id) => table.cancel(id).map(|()| None),
        });
        match outcome {
            Err(refusal) => outbox.fail(&dialect.refusal(refusal)),
            Ok(None) => outbox.done(),
            Ok(Some(id)) => {
                let (uid, pid) = (peer.uid, peer.pid);
                tracing::debug!("Transfer {id} is of user {uid}, process {pid}");
                self.follow(id, dialect, outbox);
            }
        }
    }

    /// Says a transfer's number, and to those who want more what happens to it.
    fn follow(&mut self, id: u32, dialect: Dialect, outbox: Outbox) {
        let first = json!({"id": id});
        if outbox.wanted() != Wanted::More {
            outbox.reply(&first);
        } else if outbox.part(&first).is_ok() {
            let follower = Follower {
                outbox,
                dialect,
                figures_told: None,
            };
            self.followers.entry(id).or_default().push(follower);
        }
    }

    fn list_images(&self, class: Option<Class>, outbox: Outbox) {
        match Arc::clone(&self.lists).try_acquire_owned() {
            Ok(permit) => {
                let places = Arc::clone(&self.places);
                tokio::spawn(own::list_images(places, (class, permit), outbox));
            }
            Err(_full) => outbox.fail(&own::refusal(Refusal::TooManyLists)),
        }
    }

    /// Tells those who follow a transfer what happened to it.
    pub fn announce(&mut self, notice: &Notice, table: &Manager) {
        match notice {
            Notice::Added { .. } => {}
            Notice::Changed { id } => self.tell_figures(*id, table),
            Notice::Line { id, priority, text } => {
                let log = Log {
                    priority: *priority,
                    message: text,
                };
                self.tell(*id, &Line { log });
            }
            Notice::Progress { id, fraction } => self.tell(*id, &json!({"progress": fraction})),
            Notice::Removed {
                id,
                outcome,
                reason,
            } => {
                let last = table.ended(*id).map(figures);
                for follower in self.followers.remove(id).unwrap_or_default() {
                    if let (Some(part), Dialect::Own) = (&last, follower.dialect) {
                        // Who is gone needs no end either.
                        follower.outbox.part(part).unwrap_or(());
                    }
                    match follower.dialect.end(*outcome, reason.as_ref()) {
                        None => follower.outbox.done(),
                        Some(fault) => follower.outbox.fail(&fault),
                    }
                }
            }
        }
    }

    /// Tells figures to those who know the word for them, and not too often.
    fn tell_figures(&mut self, id: u32, table: &Manager) {
        let (Some(followers), Some(transfer)) = (self.followers.get_mut(&id), table.get(id)) else {
            return;
        };
        let part = figures(transfer);
        let now = Instant::now();
        followers.retain_mut(|follower| {
            let told = follower.figures_told;
            let is_due = told.is_none_or(|told| now - told >= FIGURES_INTERVAL);
            if follower.dialect != Dialect::Own || !is_due {
                return true;
            }
            follower.figures_told = Some(now);
            follower.outbox.part(&part) != Err(Gone)
        });
    }

    /// Who does not take it is no follower any more.
    fn tell(&mut self, id: u32, part: &impl Serialize) {
        if let Some(followers) = self.followers.get_mut(&id) {
            followers.retain(|follower| follower.outbox.part(part) != Err(Gone));
        }
    }

    /// Waits until the clients have their last replies, but not for long.
    pub async fn finish(&mut self) {
        let last_words = async {
            while self.limits.busy() > self.asked {
                self.events.recv().await;
            }
        };
        let patience = tokio::time::timeout(LAST_WORDS_PATIENCE, last_words);
        if patience.await.is_err() {
            tracing::debug!("Clients do not take their last replies");
        }
    }
}

/// How a transfer stands, as a reply says it.
fn figures(transfer: &Transfer) -> Value {
    json!({"figures": own::figures(transfer)})
}
