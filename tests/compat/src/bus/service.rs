//! A private bus with the service on it, and a client that hears its signals.

use crate::subject::{Subject, Work};
use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use zbus::export::futures_core::Stream;
use zbus::{Connection, DBusError, DynamicType, MatchRule, Message, MessageStream};

/// How long anything may take. Only failures wait so long.
const PATIENCE: Duration = Duration::from_secs(30);
const NAME: &str = "org.freedesktop.import1";
pub(crate) const MANAGER: &str = "/org/freedesktop/import1";
const MANAGER_INTERFACE: &str = "org.freedesktop.import1.Manager";
const BUS_INTERFACE: &str = "org.freedesktop.DBus";

/// A running service; its images of class machine are those of the test's image root.
#[derive(Debug)]
pub(crate) struct Service {
    bus: Child,
    daemon: Child,
    pub(crate) address: String,
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    New(u32),
    Line(u32, u32, String),
    Progress(u32, f64),
    Removed(u32, String),
}

/// A client of the service.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
    signals: MessageStream,
}

impl Service {
    /// Starts one; `None`, with the reason printed, where that cannot be.
    pub(crate) fn start(work: &Work) -> Option<Self> {
        Self::start_with(work, Path::new(""))
    }

    /// Starts one whose workers trust the keys of that file.
    pub(crate) fn start_with(work: &Work, keyring: &Path) -> Option<Self> {
        Self::start_in(work, ("SYSTEMD_OPENPGP_KEYRING", keyring))
    }

    /// Starts one with a variable of the environment, which its workers inherit.
    pub(crate) fn start_in(work: &Work, (variable, value): (&str, &Path)) -> Option<Self> {
        if !crate::make::has("dbus-daemon") {
            return None;
        }
        std::fs::create_dir_all(work.path("images")).unwrap();
        let (bus, address) = start_bus(&work.path(""));
        let notify_path = work.path("service-notify");
        let notify = UnixDatagram::bind(&notify_path).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let varlink = UnixListener::bind(work.path("varlink")).unwrap();
        let program = Subject::get().with_images("systemd-importd", &work.path("images"));
        let daemon = passing(&program, varlink)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &address)
            .env("NOTIFY_SOCKET", &notify_path)
            .env("RUNTIME_DIRECTORY", work.path("run"))
            .env(variable, value)
            .env("SYSTEMD_LOG_TARGET", "console")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("SYSTEMD_LOG_LEVEL")
            .stderr(std::fs::File::create(work.path("service.log")).unwrap())
            .spawn()
            .unwrap();
        let service = Self {
            bus,
            daemon,
            address,
        };
        let mut buffer = [0; 4096];
        loop {
            let length = notify.recv(&mut buffer).expect("the service says nothing");
            if String::from_utf8_lossy(&buffer[..length]).contains("READY=1") {
                return Some(service);
            }
        }
    }

    /// A client, once the service has its name.
    pub(crate) async fn client(&self) -> Client {
        let builder = zbus::connection::Builder::address(self.address.as_str());
        let connection = builder.method_timeout(PATIENCE).build().await.unwrap();
        let owners = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .member("NameOwnerChanged")
            .add_arg(NAME)
            .build()
            .unwrap();
        let mut owners = MessageStream::for_match_rule(owners, &connection, None)
            .await
            .unwrap();
        while !has_owner(&connection).await {
            next(&mut owners).await;
        }
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .path_namespace(MANAGER)
            .build()
            .unwrap();
        let queue = std::num::NonZeroUsize::new(4096);
        let signals = MessageStream::for_match_rule(rule, &connection, queue);
        Client {
            signals: signals.await.unwrap(),
            connection,
        }
    }

    /// A program of the system it runs on, as a client of this bus. Systemd's want to see that
    /// systemd is running, which they do in a namespace that looks like it.
    pub(crate) fn tool(&self, program: &str) -> Command {
        let booted = r#"mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system; exec "$@""#;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation=private", "sh", "-ec", booted])
            .args(["sh", program])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }
}

/// The same command, with a socket passed to what it becomes, as the service manager does.
fn passing(command: &Command, socket: UnixListener) -> Command {
    let script = "exec 3<&0 </dev/null; \
                  LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink exec \"$@\"";
    let mut passing = Command::new("sh");
    passing.args(["-c", script, "sh"]);
    passing.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            passing.env(name, value);
        }
    }
    passing.stdin(OwnedFd::from(socket));
    passing
}

impl Drop for Service {
    fn drop(&mut self) {
        for process in [&mut self.daemon, &mut self.bus] {
            process.kill().unwrap_or(());
            process.wait().map(drop).unwrap_or(());
        }
    }
}

fn start_bus(folder: &Path) -> (Child, String) {
    let config = folder.join("bus.conf");
    let text = format!(
        "<busconfig><listen>unix:abstract={}/bus</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\
         <allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>",
        folder.display()
    );
    let config: PathBuf = crate::make::file(&config, text);
    let mut bus = Command::new("dbus-daemon")
        .args(["--nofork", "--print-address"])
        .arg(format!("--config-file={}", config.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    let output = bus.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut address).unwrap();
    assert!(!address.is_empty(), "dbus-daemon did not start");
    (bus, address.trim_end().to_owned())
}

async fn has_owner(connection: &Connection) -> bool {
    let reply = connection.call_method(
        Some(BUS_INTERFACE),
        "/org/freedesktop/DBus",
        Some(BUS_INTERFACE),
        "NameHasOwner",
        &NAME,
    );
    reply.await.unwrap().body().deserialize().unwrap()
}

async fn next(stream: &mut MessageStream) -> Message {
    let message = poll_fn(|context| Pin::new(&mut *stream).poll_next(context));
    let message = tokio::time::timeout(PATIENCE, message).await;
    message.expect("no signal came").unwrap().unwrap()
}

impl Client {
    /// Calls a method of the manager; an error comes as its name and text.
    pub(crate) async fn call<B>(&self, method: &str, body: &B) -> Result<Message, (String, String)>
    where
        B: serde::Serialize + DynamicType,
    {
        self.call_on(MANAGER, MANAGER_INTERFACE, method, body).await
    }

    /// Calls a method; an error comes as its name and text.
    pub(crate) async fn call_on<B>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<Message, (String, String)>
    where
        B: serde::Serialize + DynamicType,
    {
        let connection = &self.connection;
        let reply = connection.call_method(Some(NAME), path, Some(interface), method, body);
        reply.await.map_err(|error| match error {
            zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap_or_default()),
            zbus::Error::FDO(error) => {
                let text = error.description().unwrap_or_default().to_owned();
                (error.name().to_string(), text)
            }
            other => panic!("{method}: {other}"),
        })
    }

    /// Starts a transfer; its number.
    pub(crate) async fn start<B>(&self, method: &str, body: &B) -> u32
    where
        B: serde::Serialize + DynamicType,
    {
        let reply = self.call(method, body).await.expect(method);
        let (id, path): (u32, zbus::OwnedObjectPath) = reply.body().deserialize().unwrap();
        assert_eq!(path.as_str(), transfer(id));
        id
    }

    /// Starts a transfer; all that is heard of it up to its end.
    pub(crate) async fn run<B>(&mut self, method: &str, body: &B) -> Vec<Heard>
    where
        B: serde::Serialize + DynamicType,
    {
        let id = self.start(method, body).await;
        self.until_removed(id).await
    }

    /// Starts a transfer; how it ended, and the last line that says why.
    pub(crate) async fn end<B>(&mut self, method: &str, body: &B) -> (String, String)
    where
        B: serde::Serialize + DynamicType,
    {
        let heard = self.run(method, body).await;
        let mut lines = heard.iter().filter_map(|heard| match heard {
            Heard::Line(_, _, text) if text != "Exiting." => Some(text.clone()),
            _ => None,
        });
        let why = lines.next_back().unwrap_or_default();
        match heard.last() {
            Some(Heard::Removed(_, result)) => (result.clone(), why),
            other => panic!("{other:?}"),
        }
    }

    /// The next signal of the original's interfaces.
    pub(crate) async fn signal(&mut self) -> Heard {
        loop {
            let message = next(&mut self.signals).await;
            let header = message.header();
            let interface = header.interface().unwrap().as_str();
            if interface.starts_with("org.freedesktop.import1.") {
                return heard(&message);
            }
        }
    }

    /// All signals up to the end of a transfer, that one included.
    pub(crate) async fn until_removed(&mut self, id: u32) -> Vec<Heard> {
        let mut all = Vec::new();
        loop {
            all.push(self.signal().await);
            if matches!(all.last(), Some(Heard::Removed(ended, _)) if *ended == id) {
                return all;
            }
        }
    }
}

/// The path of a transfer.
pub(crate) fn transfer(id: u32) -> String {
    format!("{MANAGER}/transfer/_{id}")
}

fn heard(message: &Message) -> Heard {
    let header = message.header();
    let body = message.body();
    let of = || {
        let path = header.path().unwrap().to_string();
        path.rsplit('_').next().unwrap().parse().unwrap()
    };
    match header.member().unwrap().as_str() {
        "TransferNew" => {
            let (id, _): (u32, zbus::OwnedObjectPath) = body.deserialize().unwrap();
            Heard::New(id)
        }
        "TransferRemoved" => {
            let (id, _, result): (u32, zbus::OwnedObjectPath, String) = body.deserialize().unwrap();
            Heard::Removed(id, result)
        }
        "LogMessage" => {
            let (priority, line) = body.deserialize().unwrap();
            Heard::Line(of(), priority, line)
        }
        "ProgressUpdate" => Heard::Progress(of(), body.deserialize().unwrap()),
        other => panic!("unknown signal {other}"),
    }
}
