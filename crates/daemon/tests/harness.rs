//! A private bus, a daemon on it with stand-in workers, and a client.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use futures_core::Stream;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use zbus::message::Type;
use zbus::{Connection, DBusError, DynamicType, MatchRule, Message, MessageStream};

/// How long anything may take. Only failures wait so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const NAME: &str = "org.freedesktop.import1";
pub(crate) const MANAGER: &str = "/org/freedesktop/import1";
pub(crate) const MANAGER_INTERFACE: &str = "org.freedesktop.import1.Manager";
pub(crate) const TRANSFER_INTERFACE: &str = "org.freedesktop.import1.Transfer";

/// Whether a program is there; prints why the test is skipped if not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

/// A private bus that lets everyone do everything.
#[derive(Debug)]
pub(crate) struct Bus {
    process: Child,
    pub(crate) address: String,
}

impl Bus {
    /// Starts one; `None`, with the reason printed, where that cannot be.
    pub(crate) fn start(folder: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root may start transfers");
            return None;
        }
        if !has("dbus-daemon") {
            return None;
        }
        Self::start_at(folder, &format!("unix:abstract={}/bus", folder.display()))
    }

    /// Starts one at that address.
    pub(crate) fn start_at(folder: &Path, address: &str) -> Option<Self> {
        let config = folder.join("bus.conf");
        let text = format!(
            "<busconfig><listen>{address}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>"
        );
        write(&config, &text);
        let mut process = Command::new("dbus-daemon")
            .arg("--nofork")
            .arg("--print-address")
            .arg(format!("--config-file={}", config.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut address).unwrap();
        let address = address.trim_end().to_owned();
        assert!(!address.is_empty(), "dbus-daemon did not start");
        Some(Self { process, address })
    }
}

impl Bus {
    /// Ends it.
    pub(crate) fn kill(&mut self) {
        end(&mut self.process);
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end(process: &mut Child) {
    process.kill().unwrap_or(());
    process.wait().map(drop).unwrap_or(());
}

pub(crate) fn write(path: &Path, text: &str) {
    use std::io::Write;
    File::create(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

/// Makes a folder of stand-in workers.
pub(crate) fn workers(folder: &Path) -> PathBuf {
    let workers = folder.join("workers");
    std::fs::create_dir_all(&workers).unwrap();
    for program in [
        "systemd-import",
        "systemd-import-fs",
        "systemd-export",
        "systemd-pull",
    ] {
        let path = workers.join(program);
        write(&path, include_str!("fixtures/worker.sh"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (name, text) in [
        ("report.py", include_str!("fixtures/report.py")),
        ("figures.py", include_str!("fixtures/figures.py")),
    ] {
        write(&folder.join(name), text);
    }
    workers
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) process: Child,
    notify: UnixDatagram,
    /// The end of a pipe that polite workers write to when they are asked to end.
    aborted: OwnedFd,
    pub(crate) folder: tempfile::TempDir,
    // Dropped after the daemon's process has been ended.
    pub(crate) bus: Bus,
}

impl Daemon {
    /// Starts a bus and a daemon on it, and waits until it is ready.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::start(folder.path())?;
        let command = Self::command(folder.path(), &bus);
        Some(Self::from_parts(command, folder, bus))
    }

    /// Starts the daemon by a command, with stand-ins for its workers, and waits until it is ready.
    pub(crate) fn from_parts(mut command: Command, folder: tempfile::TempDir, bus: Bus) -> Self {
        workers(folder.path());
        for fifo in ["gate", "aborted"] {
            let made = Command::new("mkfifo")
                .arg(folder.path().join(fifo))
                .status();
            assert!(made.unwrap().success());
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = folder.path().join("aborted");
        let aborted = rustix::fs::open(path, flags, Mode::empty()).unwrap();
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let process = command.spawn().unwrap();
        let daemon = Self {
            process,
            notify,
            aborted,
            folder,
            bus,
        };
        assert_eq!(
            daemon.notification(),
            "READY=1\nSTATUS=Processing requests...\n"
        );
        daemon
    }

    /// The command that starts the daemon.
    pub(crate) fn command(folder: &Path, bus: &Bus) -> Command {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_systemd-importd"));
        command
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
            .env("IMPORTD_WORKER_DIRECTORY", folder.join("workers"))
            .env("IMPORTD_TEST_DIRECTORY", folder)
            .env("RUNTIME_DIRECTORY", folder.join("run"))
            .env("NOTIFY_SOCKET", folder.join("notify"))
            .env("SYSTEMD_LOG_TARGET", "console-prefixed")
            .env("IMPORTD_VARLINK_SOCKET", folder.join("varlink"))
            .env("LISTEN_FDS", "0")
            .env_remove("SYSTEMD_LOG_LEVEL")
            .stderr(log);
        command
    }

    /// Ends the daemon as the service manager does and starts another one on the same bus.
    pub(crate) fn restart(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        assert_eq!(self.notification(), "STOPPING=1\nSTATUS=Shutting down...\n");
        assert!(self.exit().success());
        assert_eq!(self.notification(), "EXIT_STATUS=0\n");
        self.process = Self::command(self.folder.path(), &self.bus)
            .spawn()
            .unwrap();
        assert_eq!(
            self.notification(),
            "READY=1\nSTATUS=Processing requests...\n"
        );
    }

    /// Waits for the next message to the service manager.
    pub(crate) fn notification(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self
            .notify
            .recv(&mut buffer)
            .expect("the daemon says nothing");
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    /// Waits for so long, in which the daemon says nothing to the service manager.
    pub(crate) fn silence(&self, time: Duration) {
        self.notify.set_read_timeout(Some(time)).unwrap();
        let said = self.notify.recv(&mut [0; 64]);
        assert_eq!(said.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        self.notify.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the daemon's end.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// What the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until a polite worker has been asked to end.
    pub(crate) fn until_aborted(&self) {
        let mut ready = [PollFd::new(&self.aborted, PollFlags::IN)];
        let patience = rustix::event::Timespec::try_from(PATIENCE).unwrap();
        assert_eq!(rustix::event::poll(&mut ready, Some(&patience)), Ok(1));
        let mut said = [0; 16];
        let count = rustix::io::read(&self.aborted, &mut said).unwrap();
        // The kernel may send the signal of a parent's death once for each of its threads.
        assert!(said[..count].starts_with(b"aborted\n"));
    }

    /// Lets a holding worker go on.
    pub(crate) fn open_gate(&self) {
        write(&self.folder.path().join("gate"), "\n");
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.bus.address).await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A client that hears all signals of the service.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
    signals: MessageStream,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let builder = zbus::connection::Builder::address(address).method_timeout(PATIENCE);
        let connection = builder.build().await.unwrap();
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .path_namespace(MANAGER)
            .build()
            .unwrap();
        let queue = std::num::NonZeroUsize::new(4096);
        let signals = MessageStream::for_match_rule(rule, &connection, queue)
            .await
            .unwrap();
        Self {
            connection,
            signals,
        }
    }

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
        reply.await.map_err(refusal)
    }

    /// Starts a pull into an image of that name; returns the transfer's number.
    pub(crate) async fn pull(&self, name: &str) -> u32 {
        let url = format!("http://server/{name}.raw");
        let reply = self
            .call("PullRaw", &(url.as_str(), name, "no", false))
            .await
            .unwrap();
        let (id, path): (u32, zbus::OwnedObjectPath) = reply.body().deserialize().unwrap();
        assert_eq!(path.as_str(), transfer(id));
        id
    }

    /// Starts an import from a descriptor into an image of that name; returns its number.
    pub(crate) async fn import(&self, fd: impl AsFd, name: &str) -> u32 {
        let fd = zbus::Fd::from(fd.as_fd());
        let reply = self
            .call("ImportRaw", &(fd, name, false, false))
            .await
            .unwrap();
        reply
            .body()
            .deserialize::<(u32, zbus::OwnedObjectPath)>()
            .unwrap()
            .0
    }

    /// The next signal of the original's interfaces.
    pub(crate) async fn signal(&mut self) -> Heard {
        loop {
            let message = self.message().await;
            let interface = message.header().interface().unwrap().to_string();
            if interface == MANAGER_INTERFACE || interface == TRANSFER_INTERFACE {
                return Heard::from(&message);
            }
        }
    }

    /// The message of the next signal.
    pub(crate) async fn message(&mut self) -> Message {
        let signals = &mut self.signals;
        let next = std::future::poll_fn(|context| Pin::new(&mut *signals).poll_next(context));
        let message = tokio::time::timeout(PATIENCE, next).await;
        message.expect("no signal came").unwrap().unwrap()
    }

    /// Waits until a worker has said that line.
    pub(crate) async fn until_line(&mut self, line: &str) {
        while !matches!(self.signal().await, Heard::Line(_, _, text) if text == line) {}
    }

    /// All signals up to the end of a transfer, that one included.
    pub(crate) async fn until_removed(&mut self, id: u32) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.signal().await);
            if matches!(heard.last(), Some(Heard::Removed(ended, _)) if *ended == id) {
                return heard;
            }
        }
    }

    /// The lines of one transfer up to its end, and how it ended.
    pub(crate) async fn lines_and_result(&mut self, id: u32) -> (Vec<(u32, String)>, String) {
        let mut lines = Vec::new();
        for heard in self.until_removed(id).await {
            match heard {
                Heard::Line(of, priority, text) if of == id => lines.push((priority, text)),
                Heard::Removed(of, result) if of == id => return (lines, result),
                _ => {}
            }
        }
        unreachable!("the end comes last")
    }
}

/// Name and text of an error reply.
pub(crate) fn refusal(error: zbus::Error) -> (String, String) {
    match error {
        zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap_or_default()),
        zbus::Error::FDO(error) => {
            let text = error.description().unwrap_or_default().to_owned();
            (error.name().to_string(), text)
        }
        other => panic!("{other}"),
    }
}

/// The path of a transfer.
pub(crate) fn transfer(id: u32) -> String {
    format!("/org/freedesktop/import1/transfer/_{id}")
}

/// A signal of the service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    New(u32),
    Removed(u32, String),
    Line(u32, u32, String),
    Progress(u32, f64),
}

impl From<&Message> for Heard {
    fn from(message: &Message) -> Self {
        let header = message.header();
        let body = message.body();
        let path = header.path().unwrap().to_string();
        let of_transfer = || {
            let digits = path.rsplit('_').next().unwrap();
            assert_eq!(header.interface().unwrap().as_str(), TRANSFER_INTERFACE);
            digits.parse().unwrap()
        };
        match header.member().unwrap().as_str() {
            "TransferNew" => {
                let (id, object) = body.deserialize::<(u32, zbus::OwnedObjectPath)>().unwrap();
                assert_eq!(
                    (path.as_str(), object.as_str()),
                    (MANAGER, transfer(id).as_str())
                );
                Heard::New(id)
            }
            "TransferRemoved" => {
                let (id, object, result) = body
                    .deserialize::<(u32, zbus::OwnedObjectPath, String)>()
                    .unwrap();
                assert_eq!(
                    (path.as_str(), object.as_str()),
                    (MANAGER, transfer(id).as_str())
                );
                Heard::Removed(id, result)
            }
            "LogMessage" => {
                let (priority, line) = body.deserialize().unwrap();
                Heard::Line(of_transfer(), priority, line)
            }
            "ProgressUpdate" => Heard::Progress(of_transfer(), body.deserialize().unwrap()),
            other => panic!("unknown signal {other}"),
        }
    }
}
