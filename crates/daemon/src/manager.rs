//! The table of running transfers.
//!
//! Knows no bus type: requests come as [`Job`]s, everything that happens goes out as [`Notice`]s,
//! which whoever serves an interface translates.

use crate::ids::Ids;
use crate::log;
use crate::refusal::Refusal;
use crate::transfer::{Stop, Transfer, product_name};
use crate::worker::{Event, Launcher, Worker};
use importd_api::bus::{Outcome, TRANSFERS_MAX};
use importd_api::class::Scope;
use importd_api::job::{Job, Work};
use importd_api::progress;
use importd_host::child::ExitOutcome;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// Something that happened to a transfer.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
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
    /// It has ended and is no longer in the table.
    Removed {
        /// The transfer.
        id: u32,
        /// How.
        outcome: Outcome,
    },
}

/// The transfers of one daemon.
#[derive(Debug)]
pub struct Manager {
    scope: Scope,
    ids: Ids,
    launcher: Launcher,
    running: BTreeMap<u32, Running>,
    is_stopping: bool,
}

#[derive(Debug)]
struct Running {
    transfer: Transfer,
    worker: Worker,
}

impl Manager {
    /// An empty table.
    #[must_use]
    pub const fn new(scope: Scope, ids: Ids, launcher: Launcher) -> Self {
        Self {
            scope,
            ids,
            launcher,
            running: BTreeMap::new(),
            is_stopping: false,
        }
    }

    /// Whose images the transfers work on.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// What the daemon and its workers log.
    #[must_use]
    pub const fn log(&self) -> &log::control::Control {
        &self.launcher.log
    }

    /// Starts a transfer; `stream` is the caller's descriptor if the job has one. Returns its
    /// number.
    ///
    /// # Errors
    /// [`Refusal::AddressInProgress`], [`Refusal::ImageInProgress`], [`Refusal::TooMany`],
    /// [`Refusal::Stopping`] or [`Refusal::Start`].
    pub fn start(&mut self, job: Job, stream: Option<OwnedFd>) -> Result<u32, Refusal> {
        let id = self.admit(&job)?;
        let worker = self.launcher.launch(id, &job, stream)?;
        tracing::debug!(
            "Started {} as transfer {id}, process {}",
            job.kind(),
            worker.pid()
        );
        self.insert(id, job, worker);
        Ok(id)
    }

    fn insert(&mut self, id: u32, job: Job, worker: Worker) {
        let transfer = Transfer::new(job);
        self.running.insert(id, Running { transfer, worker });
    }

    /// Checks a job against the table and gives it a number.
    fn admit(&mut self, job: &Job) -> Result<u32, Refusal> {
        if self.is_stopping {
            return Err(Refusal::Stopping);
        }
        for (_, other) in self.transfers() {
            if pulls_the_same(other.job(), job) {
                return Err(Refusal::AddressInProgress(job.remote()));
            }
        }
        if self.transfers().any(|(_, other)| other.makes_what(job)) {
            return Err(Refusal::ImageInProgress {
                class: job.class,
                name: product_name(job),
            });
        }
        if self.running.len() >= TRANSFERS_MAX {
            tracing::warn!("{TRANSFERS_MAX} transfers are running, another one is refused");
            return Err(Refusal::TooMany);
        }
        let running = &self.running;
        Ok(self.ids.next(|id| running.contains_key(&id)))
    }

    /// Asks a transfer to stop; its end comes as a [`Notice`].
    ///
    /// # Errors
    /// [`Refusal::NoId`] or [`Refusal::NoSuchTransfer`].
    pub fn cancel(&mut self, id: u32) -> Result<(), Refusal> {
        if id == 0 {
            return Err(Refusal::NoId);
        }
        let running = self
            .running
            .get_mut(&id)
            .ok_or(Refusal::NoSuchTransfer(id))?;
        running.worker.stop(running.transfer.cancel());
        Ok(())
    }

    /// Asks all transfers to stop, and starts no more from now on.
    pub fn stop_all(&mut self) {
        self.is_stopping = true;
        for running in self.running.values_mut() {
            running.worker.stop(running.transfer.cancel());
        }
    }

    /// Kills what is still running.
    pub fn kill_all(&mut self) {
        for running in self.running.values() {
            running.worker.stop(Stop::AtOnce);
        }
    }

    /// Whether nothing is running.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// A running transfer.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Transfer> {
        self.running.get(&id).map(|running| &running.transfer)
    }

    /// The running transfers by number.
    pub fn transfers(&self) -> impl Iterator<Item = (u32, &Transfer)> {
        self.running
            .iter()
            .map(|(id, running)| (*id, &running.transfer))
    }

    /// Takes what a worker did.
    pub fn apply(&mut self, event: Event) -> Option<Notice> {
        match event {
            Event::Line { id, line } => {
                log::worker_line(id, line.priority, &line.text);
                self.running.contains_key(&id).then_some(Notice::Line {
                    id,
                    priority: line.priority,
                    text: line.text,
                })
            }
            Event::Exited { id, exit } => {
                log_exit(id, exit);
                let running = self.running.remove(&id)?;
                let outcome = running.transfer.end(exit);
                Some(Notice::Removed { id, outcome })
            }
        }
    }

    /// Takes a datagram that process `pid` sent to the notify socket. Only progress counts, and
    /// only of workers themselves.
    pub fn report(&mut self, pid: i32, datagram: &str) -> Option<Notice> {
        let sender = self.running.iter_mut().find(|(_, r)| r.worker.pid() == pid);
        let Some((id, running)) = sender else {
            tracing::warn!("Got notification datagram from unexpected peer {pid}, ignoring.");
            return None;
        };
        match progress::from_datagram(datagram)? {
            Ok(percent) => running.transfer.report(percent).then(|| Notice::Progress {
                id: *id,
                fraction: running.transfer.progress(),
            }),
            Err(value) => {
                let value: String = value.chars().take(32).collect();
                tracing::warn!("Transfer {id} reported the progress {value:?}, ignoring.");
                None
            }
        }
    }
}

fn pulls_the_same(one: &Job, other: &Job) -> bool {
    match (&one.work, &other.work) {
        (Work::Pull { url, .. }, Work::Pull { url: second, .. }) => {
            one.kind() == other.kind() && url == second
        }
        _ => false,
    }
}

fn log_exit(id: u32, exit: ExitOutcome) {
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

#[cfg(test)]
mod tests;
