//! A service that plays scripts and remembers what it was asked.

use rustix::fs::OFlags;
use std::collections::HashMap;
use std::fs::File;
use std::future::poll_fn;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use zbus::export::futures_core::Stream;
use zbus::message::{Flags, Type};
use zbus::{Connection, Fd, Message, MessageStream, ObjectPath, Variant, connection};

const NAME: &str = "org.freedesktop.import1";
const MANAGER_PATH: &str = "/org/freedesktop/import1";
const MANAGER: &str = "org.freedesktop.import1.Manager";
const TRANSFER: &str = "org.freedesktop.import1.Transfer";
const OWN_TRANSFER: &str = "io.importd.Transfer1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A call as it came.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The arguments as text; descriptors as `r:PATH`, `w:PATH` or, for folders, `d:PATH`.
    pub(crate) arguments: Vec<String>,
    pub(crate) interactive: bool,
}

pub(crate) type TransferRow = (u32, String, String, String, String, f64);
pub(crate) type ImageRow = (String, String, String, String, bool, [u64; 6]);

/// What the service does upon a call, one after another. Signals are those of transfer 1 unless
/// said otherwise.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Answers with an error.
    Refuse(&'static str, &'static str),
    /// Answers: transfer 1 was started.
    Started,
    /// Answers with nothing.
    Empty,
    Transfers(Vec<TransferRow>),
    TransfersOld(Vec<TransferRow>),
    Images(Vec<ImageRow>),
    New(u32),
    Log(u32, u32, String),
    Progress(u32, f64),
    /// Properties of our own interface have changed.
    Changed(u32, Vec<(&'static str, Value)>),
    /// The properties of our own interface when the transfer starts, asked for by GetAll.
    Properties(Vec<(&'static str, Value)>),
    /// Result, kind and reason, on our own interface.
    Finished(u32, &'static str, &'static str, &'static str),
    Removed(u32, &'static str),
    /// Writes to the descriptor that came with the call.
    Write(&'static str),
    /// Signals of a transfer 1 from somebody who is not the service.
    Impostor,
    /// Leaves the bus.
    Vanish,
}

/// The value of a property.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Word(&'static str),
    Number(u64),
    Count(u32),
}

/// A running service; it leaves the bus with this value.
pub(crate) struct Service {
    asked: mpsc::Receiver<Asked>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Takes the service's name on a bus and plays `script` upon each call.
    pub(crate) fn start(
        address: &str,
        script: impl Fn(&str) -> Vec<Step> + Send + 'static,
    ) -> Self {
        let (asked_out, asked) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let (ready_out, ready) = mpsc::channel();
        let address = address.to_owned();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let builder = connection::Builder::address(address.as_str()).name(NAME);
                let connection = builder.build().await.unwrap();
                let stream = MessageStream::from(&connection);
                ready_out.send(()).unwrap();
                let player = Player {
                    connection,
                    address,
                    asked: asked_out,
                };
                tokio::select! {
                    () = player.play(stream, &script) => {}
                    _ = stopped => {}
                }
            });
        });
        ready.recv().unwrap();
        Self {
            asked,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The calls so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A service that vanished by itself does not listen any more.
        self.stop.take().unwrap().send(()).ok();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

struct Player {
    connection: Connection,
    address: String,
    asked: mpsc::Sender<Asked>,
}

impl Player {
    async fn play(&self, mut stream: MessageStream, script: &impl Fn(&str) -> Vec<Step>) {
        while let Some(message) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            let message = message.unwrap();
            if message.message_type() != Type::MethodCall {
                continue;
            }
            let method = message.header().member().unwrap().to_string();
            if method == "GetAll" {
                self.properties(&message, script(&method)).await;
                continue;
            }
            let (arguments, file) = arguments(&message);
            let interactive = message
                .primary_header()
                .flags()
                .contains(Flags::ALLOW_INTERACTIVE_AUTH);
            self.asked
                .send(Asked {
                    method: method.clone(),
                    arguments,
                    interactive,
                })
                .unwrap();
            for step in script(&method) {
                if matches!(step, Step::Vanish) {
                    return;
                }
                self.step(step, &message, file.as_ref()).await;
            }
        }
    }

    /// Answers with the properties of our own interface, if it is part of the play.
    async fn properties(&self, call: &Message, steps: Vec<Step>) {
        let values = steps.into_iter().find_map(|step| match step {
            Step::Properties(values) => Some(values),
            _ => None,
        });
        match values {
            Some(values) => self.reply(call, &dictionary(values)).await,
            None => {
                let name = "org.freedesktop.DBus.Error.UnknownInterface";
                let reply = Message::error(&call.header(), name).build(&"None").unwrap();
                self.connection.send(&reply).await.unwrap();
            }
        }
    }

    async fn step(&self, step: Step, call: &Message, file: Option<&File>) {
        match step {
            Step::Refuse(name, text) => {
                let reply = Message::error(&call.header(), name).build(&text).unwrap();
                self.connection.send(&reply).await.unwrap();
            }
            Step::Started => self.reply(call, &(1u32, path(1))).await,
            Step::Empty => self.reply(call, &()).await,
            Step::Transfers(rows) => {
                let row = |(id, kind, remote, local, class, progress): TransferRow| {
                    (id, kind, remote, local, class, progress, path(id))
                };
                let rows: Vec<_> = rows.into_iter().map(row).collect();
                self.reply(call, &rows).await;
            }
            Step::TransfersOld(rows) => {
                let row = |(id, kind, remote, local, _, progress): TransferRow| {
                    (id, kind, remote, local, progress, path(id))
                };
                let rows: Vec<_> = rows.into_iter().map(row).collect();
                self.reply(call, &rows).await;
            }
            Step::Images(rows) => {
                let row = |(class, name, kind, path, ro, [a, b, c, d, e, f]): ImageRow| {
                    (class, name, kind, path, ro, a, b, c, d, e, f)
                };
                let rows: Vec<_> = rows.into_iter().map(row).collect();
                self.reply(call, &rows).await;
            }
            Step::Write(text) => file.unwrap().write_all(text.as_bytes()).unwrap(),
            Step::Impostor => self.impostor().await,
            Step::Properties(_) => {}
            signal => emit(&self.connection, signal).await,
        }
    }

    async fn reply<B>(&self, call: &Message, body: &B)
    where
        B: zbus::export::serde::Serialize + zbus::wire::DynamicType,
    {
        self.connection.reply(&call.header(), body).await.unwrap();
    }

    async fn impostor(&self) {
        let builder = connection::Builder::address(self.address.as_str());
        let other = builder.build().await.unwrap();
        emit(&other, Step::Log(1, 6, "from an impostor".into())).await;
        emit(&other, Step::Removed(1, "done")).await;
        other.graceful_shutdown().await;
    }
}

async fn emit(connection: &Connection, signal: Step) {
    let (path, interface, member) = match &signal {
        Step::New(_) => (MANAGER_PATH.to_owned(), MANAGER, "TransferNew"),
        Step::Removed(..) => (MANAGER_PATH.to_owned(), MANAGER, "TransferRemoved"),
        Step::Log(id, ..) => (path(*id).to_string(), TRANSFER, "LogMessage"),
        Step::Progress(id, _) => (path(*id).to_string(), TRANSFER, "ProgressUpdate"),
        Step::Changed(id, _) => (path(*id).to_string(), PROPERTIES, "PropertiesChanged"),
        Step::Finished(id, ..) => (path(*id).to_string(), OWN_TRANSFER, "Finished"),
        other => panic!("{other:?} is no signal"),
    };
    let builder = Message::signal(path.as_str(), interface, member);
    let message = match signal {
        Step::New(id) => builder.build(&(id, self::path(id))),
        Step::Removed(id, outcome) => builder.build(&(id, self::path(id), outcome)),
        Step::Log(_, priority, line) => builder.build(&(priority, line)),
        Step::Progress(_, share) => builder.build(&share),
        Step::Changed(_, values) => {
            builder.build(&(OWN_TRANSFER, dictionary(values), Vec::<&str>::new()))
        }
        Step::Finished(_, result, kind, reason) => builder.build(&(result, kind, reason)),
        other => panic!("{other:?} is no signal"),
    };
    connection.send(&message.unwrap()).await.unwrap();
}

fn dictionary(values: Vec<(&'static str, Value)>) -> HashMap<&'static str, Variant<'static>> {
    let pair = |(name, value): (&'static str, Value)| (name, value.into());
    values.into_iter().map(pair).collect()
}

impl From<Value> for Variant<'static> {
    fn from(value: Value) -> Self {
        match value {
            Value::Word(word) => Variant::from(word),
            Value::Number(number) => Variant::U64(number),
            Value::Count(number) => Variant::U32(number),
        }
    }
}

fn path(id: u32) -> ObjectPath<'static> {
    ObjectPath::try_from(format!("/org/freedesktop/import1/transfer/_{id}")).unwrap()
}

/// The arguments of a call as text, and its descriptor.
fn arguments(message: &Message) -> (Vec<String>, Option<File>) {
    let body = message.body();
    let signature = body.signature().to_string();
    macro_rules! read {
        ($($name:ident: $type:ty),+) => {{
            let ($($name),+,): ($($type),+,) = body.deserialize().unwrap();
            let mut file = None;
            let texts = vec![$(Shown::show($name, &mut file)),+];
            (texts, file)
        }};
    }
    match signature.trim_matches(['(', ')']) {
        "" => (Vec::new(), None),
        "u" => (vec![body.deserialize::<u32>().unwrap().to_string()], None),
        "st" => read!(a: &str, b: u64),
        "sssb" => read!(a: &str, b: &str, c: &str, d: bool),
        "sssst" => read!(a: &str, b: &str, c: &str, d: &str, e: u64),
        "ssst" => read!(a: &str, b: &str, c: &str, d: u64),
        "hssa{sv}" => read!(a: Fd<'_>, b: &str, c: &str, d: Options),
        "ssha{sv}" => read!(a: &str, b: &str, c: Fd<'_>, d: Options),
        "sssa{sv}" => read!(a: &str, b: &str, c: &str, d: Options),
        "hsbb" => read!(a: Fd<'_>, b: &str, c: bool, d: bool),
        "hsst" => read!(a: Fd<'_>, b: &str, c: &str, d: u64),
        "shs" => read!(a: &str, b: Fd<'_>, c: &str),
        "sshst" => read!(a: &str, b: &str, c: Fd<'_>, d: &str, e: u64),
        other => panic!("unexpected signature {other}"),
    }
}

trait Shown {
    fn show(self, file: &mut Option<File>) -> String;
}

impl Shown for &str {
    fn show(self, _: &mut Option<File>) -> String {
        self.to_owned()
    }
}

type Options = std::collections::BTreeMap<String, zbus::OwnedVariant>;

impl Shown for Options {
    fn show(self, _: &mut Option<File>) -> String {
        let shown = self
            .iter()
            .map(|(name, value)| format!("{name}={}", &**value));
        shown.collect::<Vec<_>>().join(" ")
    }
}

impl Shown for bool {
    fn show(self, _: &mut Option<File>) -> String {
        self.to_string()
    }
}

impl Shown for u64 {
    fn show(self, _: &mut Option<File>) -> String {
        self.to_string()
    }
}

impl Shown for Fd<'_> {
    fn show(self, file: &mut Option<File>) -> String {
        let owned = OwnedFd::try_from(self).unwrap();
        let path = format!("/proc/self/fd/{}", owned.as_raw_fd());
        let target = std::fs::read_link(path).unwrap();
        let flags = rustix::fs::fcntl_getfl(&owned).unwrap() - OFlags::LARGEFILE;
        let mode = match flags {
            OFlags::RDONLY => "r".to_owned(),
            OFlags::WRONLY => "w".to_owned(),
            // Which ImportFileSystem takes, and no other method.
            OFlags::DIRECTORY => "d".to_owned(),
            other => format!("{other:?}"),
        };
        *file = Some(File::from(owned));
        format!("{mode}:{}", target.display())
    }
}
