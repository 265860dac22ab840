//! SIGINT and SIGTERM.

use crate::report::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The two signals that ask a program to end.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes over both signals: from now on they only end [`Signals::next`].
    ///
    /// # Errors
    /// A failure if the handlers cannot be installed.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let take = |kind| {
            signal(kind).map_err(|error| Failure::io("Failed to install a signal handler", &error))
        };
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }
}
