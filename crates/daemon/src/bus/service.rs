//! The connection to the bus: a call in, an answer out, signals in between.
//!
//! A call that needs an authorization is put aside, with its message, until the verdict comes; a
//! list of images is made on another thread. Neither keeps other calls waiting, and there is a
//! limit to how many there are. Everything that is sent goes out in the order in which it happened:
//! `TransferNew` before the reply that names the transfer, its log lines after that.

use crate::authorize::{Action, Authority, Request};
use crate::bus::changes::Unsaid;
use crate::bus::details;
use crate::bus::fault::Fault;
use crate::bus::interface::{Interface, Method};
use crate::bus::lists::Lists;
use crate::bus::manager::{self, Answer};
use crate::bus::object::Object;
use crate::bus::own::Value;
use crate::bus::standard::Values;
use crate::bus::{own, reply, standard};
use crate::images::Places;
use crate::manager::Manager;
use crate::notice::Notice;
use crate::polkit::Details;
use crate::refusal::Refusal;
use futures_core::Stream;
use importd_api::bus::{
    KIND_UNKNOWN, MANAGER_INTERFACE, MANAGER_PATH, NAME, OWN_TRANSFER_INTERFACE,
    TRANSFER_INTERFACE, transfer_path,
};
use importd_api::class::Scope;
use importd_api::failure::Kind;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::names::BusName;
use zbus::{Connection, DynamicType, MatchRule, Message, MessageStream};

/// Most calls that wait for their authorization at once. Each holds its message, and the descriptor
/// that some methods take.
const QUESTIONS_MAX: usize = 256;

/// Calls received and not yet looked at; while there are so many, the bus is not read.
const CALLS_QUEUED: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// How long the bus itself may take to answer us, as libdbus waits by default.
const BUS_TIMEOUT: Duration = Duration::from_secs(25);

/// Owner of nothing: the user of calls that start no transfer.
const NOBODY: u32 = u32::MAX;

/// `RequestName` without a place in the queue for the name (D-Bus specification).
const DO_NOT_QUEUE: u32 = 4;
/// Answer of `RequestName`: the name is ours.
const PRIMARY_OWNER: u32 = 1;

/// Why the bus cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The bus cannot be reached, or refuses us.
    #[error("Failed to connect to the {bus} bus: {source}")]
    Connect {
        /// Which one.
        bus: &'static str,
        /// What went wrong.
        source: zbus::Error,
    },
    /// The bus refuses to give us the name.
    #[error("Failed to acquire the name {NAME} on the bus: {0}")]
    Name(#[source] zbus::Error),
    /// Another process has the name.
    #[error("The name {NAME} is taken on the bus: another import service is running")]
    NameTaken,
}

/// Something to be done for a caller.
#[derive(Debug)]
pub enum Input {
    /// A call has arrived.
    Call(Message),
    /// A call's authorization has been decided; who is allowed to is this user.
    Decided(Message, Result<u32, Refusal>),
    /// The bus is gone.
    Closed,
}

/// The service on the bus.
#[derive(Debug)]
pub struct Service {
    connection: Connection,
    calls: MessageStream,
    authority: Authority,
    lists: Lists,
    asked: usize,
    verdicts: mpsc::Receiver<(Message, Result<u32, Refusal>)>,
    decided: mpsc::Sender<(Message, Result<u32, Refusal>)>,
    unsaid: Unsaid,
    /// What was told, for those who tell others.
    told: Vec<Notice>,
}

impl Service {
    /// Connects to the bus of a scope, at `address` if given, without a name yet.
    ///
    /// # Errors
    /// [`ServiceError::Connect`].
    pub async fn connect(
        scope: Scope,
        address: Option<&str>,
        places: Places,
    ) -> Result<Self, ServiceError> {
        let (bus, usual): (_, fn() -> Builder<'static>) = match scope {
            Scope::System => ("system", Builder::system),
            Scope::User => ("session", Builder::session),
        };
        let builder = address.map_or_else(usual, Builder::address);
        let failed = |source| ServiceError::Connect { bus, source };
        let connection = builder.build().await.map_err(failed)?;
        let rule = MatchRule::builder().msg_type(Type::MethodCall).build();
        let rule = rule.map_err(failed)?;
        let calls = MessageStream::for_match_rule(rule, &connection, Some(CALLS_QUEUED))
            .await
            .map_err(failed)?;
        let (decided, verdicts) = mpsc::channel(QUESTIONS_MAX);
        Ok(Self {
            connection,
            calls,
            authority: Authority::new(scope),
            lists: Lists::new(places),
            asked: 0,
            verdicts,
            decided,
            unsaid: Unsaid::default(),
            told: Vec::new(),
        })
    }

    /// The connection to the bus.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes the service's name; callers reach us from then on.
    ///
    /// # Errors
    /// [`ServiceError::NameTaken`], [`ServiceError::Name`].
    pub async fn claim_name(&self) -> Result<(), ServiceError> {
        let arguments = (NAME, DO_NOT_QUEUE);
        let answer = ask_bus(&self.connection, "RequestName", &arguments).await;
        match answer.and_then(|reply| reply.body().deserialize::<u32>()) {
            Ok(PRIMARY_OWNER) => Ok(()),
            Ok(_) => Err(ServiceError::NameTaken),
            Err(error) => Err(ServiceError::Name(error)),
        }
    }

    /// Gives the name back. When the bus has answered, all that was sent to the name has arrived,
    /// and [`Service::next_accepted`] returns it. Calls have to be taken meanwhile: the answer comes
    /// after them, and is not read while the queue is full.
    pub fn release_name(&self) -> impl Future<Output = ()> + use<> {
        let connection = self.connection.clone();
        async move {
            if let Err(error) = ask_bus(&connection, "ReleaseName", &NAME).await {
                tracing::debug!("The name {NAME} could not be given back: {error}");
            }
        }
    }

    /// Whether no caller waits for an answer.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.asked == 0 && self.lists.is_empty()
    }

    /// Waits for something to do.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Input {
        let calls = &mut self.calls;
        let call = std::future::poll_fn(|context| Pin::new(&mut *calls).poll_next(context));
        tokio::select! {
            Some((call, verdict)) = self.verdicts.recv() => Input::Decided(call, verdict),
            message = call => match message {
                Some(Ok(message)) => Input::Call(message),
                Some(Err(error)) => {
                    tracing::error!("The connection to the bus has failed: {error}");
                    Input::Closed
                }
                None => Input::Closed,
            },
        }
    }

    /// The next thing to do of those that have arrived already: calls in the queue, and calls that
    /// wait for their authorization. `None` if there is nothing left.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next_accepted(&mut self) -> Option<Input> {
        let none_asked = self.asked == 0;
        tokio::select! {
            biased;
            input = self.next() => Some(input),
            () = std::future::ready(()), if none_asked => None,
        }
    }

    /// Does what is to be done for a caller.
    pub async fn serve(&mut self, input: Input, table: &mut Manager) {
        let (call, outcome) = match input {
            Input::Call(call) => {
                let outcome = self.receive(&call, table);
                (call, outcome)
            }
            Input::Decided(call, verdict) => {
                self.asked = self.asked.saturating_sub(1);
                let outcome = match verdict {
                    Ok(owner) => perform((&call, owner), table).map(Some),
                    Err(refusal) => Err(refusal.into()),
                };
                (call, outcome)
            }
            Input::Closed => return,
        };
        // What the call did comes before its answer.
        self.announce(table).await;
        match outcome {
            Ok(None) => {}
            Ok(Some(answer)) => self.answer(&call, answer).await,
            Err(fault) => self.send(&call, fault.reply(&call.header())).await,
        }
    }

    /// Looks a call up; does it, or asks first whether the caller may.
    fn receive(&mut self, call: &Message, table: &mut Manager) -> Result<Option<Answer>, Fault> {
        let route = route(call, table)?;
        match action(call, route) {
            // Whose call it is matters to what needs an authorization only.
            None => perform((call, NOBODY), table).map(Some),
            Some(_) if self.asked >= QUESTIONS_MAX => Err(Refusal::TooManyQuestions.into()),
            Some(action) => {
                let details = details::of(call, route.0, route.2, table);
                self.ask(call.clone(), action.of(&details), details);
                Ok(None)
            }
        }
    }

    fn ask(&mut self, call: Message, action: Action, details: Details) {
        self.asked += 1;
        let (authority, connection) = (self.authority.clone(), self.connection.clone());
        let decided = self.decided.clone();
        tokio::spawn(async move {
            let request = Request {
                call: &call,
                action,
                details,
            };
            let verdict = authority.ask(&connection, &request).await;
            // Fails only when the daemon is about to end.
            decided.send((call, verdict)).await.unwrap_or(());
        });
    }

    async fn answer(&self, call: &Message, answer: Answer) {
        match answer {
            Answer::Reply(reply) => self.send(call, Ok(reply)).await,
            Answer::Started(id) => {
                let arguments = (id, manager::path(id));
                let reply = Message::method_return(&call.header()).build(&arguments);
                self.send(call, reply).await;
            }
            Answer::Images(class) => {
                if let Err(fault) = self.lists.start(&self.connection, call, class) {
                    self.send(call, fault.reply(&call.header())).await;
                }
            }
        }
    }

    async fn send(&self, call: &Message, reply: zbus::Result<Message>) {
        reply::send(&self.connection, call, reply).await;
    }

    /// Tells everyone what has happened to the transfers.
    pub async fn announce(&mut self, table: &mut Manager) {
        for notice in table.take_notices() {
            self.told.push(notice.clone());
            self.tell(notice, table).await;
        }
    }

    /// What was told since this was asked last.
    pub fn take_told(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.told)
    }

    async fn tell(&mut self, notice: Notice, table: &Manager) {
        match notice {
            Notice::Added { id } => {
                self.unsaid.add(id, table);
                let arguments = (id, manager::path(id));
                self.emit(MANAGER_PATH, MANAGER_INTERFACE, "TransferNew", &arguments)
                    .await;
            }
            Notice::Changed { id } => self.unsaid.change(id),
            Notice::Line { id, priority, text } => {
                let arguments = (priority, text);
                let path = transfer_path(id);
                self.emit(&path, TRANSFER_INTERFACE, "LogMessage", &arguments)
                    .await;
            }
            Notice::Progress { id, fraction } => {
                let path = transfer_path(id);
                self.emit(&path, TRANSFER_INTERFACE, "ProgressUpdate", &fraction)
                    .await;
            }
            Notice::Removed {
                id,
                outcome,
                reason,
            } => {
                let last = self.unsaid.remove(id, table.ended(id));
                self.tell_changed(id, last).await;
                let result = outcome.as_str();
                let (kind, text) = match &reason {
                    None => ("", ""),
                    Some(reason) => (
                        reason.kind.map_or(KIND_UNKNOWN, Kind::code),
                        reason.text.as_str(),
                    ),
                };
                let (path, end) = (transfer_path(id), (result, kind, text));
                self.emit(&path, OWN_TRANSFER_INTERFACE, "Finished", &end)
                    .await;
                let end = (id, manager::path(id), result);
                self.emit(MANAGER_PATH, MANAGER_INTERFACE, "TransferRemoved", &end)
                    .await;
            }
        }
    }

    /// When changed properties are to be told, if there are any.
    #[must_use]
    pub fn changes_due(&self) -> Option<Instant> {
        self.unsaid.due()
    }

    /// Tells everyone which properties of our own have changed.
    pub async fn tell_changes(&mut self, table: &Manager) {
        for (id, changed) in self.unsaid.take(table) {
            self.tell_changed(id, changed).await;
        }
    }

    async fn tell_changed(&self, id: u32, changed: Vec<Value>) {
        if changed.is_empty() {
            return;
        }
        let (interface, none_invalid) = (standard::PROPERTIES.name, <&[&str]>::default());
        let body = (OWN_TRANSFER_INTERFACE, Values(changed), none_invalid);
        self.emit(&transfer_path(id), interface, "PropertiesChanged", &body)
            .await;
    }

    async fn emit<B>(&self, path: &str, interface: &'static str, signal: &'static str, body: &B)
    where
        B: Serialize + DynamicType,
    {
        let to_all = None::<&BusName<'_>>;
        let sent = self
            .connection
            .emit_signal(to_all, path, interface, signal, body);
        if let Err(error) = sent.await {
            tracing::debug!("The signal {signal} could not be sent: {error}");
        }
    }
}

async fn ask_bus<B>(
    connection: &Connection,
    method: &'static str,
    body: &B,
) -> zbus::Result<Message>
where
    B: Serialize + DynamicType,
{
    let bus = "org.freedesktop.DBus";
    let answer =
        connection.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), method, body);
    let late = |_elapsed| zbus::Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    tokio::time::timeout(BUS_TIMEOUT, answer)
        .await
        .map_err(late)?
}

/// What the caller has to be allowed to do.
fn action(call: &Message, (object, interface, method): Route) -> Option<Action> {
    let sets = interface.name == standard::PROPERTIES.name
        && object.is_some_and(|object| standard::sets_property(object, method, call));
    if sets {
        Some(Action::ControlLog)
    } else {
        method.action
    }
}

type Route = (Option<Object>, &'static Interface, &'static Method);

/// Finds the method a call means, and checks that the call brings what the method takes; `Peer` is
/// answered on every path.
fn route(call: &Message, table: &Manager) -> Result<Route, Fault> {
    let header = call.header();
    let path = header.path().map_or("", |path| path.as_str());
    let interface = header.interface().map(|name| name.as_str());
    let member = header.member().map_or("", |name| name.as_str());
    let unknown_method = || Fault::unknown_method(interface, member);
    let object = Object::find(path, table);
    let (interface, method) = match (object, interface) {
        (Some(object), _) => object
            .method(interface, member)
            .ok_or_else(unknown_method)?,
        (None, Some(name)) if name == standard::PEER.name => {
            let method = standard::PEER.method(member).ok_or_else(unknown_method)?;
            (&standard::PEER, method)
        }
        (None, _) => return Err(Fault::unknown_object(path)),
    };
    let got = header.signature().to_string_no_parens();
    if got != method.input_signature() {
        return Err(Fault::signature(interface.name, method, &got));
    }
    let descriptors = call.data().fds().len();
    if descriptors != method.input_descriptors() {
        return Err(Fault::descriptors(interface.name, method, descriptors));
    }
    Ok((object, interface, method))
}

/// Does what an authorised call asks for. It is looked up again: the transfer it is for may have
/// ended while the authorization was asked for.
fn perform((call, owner): (&Message, u32), table: &mut Manager) -> Result<Answer, Fault> {
    let header = call.header();
    let (object, interface, method) = route(call, table)?;
    if interface.name == standard::PEER.name {
        return standard::peer(method, &header).map(Answer::Reply);
    }
    let Some(object) = object else {
        return Err(Fault::unknown_object(""));
    };
    if interface.name == standard::INTROSPECTABLE.name {
        return standard::introspection(object, table, &header).map(Answer::Reply);
    }
    if interface.name == standard::PROPERTIES.name {
        return standard::properties(object, table, (method, call)).map(Answer::Reply);
    }
    if interface.name == own::MANAGER.name {
        return own::call(table, method, (call, owner));
    }
    match object {
        Object::Transfer(id) => {
            table.cancel(id)?;
            Ok(Answer::Reply(Message::method_return(&header).build(&())?))
        }
        Object::Ancestor(_) | Object::Manager | Object::TransferRoot | Object::LogControl => {
            manager::call(table, method, (call, owner))
        }
    }
}
