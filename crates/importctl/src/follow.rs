//! One transfer of the service, from the call to its end.

use crate::client::{CallError, Client, Event, Transfer};
use crate::report::{self, Failure};
use crate::screen::Screen;
use crate::signals::Signals;
use crate::target::Target;
use crate::units;
use importd_api::bus::Outcome;
use std::process::ExitCode;

/// What every failure to start begins with.
const DOING: &str = "Failed to transfer image";

/// A started transfer with everything that belongs to it.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    client: &'a mut Client,
    screen: Screen,
    signals: Signals,
    transfer: Transfer,
}

impl<'a> Follower<'a> {
    /// Subscribes, calls, and waits for the answer.
    ///
    /// # Errors
    /// A failure if the call is refused, or a signal comes before the answer.
    pub(crate) async fn start(
        client: &'a mut Client,
        call: &crate::client::Call<'_>,
        screen: Screen,
    ) -> anyhow::Result<Self> {
        let mut signals = Signals::new()?;
        let starting = async {
            client.subscribe().await?;
            client.start(call).await
        };
        let transfer = tokio::select! {
            started = starting => started.map_err(|e| e.into_failure_with_hint(DOING))?,
            _ = signals.next() => {
                return Err(Failure::coded(
                    report::INTERRUPTED,
                    "Interrupted before the service answered",
                ));
            }
        };
        Ok(Self {
            client,
            screen,
            signals,
            transfer,
        })
    }

    /// Shows what happens until the transfer ends. An export's target gets its name when the
    /// transfer is done, and also when the wait for it is given up, because it goes on.
    ///
    /// # Errors
    /// A failure if the transfer or the service fails.
    pub(crate) async fn finish(mut self, target: Option<Target>) -> anyhow::Result<ExitCode> {
        let id = self.transfer.id;
        self.screen.message(&format!(
            "Enqueued transfer job {id}. Press C-c to continue download in background."
        ));
        self.screen.start_bar();
        loop {
            let event = tokio::select! {
                biased;
                event = self.client.event(&self.transfer) => event,
                _ = self.signals.next() => return self.leave(target),
            };
            match event {
                Ok(Event::Log { priority, line }) => self.screen.log(priority, &line),
                Ok(Event::Progress(share)) => {
                    if let Some(percent) = units::percent(share) {
                        self.screen.progress(percent);
                    }
                }
                Ok(Event::Removed(outcome)) => return self.end(outcome, target),
                Ok(Event::Gone) | Err(CallError::Lost(_)) => return Err(lost()),
                Err(error @ CallError::Refused { .. }) => return Err(error.into_failure(DOING)),
            }
        }
    }

    fn leave(mut self, target: Option<Target>) -> anyhow::Result<ExitCode> {
        self.screen.clear();
        let id = self.transfer.id;
        self.screen.message(&format!(
            "Continuing download in the background. \
             Use \"importctl cancel-transfer {id}\" to abort transfer."
        ));
        if let Some(target) = target {
            target.publish_unfinished()?;
        }
        Ok(ExitCode::FAILURE)
    }

    fn end(mut self, outcome: Option<Outcome>, target: Option<Target>) -> anyhow::Result<ExitCode> {
        self.screen.clear();
        let id = self.transfer.id;
        match outcome {
            Some(Outcome::Done) => {
                if let Some(target) = target {
                    target.publish()?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Some(Outcome::Canceled) => {
                let message = format!("Transfer {id} was cancelled");
                self.screen.message(&message);
                Err(Failure::told(report::TRANSFER_CANCELLED, message))
            }
            // The log has said why, unless the worker was killed.
            Some(Outcome::Failed) | None => match self.screen.last_error() {
                Some(line) => Err(Failure::told(report::TRANSFER_FAILED, line)),
                None => Err(Failure::coded(
                    report::TRANSFER_FAILED,
                    format!("Transfer {id} failed without a reason"),
                )),
            },
        }
    }
}

fn lost() -> anyhow::Error {
    Failure::coded(
        report::SERVICE_LOST,
        "Lost connection to the import service; the transfer did not finish",
    )
}
