//! Worker processes: started, watched, stopped; what they do comes out as [`Event`]s.
//!
//! Each worker leads a process group of its own. One task per worker reads its log pipe, waits for
//! its end and escalates from SIGTERM to SIGKILL. When the worker has ended, what is left of its
//! group is killed, the rest of the pipe is read, and only then [`Event::Exited`] is sent: it is the
//! last event of a worker.

use crate::lines::{Line, Lines};
use crate::log::control::Control;
use crate::readiness::watch;
use crate::refusal::Refusal;
use crate::transfer::Stop;
use importd_api::job::{Descriptor, Job};
use importd_api::worker;
use importd_host::child::{Child, Command, ExitOutcome, Signal, Stdio};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes read from a log pipe at once: a page, several lines.
const READ_BYTES: usize = 4096;

/// Most bytes read from a log pipe after its worker has ended. A pipe holds 64 KiB and at most
/// 1 MiB without privileges (pipe(7)); more can only come from somebody who keeps writing.
const REST_MAX: usize = 1 << 20;

/// Variables that are meant for the daemon alone.
const UNSET: [&str; 8] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
];

/// What a worker did.
#[derive(Debug)]
pub enum Event {
    /// It wrote a line.
    Line {
        /// The transfer.
        id: u32,
        /// The line.
        line: Line,
    },
    /// It has ended and been reaped; nothing more comes from it.
    Exited {
        /// The transfer.
        id: u32,
        /// How it ended.
        exit: ExitOutcome,
    },
}

/// Starts workers.
#[derive(Debug)]
pub struct Launcher {
    /// Folder of the worker programs.
    pub directory: PathBuf,
    /// How much workers log; those that start after a change log so.
    pub log: Control,
    /// `$NOTIFY_SOCKET` of the workers.
    pub notify_socket: String,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How many descriptors workers may have; `None`: as many as the daemon.
    pub open_files_max: Option<u64>,
    /// Where events go.
    pub events: mpsc::Sender<Event>,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    pid: i32,
    stops: mpsc::UnboundedSender<Stop>,
}

impl Worker {
    /// A handle of process `pid` whose stops go to `stops`.
    #[must_use]
    pub const fn new(pid: i32, stops: mpsc::UnboundedSender<Stop>) -> Self {
        Self { pid, stops }
    }

    /// The worker's process.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Tells the worker to stop. One that has ended is not told, and its end is on its way.
    pub fn stop(&self, stop: Stop) {
        self.stops.send(stop).unwrap_or(());
    }
}

impl Launcher {
    /// Starts the worker of a job; `stream` becomes its standard input or output.
    ///
    /// # Errors
    /// [`Refusal::Start`] when there is no such program or no more processes can be had.
    pub fn launch(&self, id: u32, job: &Job, stream: Option<OwnedFd>) -> Result<Worker, Refusal> {
        let program = self.directory.join(worker::program(job).file_name());
        self.spawn(id, job, stream, program.clone())
            .map_err(|source| Refusal::Start { program, source })
    }

    fn spawn(
        &self,
        id: u32,
        job: &Job,
        stream: Option<OwnedFd>,
        program: PathBuf,
    ) -> io::Result<Worker> {
        let (log_read, log_write) = io::pipe()?;
        rustix::io::ioctl_fionbio(&log_read, true)?;
        // What can fail does so before there is a worker.
        let log = Log::new(log_read.into())?;
        let log_write = OwnedFd::from(log_write);
        let mut command = Command::new(program);
        command.args(worker::arguments(job));
        command.env("SYSTEMD_LOG_TARGET", "console-prefixed");
        command.env("SYSTEMD_LOG_LEVEL", self.log.level().as_str());
        command.env("NOTIFY_SOCKET", &self.notify_socket);
        for variable in UNSET {
            command.env_remove(variable);
        }
        if let Some(count) = self.open_files_max {
            command.open_files_max(count);
        }
        command.stderr(Stdio::Fd(log_write.try_clone()?));
        match (job.descriptor(), stream) {
            (Descriptor::Input, Some(stream)) => {
                command.stdin(Stdio::Fd(stream));
                command.stdout(Stdio::Fd(log_write));
            }
            (Descriptor::Output, Some(stream)) => {
                command.stdout(Stdio::Fd(stream));
            }
            _ => {
                command.stdout(Stdio::Fd(log_write));
            }
        }
        let child = command.spawn()?;
        let ended = child.pidfd().try_clone_to_owned().and_then(watch);
        self.supervise(id, child, log, ended)
    }

    /// Watches over a worker, or ends it if its end cannot be watched for.
    fn supervise(
        &self,
        id: u32,
        child: Child,
        log: Log,
        ended: io::Result<AsyncFd<OwnedFd>>,
    ) -> io::Result<Worker> {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                discard(id, child);
                return Err(error);
            }
        };
        let (sender, stops) = mpsc::unbounded_channel();
        let pid = child.pid();
        let supervisor = Supervisor {
            id,
            ended,
            child,
            log,
            stops,
            events: self.events.clone(),
            grace: self.grace,
        };
        tokio::spawn(supervisor.run());
        Ok(Worker::new(pid, sender))
    }
}

/// Ends a worker that is no transfer's. Its end may take a moment, which the bus does not wait.
fn discard(id: u32, child: Child) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = child.discard() {
            tracing::error!("Worker of transfer {id} could not be ended: {error}");
        }
    });
}

struct Supervisor {
    id: u32,
    child: Child,
    ended: AsyncFd<OwnedFd>,
    log: Log,
    stops: mpsc::UnboundedReceiver<Stop>,
    events: mpsc::Sender<Event>,
    grace: Duration,
}

impl Supervisor {
    async fn run(mut self) {
        let mut deadline: Option<Instant> = None;
        loop {
            // The log comes last: a worker that never stops writing must not escape its end.
            tokio::select! {
                biased;
                Some(stop) = self.stops.recv() => deadline = self.stop(stop, deadline),
                () = reached(deadline) => deadline = self.stop(Stop::AtOnce, deadline),
                _ = self.ended.readable() => break,
                lines = self.log.next(), if self.log.is_open => self.send(lines).await,
            }
        }
        // The worker is a zombie still, so its number stands for its group and for no other.
        self.signal(Signal::KILL);
        let rest = self.log.rest();
        self.send(rest).await;
        let exit = self.child.wait().unwrap_or_else(|error| {
            tracing::error!(
                "Worker of transfer {} could not be reaped: {error}",
                self.id
            );
            ExitOutcome::Exited(1)
        });
        let id = self.id;
        self.tell(Event::Exited { id, exit }).await;
    }

    /// Signals the worker; returns when it is to be killed. The first deadline stands.
    fn stop(&self, stop: Stop, deadline: Option<Instant>) -> Option<Instant> {
        match stop {
            Stop::Politely => {
                self.signal(Signal::TERM);
                self.signal(Signal::CONT);
                deadline.or_else(|| Instant::now().checked_add(self.grace))
            }
            Stop::AtOnce => {
                self.signal(Signal::KILL);
                None
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Err(error) = self.child.signal_group(signal) {
            tracing::debug!("Transfer {} could not be signalled: {error}", self.id);
        }
    }

    async fn send(&self, lines: Vec<Line>) {
        for line in lines {
            let id = self.id;
            self.tell(Event::Line { id, line }).await;
        }
    }

    /// Waits while the daemon is behind; the worker then waits on its full pipe.
    async fn tell(&self, event: Event) {
        if self.events.send(event).await.is_err() {
            tracing::debug!("The daemon no longer listens to transfer {}", self.id);
        }
    }
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A worker's log pipe.
struct Log {
    pipe: AsyncFd<OwnedFd>,
    lines: Lines,
    is_open: bool,
}

impl Log {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: watch(pipe)?,
            lines: Lines::default(),
            is_open: true,
        })
    }

    /// The lines that the next bytes complete.
    ///
    /// # Cancellation
    /// Nothing is lost: bytes are read after the last point where it waits.
    async fn next(&mut self) -> Vec<Line> {
        let mut buffer = [0; READ_BYTES];
        let read = match self.pipe.readable().await {
            Ok(mut ready) => match ready.try_io(|pipe| read(pipe, &mut buffer)) {
                Ok(read) => read,
                Err(_would_block) => return Vec::new(),
            },
            Err(error) => Err(error),
        };
        match read {
            Ok(0) => {
                self.is_open = false;
                Vec::new()
            }
            Ok(count) => self.lines.feed(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Vec::new(),
            Err(error) => {
                tracing::warn!("A log pipe cannot be read any more: {error}");
                self.is_open = false;
                Vec::new()
            }
        }
    }

    /// What stands in the pipe, without waiting for more.
    fn rest(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut buffer = [0; READ_BYTES];
        let mut total = 0;
        while self.is_open && total < REST_MAX {
            match read(&self.pipe, &mut buffer) {
                Ok(count @ 1..) => {
                    total += count;
                    lines.extend(self.lines.feed(&buffer[..count]));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => self.is_open = false,
            }
        }
        lines.extend(self.lines.finish());
        lines
    }
}

fn read(pipe: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(pipe.get_ref(), buffer)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[tokio::test]
    async fn a_worker_whose_end_cannot_be_watched_for_is_ended() {
        let (events, _) = mpsc::channel(1);
        let launcher = Launcher {
            directory: PathBuf::new(),
            log: Control::default(),
            notify_socket: String::new(),
            grace: Duration::ZERO,
            open_files_max: None,
            events,
        };
        let (mut reader, writer) = io::pipe().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 1000 & wait"]);
        command.stdout(Stdio::Fd(writer.into()));
        let child = command.spawn().unwrap();
        drop(command);
        let (log, _log_write) = io::pipe().unwrap();
        let log = Log::new(log.into()).unwrap();
        let failed = Err(io::ErrorKind::OutOfMemory.into());
        let error = launcher.supervise(1, child, log, failed).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        // The pipe ends with the last process that could write to it.
        let read = tokio::task::spawn_blocking(move || reader.read(&mut [0]));
        assert_eq!(read.await.unwrap().unwrap(), 0);
    }
}
