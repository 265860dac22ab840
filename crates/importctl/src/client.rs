//! The service's side of the conversation: the only module that knows the bus library.
//!
//! Every message is read from one stream, replies and signals alike, so that nothing is lost
//! between a call and its first signal and nothing blocks while a reply is waited for.

mod connect;
mod event;
mod options;

pub(crate) use self::connect::Address;
pub(crate) use self::event::Event;
pub(crate) use self::options::Options;

use crate::bridge::Bridge;
use crate::hints;
use crate::report::{self, Failure};
use crate::standing::News;
use importd_api::bus;
use importd_api::class::Class;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::time::Duration;
use zbus::export::futures_core::Stream;
use zbus::export::serde::Serialize;
use zbus::message::{Flags, Type};
use zbus::wire::DynamicType;
use zbus::{Connection, Fd, Message, MessageStream, ObjectPath};

/// The bus itself.
const BUS: Peer<'_> = Peer {
    name: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// The service's manager.
const MANAGER: Peer<'_> = Peer {
    name: bus::NAME,
    path: bus::MANAGER_PATH,
    interface: bus::MANAGER_INTERFACE,
};

/// The same with what the original does not have.
const OWN_MANAGER: Peer<'_> = Peer {
    name: bus::NAME,
    path: bus::MANAGER_PATH,
    interface: bus::OWN_MANAGER_INTERFACE,
};

/// Most signals kept while a reply is waited for. Those of other transfers come too, and a
/// question for a password may stay open for long; the oldest are the ones we can miss, because
/// nothing of our own transfer is said before the reply.
const WAITING_MAX: usize = 4096;

#[derive(Clone, Copy)]
struct Peer<'a> {
    name: &'a str,
    path: &'a str,
    interface: &'a str,
}

/// The arguments of a call that starts a transfer, in the order of the method's signature.
#[derive(Debug)]
pub(crate) enum Arguments<'a> {
    /// `hsbb`: file, name, force, read-only.
    Import(BorrowedFd<'a>, &'a str, bool, bool),
    /// `hsst`: file, name, class, flags.
    ImportEx(BorrowedFd<'a>, &'a str, Class, u64),
    /// `shs`: name, file, format.
    Export(&'a str, BorrowedFd<'a>, &'a str),
    /// `sshst`: name, class, file, format; the flags are always 0.
    ExportEx(&'a str, Class, BorrowedFd<'a>, &'a str),
    /// `sssb`: address, name, verification, force.
    Pull(&'a str, &'a str, &'a str, bool),
    /// `sssst`: address, name, class, verification, flags.
    PullEx(&'a str, &'a str, Class, &'a str, u64),
    /// `ssst`: reference, name, class, flags.
    PullOci(&'a str, &'a str, Class, u64),
    /// `sssa{sv}`, of our own interface: reference and name, or name and reference; class, options.
    OciText((&'a str, &'a str), Class, Options<'a>),
    /// `hssa{sv}`, of our own interface: file, name, class, options.
    OciInput(BorrowedFd<'a>, &'a str, Class, Options<'a>),
    /// `ssha{sv}`, of our own interface: name, class, file, options.
    OciOutput(&'a str, Class, BorrowedFd<'a>, Options<'a>),
}

/// A call that starts a transfer.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The manager's method.
    pub(crate) method: &'static str,
    /// What it is given.
    pub(crate) arguments: Arguments<'a>,
}

/// A running transfer.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// Its number.
    pub(crate) id: u32,
    path: String,
    /// Unique name of the service that runs it: nobody else's signals count.
    owner: String,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It was refused.
    Refused {
        /// Name of the D-Bus error.
        name: String,
        /// Its message.
        message: String,
    },
    /// The bus is gone, or does not speak our language.
    Lost(String),
}

impl CallError {
    /// The failure to report: what was tried, the reason, and what to do next; if the service cannot
    /// be reached, that is `no_service`.
    pub(crate) fn into_failure(self, doing: &str, no_service: &'static str) -> anyhow::Error {
        let (code, reason) = match self {
            CallError::Refused { name, message } => (report::bus_code(&name), message),
            CallError::Lost(reason) => (report::SERVICE_LOST, reason),
        };
        let hint = hints::for_call(code, no_service);
        Failure::hinted(code, format!("{doing}: {reason}"), hint)
    }

    /// Whether the service does not know the method.
    pub(crate) fn is_unknown_method(&self) -> bool {
        matches!(self, CallError::Refused { name, .. }
            if name == "org.freedesktop.DBus.Error.UnknownMethod")
    }
}

impl From<zbus::Error> for CallError {
    fn from(error: zbus::Error) -> Self {
        CallError::Lost(error.to_string())
    }
}

/// A connection to the bus of a scope.
#[derive(Debug)]
pub(crate) struct Client {
    connection: Connection,
    messages: MessageStream,
    waiting: VecDeque<Message>,
    interactive: bool,
    answer_max: Option<Duration>,
    bridge: Option<Bridge>,
}

impl Client {
    /// Connects. With `interactive`, every call allows the service to ask for a password.
    ///
    /// # Errors
    /// A failure that names the scope and the way if the bus cannot be reached.
    pub(crate) async fn connect(address: &Address<'_>, interactive: bool) -> anyhow::Result<Self> {
        let (connection, bridge) = connect::connect(address).await?;
        let messages = MessageStream::from(&connection);
        Ok(Self {
            connection,
            messages,
            waiting: VecDeque::new(),
            interactive,
            answer_max: address.answer_max,
            bridge,
        })
    }

    /// Whether a child of ours stands between us and the bus. Signals of a terminal end that too.
    pub(crate) fn is_bridged(&self) -> bool {
        self.bridge.is_some()
    }

    /// Asks for the signals of all transfers and for news of the service's end.
    ///
    /// # Errors
    /// [`CallError`] if the bus does not grant it.
    pub(crate) async fn subscribe(&mut self) -> Result<(), CallError> {
        let transfers = format!(
            "type='signal',sender='{}',path_namespace='{}'",
            bus::NAME,
            bus::MANAGER_PATH
        );
        let owner = format!(
            "type='signal',sender='{}',member='NameOwnerChanged',arg0='{}'",
            BUS.name,
            bus::NAME
        );
        for rule in [transfers, owner] {
            self.call(&BUS, "AddMatch", &rule).await?;
        }
        Ok(())
    }

    /// Starts a transfer.
    ///
    /// # Errors
    /// [`CallError`] if it is refused.
    pub(crate) async fn start(&mut self, call: &Call<'_>) -> Result<Transfer, CallError> {
        let reply = self.call_start(call).await?;
        let body = reply.body();
        let (id, path): (u32, ObjectPath<'_>) = body.deserialize()?;
        let owner = reply.header().sender().map(ToString::to_string);
        Ok(Transfer {
            id,
            path: path.to_string(),
            owner: owner.unwrap_or_default(),
        })
    }

    /// How a transfer stands now; nothing from services that do not know our own interface. What
    /// changes afterwards is told by signals.
    ///
    /// # Errors
    /// [`CallError::Lost`] if the bus is gone.
    pub(crate) async fn figures(&mut self, transfer: &Transfer) -> Result<Vec<News>, CallError> {
        let peer = Peer {
            name: &transfer.owner,
            path: &transfer.path,
            interface: event::PROPERTIES,
        };
        match self
            .call(&peer, "GetAll", &bus::OWN_TRANSFER_INTERFACE)
            .await
        {
            Ok(reply) => Ok(event::all_news(&reply)),
            Err(CallError::Refused { .. }) => Ok(Vec::new()),
            Err(lost) => Err(lost),
        }
    }

    async fn call_start(&mut self, call: &Call<'_>) -> Result<Message, CallError> {
        let method = call.method;
        match call.arguments {
            Arguments::Import(file, name, force, read_only) => {
                let body = (Fd::from(file), name, force, read_only);
                self.manage(method, &body).await
            }
            Arguments::ImportEx(file, name, class, flags) => {
                let body = (Fd::from(file), name, class.as_str(), flags);
                self.manage(method, &body).await
            }
            Arguments::Export(name, file, format) => {
                self.manage(method, &(name, Fd::from(file), format)).await
            }
            Arguments::ExportEx(name, class, file, format) => {
                let body = (name, class.as_str(), Fd::from(file), format, 0u64);
                self.manage(method, &body).await
            }
            Arguments::Pull(url, name, verify, force) => {
                self.manage(method, &(url, name, verify, force)).await
            }
            Arguments::PullEx(url, name, class, verify, flags) => {
                let body = (url, name, class.as_str(), verify, flags);
                self.manage(method, &body).await
            }
            Arguments::PullOci(reference, name, class, flags) => {
                let body = (reference, name, class.as_str(), flags);
                self.manage(method, &body).await
            }
            Arguments::OciText((first, second), class, options) => {
                let body = (first, second, class.as_str(), options.dictionary());
                self.call(&OWN_MANAGER, method, &body).await
            }
            Arguments::OciInput(file, name, class, options) => {
                let body = (Fd::from(file), name, class.as_str(), options.dictionary());
                self.call(&OWN_MANAGER, method, &body).await
            }
            Arguments::OciOutput(name, class, file, options) => {
                let body = (name, class.as_str(), Fd::from(file), options.dictionary());
                self.call(&OWN_MANAGER, method, &body).await
            }
        }
    }

    async fn manage<B>(&mut self, method: &str, body: &B) -> Result<Message, CallError>
    where
        B: Serialize + DynamicType,
    {
        self.call(&MANAGER, method, body).await
    }

    /// Ends a transfer.
    ///
    /// # Errors
    /// [`CallError`] if it is refused.
    pub(crate) async fn cancel(&mut self, id: u32) -> Result<(), CallError> {
        self.manage("CancelTransfer", &id).await?;
        Ok(())
    }

    /// The rows of `ListTransfersEx`: id, type, remote, local, class, progress.
    ///
    /// # Errors
    /// [`CallError`] if it is refused.
    pub(crate) async fn transfers(&mut self, class: &str) -> Result<Vec<TransferRow>, CallError> {
        type Row<'a> = (u32, &'a str, &'a str, &'a str, &'a str, f64, ObjectPath<'a>);
        let reply = self.manage("ListTransfersEx", &(class, 0u64)).await?;
        let body = reply.body();
        let rows: Vec<Row<'_>> = body.deserialize()?;
        let own = |(id, kind, remote, local, class, progress, _): Row<'_>| TransferRow {
            id,
            kind: kind.to_owned(),
            remote: remote.to_owned(),
            local: local.to_owned(),
            class: class.to_owned(),
            progress,
        };
        Ok(rows.into_iter().map(own).collect())
    }

    /// The rows of `ListTransfers`, for services without `ListTransfersEx`; all are machines.
    ///
    /// # Errors
    /// [`CallError`] if it is refused.
    pub(crate) async fn transfers_old(&mut self) -> Result<Vec<TransferRow>, CallError> {
        type Row<'a> = (u32, &'a str, &'a str, &'a str, f64, ObjectPath<'a>);
        let reply = self.manage("ListTransfers", &()).await?;
        let body = reply.body();
        let rows: Vec<Row<'_>> = body.deserialize()?;
        let own = |(id, kind, remote, local, progress, _): Row<'_>| TransferRow {
            id,
            kind: kind.to_owned(),
            remote: remote.to_owned(),
            local: local.to_owned(),
            class: Class::Machine.as_str().to_owned(),
            progress,
        };
        Ok(rows.into_iter().map(own).collect())
    }

    /// The rows of `ListImages`.
    ///
    /// # Errors
    /// [`CallError`] if it is refused.
    pub(crate) async fn images(&mut self, class: &str) -> Result<Vec<ImageRow>, CallError> {
        let reply = self.manage("ListImages", &(class, 0u64)).await?;
        Ok(reply.body().deserialize()?)
    }

    /// The next thing that happens to a transfer. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`CallError::Lost`] if the bus is gone.
    pub(crate) async fn event(&mut self, transfer: &Transfer) -> Result<Event, CallError> {
        loop {
            let message = match self.waiting.pop_front() {
                Some(message) => message,
                None => self.receive().await?,
            };
            if let Some(event) = event::read(&message, transfer) {
                return Ok(event);
            }
        }
    }

    /// Sends a call and waits for its answer; signals that come before it are kept.
    async fn call<B>(
        &mut self,
        peer: &Peer<'_>,
        method: &str,
        body: &B,
    ) -> Result<Message, CallError>
    where
        B: Serialize + DynamicType,
    {
        let mut builder = Message::method_call(peer.path, method)
            .destination(peer.name)
            .interface(peer.interface);
        if self.interactive {
            builder = builder.with_flags(Flags::ALLOW_INTERACTIVE_AUTH);
        }
        let call = builder.build(body)?;
        self.connection.send(&call).await?;
        let serial = call.primary_header().serial_num();
        let Some(most) = self.answer_max else {
            return self.answer(serial).await;
        };
        match tokio::time::timeout(most, self.answer(serial)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(CallError::Lost("Connection timed out".to_owned())),
        }
    }

    /// The answer to a call.
    async fn answer(&mut self, serial: NonZeroU32) -> Result<Message, CallError> {
        loop {
            let message = self.receive().await?;
            if message.header().reply_serial() == Some(serial) {
                return match message.message_type() {
                    Type::Error => Err(refused(&message)),
                    Type::MethodReturn | Type::MethodCall | Type::Signal => Ok(message),
                };
            }
            if message.message_type() == Type::Signal {
                if self.waiting.len() >= WAITING_MAX {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(message);
            }
        }
    }

    async fn receive(&mut self) -> Result<Message, CallError> {
        let next = std::future::poll_fn(|cx| Pin::new(&mut self.messages).poll_next(cx));
        match next.await {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(error.into()),
            None => Err(CallError::Lost("Connection to the bus lost".to_owned())),
        }
    }
}

/// A running transfer in a list.
#[derive(Debug)]
pub(crate) struct TransferRow {
    /// Number.
    pub(crate) id: u32,
    /// Kind of transfer.
    pub(crate) kind: String,
    /// Address.
    pub(crate) remote: String,
    /// Name of the image.
    pub(crate) local: String,
    /// Class.
    pub(crate) class: String,
    /// Share from 0 to 1, negative if unknown.
    pub(crate) progress: f64,
}

/// An image in a list, as on the bus: class, name, type, path, read-only, creation and
/// modification in microseconds, usage, exclusive usage, limit, exclusive limit in bytes.
pub(crate) type ImageRow = (
    String,
    String,
    String,
    String,
    bool,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
);

fn refused(message: &Message) -> CallError {
    let name = message.header().error_name().map(ToString::to_string);
    let name = name.unwrap_or_default();
    let body = message.body();
    let text = body.deserialize::<&str>().unwrap_or_default();
    let message = if text.is_empty() { &name } else { text }.to_owned();
    CallError::Refused { name, message }
}
