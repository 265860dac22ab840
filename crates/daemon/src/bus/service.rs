//! The connection to the bus: a call in, an answer out, signals in between.
//!
//! A call that needs an authorization is put aside, with its message, until the verdict comes; a
//! list of images is made on another thread. Neither keeps other calls waiting. Everything that is
//! sent goes out in the order in which it happened: `TransferNew` before the reply that names the
//! transfer, its log lines after that.

use crate::authorize::{Action, Authority};
use crate::bus::fault::Fault;
use crate::bus::interface::{Interface, Method};
use crate::bus::manager::{self, Answer, ListedImage};
use crate::bus::object::Object;
use crate::bus::standard;
use crate::images::Places;
use crate::manager::{Manager, Notice};
use crate::refusal::Refusal;
use futures_core::Stream;
use importd_api::bus::{MANAGER_INTERFACE, MANAGER_PATH, NAME, TRANSFER_INTERFACE, transfer_path};
use importd_api::class::{Class, Scope};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use zbus::connection::Builder;
use zbus::message::{Flags, Header, Type};
use zbus::names::BusName;
use zbus::{Connection, DynamicType, MatchRule, Message, MessageStream};

/// Most calls that wait for their authorization at once. Each holds its message and descriptors; a
/// process has 1024 of those by default.
const QUESTIONS_MAX: usize = 256;

/// Calls received and not yet looked at; while there are so many, the bus is not read.
const CALLS_QUEUED: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// How long the bus itself may take to answer us, as libdbus waits by default.
const BUS_TIMEOUT: Duration = Duration::from_secs(25);

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
    /// A call's authorization has been decided.
    Decided(Message, Result<(), Refusal>),
    /// The bus is gone.
    Closed,
}

/// The service on the bus.
#[derive(Debug)]
pub struct Service {
    connection: Connection,
    calls: MessageStream,
    authority: Authority,
    places: Places,
    asked: usize,
    verdicts: mpsc::Receiver<(Message, Result<(), Refusal>)>,
    decided: mpsc::Sender<(Message, Result<(), Refusal>)>,
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
        let builder = builder.method_timeout(BUS_TIMEOUT);
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
            places,
            asked: 0,
            verdicts,
            decided,
        })
    }

    /// Takes the service's name; callers reach us from then on.
    ///
    /// # Errors
    /// [`ServiceError::NameTaken`], [`ServiceError::Name`].
    pub async fn claim_name(&self) -> Result<(), ServiceError> {
        let answer = self.ask_bus("RequestName", &(NAME, DO_NOT_QUEUE)).await;
        match answer.and_then(|reply| reply.body().deserialize::<u32>()) {
            Ok(PRIMARY_OWNER) => Ok(()),
            Ok(_) => Err(ServiceError::NameTaken),
            Err(error) => Err(ServiceError::Name(error)),
        }
    }

    /// Gives the name back. When the bus has answered, all that was sent before has arrived.
    pub async fn release_name(&self) {
        if let Err(error) = self.ask_bus("ReleaseName", &NAME).await {
            tracing::debug!("The name {NAME} could not be given back: {error}");
        }
    }

    async fn ask_bus<B>(&self, method: &'static str, body: &B) -> zbus::Result<Message>
    where
        B: Serialize + DynamicType,
    {
        let bus = "org.freedesktop.DBus";
        self.connection
            .call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), method, body)
            .await
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
                    Ok(()) => perform(&call, table).map(Some),
                    Err(refusal) => Err(refusal.into()),
                };
                (call, outcome)
            }
            Input::Closed => return,
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(answer)) => self.answer(&call, answer).await,
            Err(fault) => self.send(&call, fault.reply(&call.header())).await,
        }
    }

    /// Looks a call up; does it, or asks first whether the caller may.
    fn receive(&mut self, call: &Message, table: &mut Manager) -> Result<Option<Answer>, Fault> {
        match route(&call.header(), table)?.2.action {
            None => perform(call, table).map(Some),
            Some(_) if self.asked >= QUESTIONS_MAX => Err(Refusal::TooManyQuestions.into()),
            Some(action) => {
                self.ask(call.clone(), action);
                Ok(None)
            }
        }
    }

    fn ask(&mut self, call: Message, action: Action) {
        self.asked += 1;
        let (authority, connection) = (self.authority, self.connection.clone());
        let decided = self.decided.clone();
        tokio::spawn(async move {
            let caller = call.header().sender().map(|sender| sender.to_owned());
            let verdict = authority.ask(&connection, caller.as_ref(), action).await;
            // Fails only when the daemon is about to end.
            decided.send((call, verdict)).await.unwrap_or(());
        });
    }

    async fn answer(&self, call: &Message, answer: Answer) {
        match answer {
            Answer::Reply(reply) => self.send(call, Ok(reply)).await,
            Answer::Started(id) => {
                let arguments = (id, manager::path(id));
                self.emit(MANAGER_PATH, "TransferNew", &arguments).await;
                let reply = Message::method_return(&call.header()).build(&arguments);
                self.send(call, reply).await;
            }
            Answer::Images(class) => {
                let (connection, places) = (self.connection.clone(), self.places.clone());
                tokio::spawn(list_images(connection, call.clone(), places, class));
            }
        }
    }

    async fn send(&self, call: &Message, reply: zbus::Result<Message>) {
        send_reply(&self.connection, call, reply).await;
    }

    /// Tells everyone what happened to a transfer.
    pub async fn announce(&self, notice: Notice) {
        match notice {
            Notice::Line { id, priority, text } => {
                let arguments = (priority, text);
                self.emit(&transfer_path(id), "LogMessage", &arguments)
                    .await;
            }
            Notice::Progress { id, fraction } => {
                let path = transfer_path(id);
                self.emit(&path, "ProgressUpdate", &fraction).await;
            }
            Notice::Removed { id, outcome } => {
                let arguments = (id, manager::path(id), outcome.as_str());
                self.emit(MANAGER_PATH, "TransferRemoved", &arguments).await;
            }
        }
    }

    async fn emit<B>(&self, path: &str, signal: &'static str, body: &B)
    where
        B: Serialize + DynamicType,
    {
        let interface = if path == MANAGER_PATH {
            MANAGER_INTERFACE
        } else {
            TRANSFER_INTERFACE
        };
        let to_all = None::<&BusName<'_>>;
        let sent = self
            .connection
            .emit_signal(to_all, path, interface, signal, body);
        if let Err(error) = sent.await {
            tracing::debug!("The signal {signal} could not be sent: {error}");
        }
    }
}

type Route = (Option<Object>, &'static Interface, &'static Method);

/// Finds the method a call means; `Peer` is answered on every path.
fn route(header: &Header<'_>, table: &Manager) -> Result<Route, Fault> {
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
    Ok((object, interface, method))
}

/// Does what an authorised call asks for. It is looked up again: the transfer it is for may have
/// ended while the authorization was asked for.
fn perform(call: &Message, table: &mut Manager) -> Result<Answer, Fault> {
    let header = call.header();
    let (object, interface, method) = route(&header, table)?;
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
    match object {
        Object::Transfer(id) => {
            table.cancel(id)?;
            Ok(Answer::Reply(Message::method_return(&header).build(&())?))
        }
        Object::Ancestor(_) | Object::Manager | Object::TransferRoot => {
            manager::call(table, method, call)
        }
    }
}

async fn send_reply(connection: &Connection, call: &Message, reply: zbus::Result<Message>) {
    if call
        .primary_header()
        .flags()
        .contains(Flags::NO_REPLY_EXPECTED)
    {
        return;
    }
    let sent = match reply {
        Ok(reply) => connection.send(&reply).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::warn!("A call could not be answered: {error}");
    }
}

async fn list_images(connection: Connection, call: Message, places: Places, class: Option<Class>) {
    let images = tokio::task::spawn_blocking(move || places.list(class)).await;
    let header = call.header();
    let reply = match images {
        Ok(Ok(images)) => {
            let listed: Vec<ListedImage> = images.into_iter().map(ListedImage::from).collect();
            Message::method_return(&header).build(&listed)
        }
        Ok(Err(refusal)) => Fault::from(refusal).reply(&header),
        Err(error) => {
            tracing::error!("The list of images was not finished: {error}");
            return;
        }
    };
    send_reply(&connection, &call, reply).await;
}
