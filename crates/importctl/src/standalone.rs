//! A transfer without the service: the worker that the service would run, with the same arguments,
//! as a child of this process.

use crate::environment::Environment;
use crate::hints;
use crate::lines::Lines;
use crate::report::{self, Failure};
use crate::screen::Screen;
use crate::signals::{Request, Resizes, Signals};
use crate::standing::News;
use crate::system::{self, Signal};
use crate::target;
use importd_api::figures::{Figures, Reason};
use importd_api::job::Job;
use importd_api::{progress, worker};
use std::ffi::OsString;
use std::fs::File;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::net::UnixDatagram;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

/// Largest datagram read from a worker, in bytes. Its reports are a few short lines; the rest of a
/// longer one is cut by the kernel.
const DATAGRAM_MAX: usize = 4096;

/// How soon after the first a second signal counts as the same request: timeout(1) and others send
/// theirs to us, and once more to the group we are in.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// The descriptors that a worker works on.
#[derive(Debug)]
pub(crate) enum Ends {
    /// None: it fetches by itself.
    None,
    /// Standard input.
    Input(File),
    /// Standard output.
    Output(File),
}

/// What a worker is started for.
#[derive(Debug)]
pub(crate) struct Task {
    /// The worker.
    pub(crate) program: worker::Program,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// What it works on.
    pub(crate) ends: Ends,
    /// Whether it reports how far it is.
    pub(crate) has_progress: bool,
}

/// A running worker.
#[derive(Debug)]
struct Run {
    program: PathBuf,
    child: Child,
    log: Receiver,
    notify: UnixDatagram,
    lines: Lines,
    screen: Screen,
    errno: Option<i32>,
    /// Why it fails, if it has said so.
    reason: Option<Reason>,
    /// When the first signal came.
    interrupted: Option<Instant>,
}

/// Runs the worker for a job and shows what it says. A signal that asks us to end is passed on, and
/// the worker's end is waited for: it removes what is unfinished. A second SIGINT or SIGTERM kills
/// it.
///
/// # Errors
/// A failure if it cannot be started or does not succeed.
pub(crate) async fn run(
    job: &Job,
    ends: Ends,
    screen: Screen,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let task = Task {
        program: worker::program(job),
        arguments: worker::arguments(job),
        ends,
        has_progress: true,
    };
    run_task(task, screen, environment).await
}

/// As [`run`], for whatever a worker can do.
///
/// # Errors
/// As [`run`].
pub(crate) async fn run_task(
    task: Task,
    screen: Screen,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let has_progress = task.has_progress;
    let mut run = Run::start(task, screen, environment)?;
    let mut resizes = Resizes::new();
    if has_progress {
        run.screen.start(None, Vec::new());
    }
    let mut buffer = [0; DATAGRAM_MAX];
    let mut log_open = true;
    let status = loop {
        tokio::select! {
            biased;
            ready = run.log.readable(), if log_open => log_open = ready.is_ok() && run.read_log(),
            got = run.notify.recv(&mut buffer) => {
                // An error says that a datagram is lost; there is nobody to tell.
                if let Ok(length) = got {
                    run.notified(buffer.get(..length).unwrap_or_default());
                }
            }
            request = signals.next() => run.interrupt(request),
            () = resizes.next() => run.screen.redraw(),
            status = run.child.wait() => break status,
        }
    };
    let status = status.map_err(|error| {
        Failure::io(
            &format!("Failed to wait for {}", run.program.display()),
            &error,
        )
    })?;
    run.drain(&mut buffer);
    run.end(status)
}

impl Run {
    fn start(task: Task, screen: Screen, environment: &Environment) -> anyhow::Result<Self> {
        let file_name = task.program.file_name();
        let program = environment.worker_directory(file_name).join(file_name);
        let fail = |error: std::io::Error| {
            Failure::io(&format!("Failed to start {}", program.display()), &error)
        };
        let (log, writer) = std::io::pipe().map_err(fail)?;
        let (notify, address) = notify_socket().map_err(fail)?;
        let mut command = Command::new(&program);
        command
            .args(task.arguments)
            .env("SYSTEMD_LOG_TARGET", "console-prefixed")
            .env("NOTIFY_SOCKET", address)
            .stdin(Stdio::null())
            .stderr(writer.try_clone().map_err(fail)?)
            .stdout(writer)
            // Its own group: a C-c reaches it through us only, and once.
            .process_group(0);
        match task.ends {
            Ends::None => &mut command,
            Ends::Input(file) => command.stdin(file),
            Ends::Output(file) => command.stdout(file),
        };
        let child = command.spawn().map_err(fail)?;
        // The writing ends in it would keep the pipe open.
        drop(command);
        let log = Receiver::from_owned_fd(log.into()).map_err(fail)?;
        Ok(Self {
            program,
            child,
            log,
            notify,
            lines: Lines::default(),
            screen,
            errno: None,
            reason: None,
            interrupted: None,
        })
    }

    /// Shows what is in the pipe; `false` once nothing more can come.
    fn read_log(&mut self) -> bool {
        let mut buffer = [0; 8192];
        match self.log.try_read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                let screen = &mut self.screen;
                self.lines
                    .push(bytes, |priority, line| screen.log(priority, line));
                true
            }
            Err(error) => matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
            ),
        }
    }

    /// Takes a report: how far the worker is, or why it ends.
    fn notified(&mut self, datagram: &[u8]) {
        let text = String::from_utf8_lossy(datagram);
        let mut news = news(&text);
        if let Some(Ok(percent)) = progress::from_datagram(&text) {
            news.push(News::Percent(percent));
        }
        if !news.is_empty() {
            self.screen.learn(news);
        }
        if let Some(reason) = Reason::from_datagram(&text) {
            self.reason = Some(reason);
        }
        let errno = text.lines().find_map(|line| line.strip_prefix("ERRNO="));
        if let Some(errno) = errno.and_then(|number| number.parse().ok()) {
            self.errno = Some(errno);
        }
    }

    fn interrupt(&mut self, request: Request) {
        let first = *self.interrupted.get_or_insert_with(Instant::now);
        let is_again = first.elapsed() > SAME_REQUEST;
        let Some(process) = self.child.id() else {
            return;
        };
        let sent = match request {
            Request::Interrupt | Request::Terminate if is_again => system::kill_group(process),
            Request::Interrupt => system::send_signal(process, Signal::INT),
            // Workers clean up upon these two only.
            Request::Terminate | Request::HangUp => system::send_signal(process, Signal::TERM),
        };
        if let Err(error) = sent {
            let reason = report::reason(&error);
            self.screen.log(
                4,
                &format!("Failed to pass a signal on to the worker: {reason}"),
            );
        }
    }

    /// Takes what was written before the end. Children of the worker may hold the pipe open, so
    /// its end is not waited for.
    fn drain(&mut self, buffer: &mut [u8]) {
        loop {
            let mut bytes = [0; 8192];
            match self.log.try_read(&mut bytes) {
                Ok(length) if length > 0 => {
                    let screen = &mut self.screen;
                    let bytes = bytes.get(..length).unwrap_or_default();
                    self.lines
                        .push(bytes, |priority, line| screen.log(priority, line));
                }
                Ok(_) | Err(_) => break,
            }
        }
        while let Ok(length) = self.notify.try_recv(buffer) {
            self.notified(buffer.get(..length).unwrap_or_default());
        }
        let screen = &mut self.screen;
        self.lines
            .finish(|priority, line| screen.log(priority, line));
    }

    fn end(mut self, status: ExitStatus) -> anyhow::Result<ExitCode> {
        self.screen.clear();
        if status.success() {
            return Ok(ExitCode::SUCCESS);
        }
        let kind = self.reason.as_ref().and_then(|reason| reason.kind);
        let code = match (kind, self.errno) {
            _ if self.interrupted.is_some() => report::INTERRUPTED,
            (Some(kind), _) => kind.code(),
            (None, Some(errno)) => report::errno_code(errno),
            (None, None) => report::TRANSFER_FAILED,
        };
        if let Some(line) = self.screen.last_error() {
            return Err(Failure::told(code, line, hints::for_worker(line)));
        }
        let program = self.program.display();
        if self.interrupted.is_some() {
            let message = format!("{program} was interrupted");
            return Err(Failure::told(code, message, None));
        }
        let how = match (status.code(), status.signal()) {
            (Some(number), _) => format!("ended with exit status {number}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => "ended".to_owned(),
        };
        // A reason that stands in no line, as where the log is not read to its end.
        let how = self.reason.map_or(how, |reason| reason.text);
        Err(Failure::coded(
            code,
            format!("Failed to transfer image: {program} {how}"),
        ))
    }
}

/// What a report says beside the percentage.
fn news(datagram: &str) -> Vec<News> {
    let Some(figures) = Figures::from_datagram(datagram) else {
        return Vec::new();
    };
    let phase = figures
        .phase
        .map(|phase| News::Phase(phase.as_str().to_owned()));
    let mut news = vec![
        News::Total(figures.total),
        News::Bytes(figures.bytes),
        News::Retries(figures.retries),
    ];
    news.extend(phase);
    news
}

/// A socket for progress reports in the abstract namespace, and the value of `NOTIFY_SOCKET` for
/// it. Its name cannot be guessed; whoever looks it up can only disturb the bar.
fn notify_socket() -> std::io::Result<(UnixDatagram, std::ffi::OsString)> {
    let name = format!("importctl-{:016x}", target::random()?);
    let socket = StdDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes())?)?;
    socket.set_nonblocking(true)?;
    let address = [b"@", name.as_bytes()].concat();
    let address = std::ffi::OsStr::from_bytes(&address).to_owned();
    Ok((UnixDatagram::from_std(socket)?, address))
}
