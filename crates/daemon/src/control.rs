//! What the running daemon is asked for beside calls: by signals, and by the kernel.
//!
//! | request | comes as |
//! |---|---|
//! | stop | SIGTERM, SIGINT |
//! | read the configuration again | SIGHUP, `systemctl reload` |
//! | log more or less, elsewhere; save memory; tell figures | SIGRTMIN+18 with a number |
//! | save memory | memory pressure |
//!
//! # Source
//! systemd(1), section "Signals", for the numbers of SIGRTMIN+18.

use crate::log::control::{Level, Target};
use crate::manager::Manager;
use crate::pressure::{Pressure, Watch};
use crate::readiness::watch;
use importd_host::control_signal::ControlSignals;
use importd_host::memory;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// End.
    Stop,
    /// Read the configuration again.
    Reload,
    /// What this number of SIGRTMIN+18 means.
    Control(i32),
    /// Save memory.
    SaveMemory,
}

/// Where requests come from.
#[derive(Debug)]
pub struct Requests {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    control: ControlSignals,
    /// Tells when `control` has something.
    control_ready: AsyncFd<OwnedFd>,
    pressure: Option<Pressure>,
}

impl Requests {
    /// Begins to listen. Must be called before other threads are started.
    ///
    /// # Errors
    /// When a signal cannot be listened to.
    pub fn new(pressure: &Watch) -> io::Result<Self> {
        let control = ControlSignals::open()?;
        let control_ready = control.as_fd().try_clone_to_owned().and_then(watch)?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            control,
            control_ready,
            pressure: pressure.start(),
        })
    }

    /// Waits for a request.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Request {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Request::Stop,
                _ = self.interrupt.recv() => return Request::Stop,
                _ = self.hang_up.recv() => return Request::Reload,
                number = next_number(&self.control, &self.control_ready) => match number {
                    Ok(number) => return Request::Control(number),
                    Err(error) => tracing::warn!("A signal could not be read: {error}"),
                },
                sign = next_sign(self.pressure.as_ref()) => match sign {
                    Ok(()) => return Request::SaveMemory,
                    Err(error) => {
                        tracing::debug!("Memory pressure is not watched any more: {error}");
                        self.pressure = None;
                    }
                },
            }
        }
    }
}

async fn next_number(signals: &ControlSignals, ready: &AsyncFd<OwnedFd>) -> io::Result<i32> {
    loop {
        let mut ready = ready.readable().await?;
        let read = ready.try_io(|_| match signals.next() {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        });
        if let Ok(read) = read {
            return read;
        }
    }
}

async fn next_sign(pressure: Option<&Pressure>) -> io::Result<()> {
    match pressure {
        Some(pressure) => pressure.next().await,
        None => std::future::pending().await,
    }
}

/// First of the numbers that set the log level; the level is added to it.
const LEVEL: i32 = 0x100;
/// The last of them.
const LEVEL_LAST: i32 = LEVEL + 7;
/// Numbers that set the log target.
const TARGETS: [(i32, Target); 4] = [
    (0x200, Target::Console),
    (0x201, Target::Journal),
    (0x202, Target::Kmsg),
    (0x203, Target::Null),
];
/// Save memory.
const TRIM: i32 = 0x300;
/// Tell figures about memory and transfers.
const FIGURES: i32 = 0x301;

/// Does what a number of SIGRTMIN+18 asks for.
pub fn obey(number: i32, table: &Manager) {
    let target = TARGETS.into_iter().find(|(known, _)| *known == number);
    match (number, target) {
        (LEVEL..=LEVEL_LAST, _) => {
            if let Some(level) = Level::parse(&(number - LEVEL).to_string()) {
                table.log().set_level(level);
                tracing::info!("The log level is {} now.", level.as_str());
            }
        }
        (_, Some((_, target))) => {
            table.log().set_target(target);
            tracing::info!("The log target is {} now.", target.as_str());
        }
        (TRIM, None) => save_memory(),
        (FIGURES, None) => tell_figures(table),
        (_, None) => tracing::debug!("The control signal brought {number:#x}, which says nothing."),
    }
}

/// Gives memory back that was freed.
pub fn save_memory() {
    let before = memory::usage();
    let _had_some = memory::trim();
    let after = memory::usage();
    let given = before.held.saturating_sub(after.held);
    tracing::debug!("Gave back {given} bytes of memory.");
}

fn tell_figures(table: &Manager) {
    let (counts, limits, usage) = (table.counts(), table.limits(), memory::usage());
    let (running, queued) = (counts.running, counts.queued);
    let (most, held, used) = (limits.running, usage.held, usage.used);
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    tracing::info!(
        "Transfers: {running} running of {most}, {queued} waiting. Memory: {used} bytes used, \
         {held} held. Descriptors: {descriptors}."
    );
}
