//! What happens to transfers, as everyone is told.

use importd_api::bus::Outcome;
use importd_api::failure::Kind;
use importd_api::figures::Reason;
use importd_host::child::ExitOutcome;

/// Something that happened to a transfer.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// It has been accepted; it runs already, or waits.
    Added {
        /// The transfer.
        id: u32,
    },
    /// Its worker wrote a line.
    Line {
        /// The transfer.
        id: u32,
        /// Level and facility, as syslog(3).
        priority: u32,
        /// The line.
        text: String,
    },
    /// More of it is done.
    Progress {
        /// The transfer.
        id: u32,
        /// How much, 0 to 1.
        fraction: f64,
    },
    /// Its state or its figures are others.
    Changed {
        /// The transfer.
        id: u32,
    },
    /// It has ended and is no longer in the table.
    Removed {
        /// The transfer.
        id: u32,
        /// How.
        outcome: Outcome,
        /// Why, if it is not done.
        reason: Option<Reason>,
    },
}

/// The reason of a transfer that was cancelled.
#[must_use]
pub fn cancelled() -> Reason {
    Reason::new("Transfer aborted", Some(Kind::Cancelled))
}

/// The reason of a worker that gives none.
#[must_use]
pub fn end_of(exit: ExitOutcome) -> Reason {
    let text = match exit {
        ExitOutcome::Exited(code) => format!("The worker ended with exit status {code}"),
        ExitOutcome::Signaled(signal) => format!("The worker was terminated by signal {signal}"),
    };
    Reason::new(&text, None)
}

/// Tells the log how the worker of a transfer ended.
pub fn log_exit(id: u32, exit: ExitOutcome) {
    match exit {
        ExitOutcome::Exited(0) => tracing::debug!("(transfer{id}) Transfer process succeeded."),
        ExitOutcome::Exited(code) => {
            tracing::error!("(transfer{id}) Transfer process failed with exit code {code}.");
        }
        ExitOutcome::Signaled(signal) => {
            tracing::error!("(transfer{id}) Transfer process terminated by signal {signal}.");
        }
    }
}
