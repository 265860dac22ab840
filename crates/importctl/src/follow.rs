//! One transfer of the service, from the call to its end.

use crate::client::{CallError, Client, Event, Transfer};
use crate::hints;
use crate::report::{self, Failure};
use crate::screen::Screen;
use crate::signals::{Resizes, Signals};
use crate::target::Target;
use importd_api::bus::Outcome;
use std::process::ExitCode;
use std::time::Duration;

/// What every failure to start begins with.
const DOING: &str = "Failed to transfer image";

/// How long after the loss of the bus a signal counts as what has ended both.
const SAME_SIGNAL: Duration = Duration::from_millis(100);

/// A started transfer with everything that belongs to it.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    client: &'a mut Client,
    screen: Screen,
    signals: Signals,
    transfer: Transfer,
    /// Kind and reason of the end, if the service tells.
    reason: Option<(String, String)>,
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
            started = starting => started.map_err(|e| e.into_failure(DOING, hints::STANDALONE))?,
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
            reason: None,
        })
    }

    /// The transfer's number.
    pub(crate) fn id(&self) -> u32 {
        self.transfer.id
    }

    /// Shows what happens until the transfer ends. An export's target gets its name when the
    /// transfer is done, and also when the wait for it is given up, because it goes on.
    ///
    /// # Errors
    /// A failure if the transfer or the service fails, or the wait is given up.
    pub(crate) async fn finish(mut self, target: Option<Target>) -> anyhow::Result<ExitCode> {
        let id = self.transfer.id;
        self.screen.message(&format!(
            "Enqueued transfer job {id}. Press C-c to continue download in background."
        ));
        // Before the first bar, which may be drawn on a terminal that is about to change.
        let mut resizes = Resizes::new();
        let news = match self.screen.shows_standing() {
            true => self.client.figures(&self.transfer).await,
            false => Ok(Vec::new()),
        };
        // A bus that is gone is noticed below.
        self.screen.start(Some(id), news.unwrap_or_default());
        loop {
            let event = tokio::select! {
                biased;
                event = self.client.event(&self.transfer) => event,
                _ = self.signals.next() => return self.leave(target),
                () = resizes.next() => {
                    self.screen.redraw();
                    continue;
                }
            };
            match event {
                Ok(Event::Log { priority, line }) => self.screen.log(priority, &line),
                Ok(Event::News(news)) => self.screen.learn(news),
                Ok(Event::Reason { kind, reason }) => self.reason = Some((kind, reason)),
                Ok(Event::Removed(outcome)) => return self.end(outcome, target),
                Ok(Event::Gone) => return Err(lost()),
                Err(CallError::Lost(_)) if self.client.is_bridged() => {
                    // A C-c reaches what stands between us and the bus too, and may end it first.
                    let signal = self.signals.next();
                    return match tokio::time::timeout(SAME_SIGNAL, signal).await {
                        Ok(_) => self.leave(target),
                        Err(_) => Err(lost()),
                    };
                }
                Err(CallError::Lost(_)) => return Err(lost()),
                Err(error @ CallError::Refused { .. }) => {
                    return Err(error.into_failure(DOING, hints::STANDALONE));
                }
            }
        }
    }

    fn leave(mut self, target: Option<Target>) -> anyhow::Result<ExitCode> {
        self.screen.clear();
        let id = self.transfer.id;
        let message = format!(
            "Continuing download in the background. \
             Use \"importctl cancel-transfer {id}\" to abort transfer."
        );
        self.screen.message(&message);
        if let Some(target) = target {
            target.publish_unfinished()?;
        }
        Err(Failure::told(report::DETACHED, message, None))
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
                Err(Failure::told(report::TRANSFER_CANCELLED, message, None))
            }
            Some(Outcome::Failed) | None => Err(self.failure()),
        }
    }

    /// Why the transfer failed: the service's word for it if it has one, else the last line of the
    /// log, which has said so unless the worker was killed.
    fn failure(self) -> anyhow::Error {
        let (kind, reason) = self.reason.unwrap_or_default();
        let code = report::known_code(&kind).unwrap_or(report::TRANSFER_FAILED);
        match self.screen.last_error() {
            Some(line) => {
                let hint = hints::for_line(line);
                let reason = if reason.is_empty() { line } else { &reason };
                Failure::told(code, reason, hint)
            }
            None if reason.is_empty() => {
                let id = self.transfer.id;
                Failure::coded(code, format!("Transfer {id} failed without a reason"))
            }
            None => Failure::hinted(code, &reason, hints::for_line(&reason)),
        }
    }
}

fn lost() -> anyhow::Error {
    Failure::hinted(
        report::SERVICE_LOST,
        "Lost connection to the import service; the transfer did not finish",
        Some(hints::LOST),
    )
}
