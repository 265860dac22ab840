//! The table of transfers: those that run, and those that wait for a place.
//!
//! Knows no bus type: requests come as [`Order`]s, everything that happens goes out as [`Notice`]s,
//! in the order in which it happened, which whoever serves an interface translates.

use crate::ids::Ids;
use crate::leftovers::ImageRoots;
use crate::log;
use crate::notice::{self, Notice, cancelled, end_of};
use crate::queue::{Counts, Limits, Queue};
use crate::refusal::Refusal;
use crate::transfer::{Stop, Transfer, product_name};
use crate::worker::{Event, Launcher, Worker};
use importd_api::bus::Outcome;
use importd_api::class::{Class, Scope};
use importd_api::figures::{Figures, Reason};
use importd_api::job::Job;
use importd_api::progress;
use importd_host::child::ExitOutcome;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Instant, SystemTime};

/// Priority of a worker's lines that report an error, and of all that are worse.
const PRIORITY_ERROR: u32 = 3;
/// The level in a priority; the rest is the facility.
const PRIORITY_LEVEL: u32 = 7;
/// Priority of our own lines to a transfer's listeners: level info, facility daemon, as workers'.
const PRIORITY_OWN_INFO: u32 = 30;
/// The same with level error.
const PRIORITY_OWN_ERROR: u32 = 27;

/// A request, checked and authorised.
#[derive(Debug)]
pub struct Order {
    /// What is to be done.
    pub job: Job,
    /// The caller's descriptor, if the job has one.
    pub stream: Option<OwnedFd>,
    /// The caller.
    pub owner: u32,
}

/// The transfers of one daemon.
#[derive(Debug)]
pub struct Manager {
    scope: Scope,
    ids: Ids,
    launcher: Launcher,
    roots: ImageRoots,
    limits: Limits,
    transfers: BTreeMap<u32, Entry>,
    queue: Queue,
    notices: Vec<Notice>,
    /// Transfers whose end is among the notices.
    ending: BTreeMap<u32, Transfer>,
    /// Those whose end was among the notices that were taken last.
    ended: BTreeMap<u32, Transfer>,
    is_stopping: bool,
}

#[derive(Debug)]
struct Entry {
    transfer: Transfer,
    life: Life,
}

#[derive(Debug)]
enum Life {
    /// With the caller's descriptor.
    Waiting(Option<OwnedFd>),
    Running(Worker),
}

impl Manager {
    /// An empty table with the usual limits, whose images are nowhere that it knows.
    #[must_use]
    pub fn new(scope: Scope, ids: Ids, launcher: Launcher) -> Self {
        Self {
            scope,
            ids,
            launcher,
            roots: ImageRoots::default(),
            limits: Limits::USUAL,
            transfers: BTreeMap::new(),
            queue: Queue::default(),
            notices: Vec::new(),
            ending: BTreeMap::new(),
            ended: BTreeMap::new(),
            is_stopping: false,
        }
    }

    /// The same with the folders in which images are made.
    #[must_use]
    pub fn with_roots(mut self, roots: ImageRoots) -> Self {
        self.roots = roots;
        self
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

    /// How many transfers there may be.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Sets how many transfers there may be. Lower limits end nothing: they hold for what comes.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.start_waiting();
    }

    /// How many transfers there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let queued = self.queue.len();
        Counts {
            running: self.transfers.len().saturating_sub(queued),
            queued,
        }
    }

    /// Accepts a transfer, which is started at once or when there is a place for it. Returns its
    /// number.
    ///
    /// # Errors
    /// [`Refusal::AddressInProgress`], [`Refusal::ImageInProgress`], [`Refusal::TooMany`],
    /// [`Refusal::TooManyOfUser`], [`Refusal::Stopping`] or [`Refusal::Start`].
    pub fn start(&mut self, order: Order) -> Result<u32, Refusal> {
        let Order { job, stream, owner } = order;
        let id = self.admit(&job, owner)?;
        if self.has_place(owner) {
            let worker = self.launcher.launch(id, &job, stream)?;
            self.insert(id, self.transfer(job, owner), Life::Running(worker));
        } else {
            self.insert(id, self.transfer(job, owner), Life::Waiting(stream));
        }
        Ok(id)
    }

    fn transfer(&self, job: Job, owner: u32) -> Transfer {
        let name = product_name(&job);
        let root = self.roots.of(&job).filter(|_| !name.is_empty());
        let path = root.map(|root| root.join(name).to_string_lossy().into_owned());
        Transfer::new(job, owner, path.unwrap_or_default())
    }

    /// Whether a transfer of that user can start at once. What could start of those that wait has
    /// done so.
    fn has_place(&self, owner: u32) -> bool {
        self.counts().running < self.limits.running
            && self.queue.len_of(owner) == 0
            && self.running_by_user().get(&owner).copied().unwrap_or(0)
                < self.limits.running_of_user
    }

    fn running_by_user(&self) -> BTreeMap<u32, usize> {
        let mut running: BTreeMap<u32, usize> = BTreeMap::new();
        for entry in self.transfers.values() {
            if matches!(entry.life, Life::Running(_)) {
                *running.entry(entry.transfer.owner()).or_default() += 1;
            }
        }
        running
    }

    fn insert(&mut self, id: u32, transfer: Transfer, life: Life) {
        let (owner, waits) = (transfer.owner(), matches!(life, Life::Waiting(_)));
        let kind = transfer.job().kind();
        self.transfers.insert(id, Entry { transfer, life });
        self.notices.push(Notice::Added { id });
        if waits {
            let running = self.limits.running;
            tracing::debug!("Transfer {id}, {kind}, waits: {running} are running");
            self.queue.push(owner, id);
            self.say(
                id,
                PRIORITY_OWN_INFO,
                "Waiting for another transfer to end.",
            );
        } else {
            self.queue.give(owner);
            self.begun(id);
        }
    }

    /// Takes a transfer out of the table, and its user with his last one.
    fn remove(&mut self, id: u32) -> Option<Transfer> {
        let transfer = self.transfers.remove(&id)?.transfer;
        let owner = transfer.owner();
        self.queue.remove(owner, id);
        if self.transfers().all(|(_, other)| other.owner() != owner) {
            self.queue.forget(owner);
        }
        Some(transfer)
    }

    fn say(&mut self, id: u32, priority: u32, text: &str) {
        let text = text.to_owned();
        self.notices.push(Notice::Line { id, priority, text });
    }

    fn begun(&mut self, id: u32) {
        let Some(entry) = self.transfers.get_mut(&id) else {
            return;
        };
        entry.transfer.begin(SystemTime::now());
        if let Life::Running(worker) = &entry.life {
            let (kind, pid) = (entry.transfer.job().kind(), worker.pid());
            tracing::debug!("Started {kind} as transfer {id}, process {pid}");
        }
    }

    /// Starts what waits, as far as there are places.
    fn start_waiting(&mut self) {
        while !self.is_stopping && self.counts().running < self.limits.running {
            let Some(id) = self.next_waiting() else {
                return;
            };
            let Some(entry) = self.transfers.get_mut(&id) else {
                continue;
            };
            let Life::Waiting(stream) = &mut entry.life else {
                continue;
            };
            let stream = stream.take();
            match self.launcher.launch(id, entry.transfer.job(), stream) {
                Ok(worker) => {
                    entry.life = Life::Running(worker);
                    self.begun(id);
                    self.notices.push(Notice::Changed { id });
                }
                Err(refusal) => self.give_up(id, &refusal),
            }
        }
    }

    fn next_waiting(&mut self) -> Option<u32> {
        let running = self.running_by_user();
        let running_of = |uid| running.get(&uid).copied().unwrap_or(0);
        self.queue.next(running_of, self.limits.running_of_user)
    }

    /// Ends a transfer that could not be started when its turn came.
    fn give_up(&mut self, id: u32, refusal: &Refusal) {
        let text = refusal.to_string();
        tracing::error!("Transfer {id} could not be started: {text}");
        self.say(id, PRIORITY_OWN_ERROR, &text);
        self.remove(id);
        self.notices.push(Notice::Removed {
            id,
            outcome: Outcome::Failed,
            reason: Some(Reason::new(&text, refusal.kind())),
        });
    }

    /// Checks a job against the table and gives it a number.
    fn admit(&mut self, job: &Job, owner: u32) -> Result<u32, Refusal> {
        if self.is_stopping {
            return Err(Refusal::Stopping);
        }
        self.admits(job)?;
        if !self.has_place(owner) {
            self.check_queue(owner)?;
        }
        let transfers = &self.transfers;
        Ok(self.ids.next(|id| transfers.contains_key(&id)))
    }

    /// Whether a job would be in the way of another.
    ///
    /// # Errors
    /// [`Refusal::AddressInProgress`] or [`Refusal::ImageInProgress`].
    pub fn admits(&self, job: &Job) -> Result<(), Refusal> {
        for (_, other) in self.transfers() {
            if other.speaks_of_what(job) {
                return Err(Refusal::AddressInProgress(job.remote()));
            }
        }
        if self.transfers().any(|(_, other)| other.makes_what(job)) {
            return Err(Refusal::ImageInProgress {
                class: job.class,
                name: product_name(job),
            });
        }
        Ok(())
    }

    /// Whether one more of a user may wait.
    fn check_queue(&self, owner: u32) -> Result<(), Refusal> {
        let Counts { running, queued } = self.counts();
        if queued >= self.limits.waiting {
            tracing::warn!("{running} transfers run, {queued} wait, another one is refused");
            return Err(Refusal::TooMany { running, queued });
        }
        let queued = self.queue.len_of(owner);
        if queued >= self.limits.waiting_of_user {
            tracing::warn!("{queued} transfers of user {owner} wait, another one is refused");
            return Err(Refusal::TooManyOfUser(queued));
        }
        Ok(())
    }

    /// Asks a transfer to stop; its end comes as a [`Notice`].
    ///
    /// # Errors
    /// [`Refusal::NoId`] or [`Refusal::NoSuchTransfer`].
    pub fn cancel(&mut self, id: u32) -> Result<(), Refusal> {
        if id == 0 {
            return Err(Refusal::NoId);
        }
        let entry = self
            .transfers
            .get_mut(&id)
            .ok_or(Refusal::NoSuchTransfer(id))?;
        if let Life::Running(worker) = &entry.life {
            worker.stop(entry.transfer.cancel());
            self.notices.push(Notice::Changed { id });
        } else {
            self.drop_waiting(id);
        }
        Ok(())
    }

    /// Ends a transfer that waits.
    fn drop_waiting(&mut self, id: u32) {
        if self.remove(id).is_some() {
            self.notices.push(Notice::Removed {
                id,
                outcome: Outcome::Canceled,
                reason: Some(cancelled()),
            });
        }
    }

    /// Asks all transfers to stop, and starts no more from now on.
    pub fn stop_all(&mut self) {
        self.is_stopping = true;
        let ids: Vec<u32> = self.transfers.keys().copied().collect();
        for id in ids {
            // All of them are there.
            self.cancel(id).unwrap_or(());
        }
    }

    /// Kills what is still running.
    pub fn kill_all(&mut self) {
        for entry in self.transfers.values() {
            if let Life::Running(worker) = &entry.life {
                worker.stop(Stop::AtOnce);
            }
        }
    }

    /// Whether nothing runs or waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
    }

    /// A transfer that runs or waits.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Transfer> {
        self.transfers.get(&id).map(|entry| &entry.transfer)
    }

    /// The transfers that run or wait, by number.
    pub fn transfers(&self) -> impl Iterator<Item = (u32, &Transfer)> {
        self.transfers
            .iter()
            .map(|(id, entry)| (*id, &entry.transfer))
    }

    /// Those of a class, or of all.
    pub fn transfers_of(&self, class: Option<Class>) -> impl Iterator<Item = (u32, &Transfer)> {
        self.transfers()
            .filter(move |(_, transfer)| class.is_none_or(|class| class == transfer.job().class))
    }

    /// How a transfer stood when it ended, while that is being told.
    #[must_use]
    pub fn ended(&self, id: u32) -> Option<&Transfer> {
        self.ended.get(&id)
    }

    /// What has happened since this was last asked.
    #[must_use]
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.ended = std::mem::take(&mut self.ending);
        std::mem::take(&mut self.notices)
    }

    /// Takes what a worker did.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Line { id, line } => {
                log::worker_line(id, line.priority, &line.text);
                if let Some(entry) = self.transfers.get_mut(&id) {
                    if line.priority & PRIORITY_LEVEL <= PRIORITY_ERROR {
                        entry.transfer.complain(&line.text);
                    }
                    self.say(id, line.priority, &line.text);
                }
            }
            Event::Exited { id, exit } => {
                notice::log_exit(id, exit);
                if let Some(transfer) = self.remove(id) {
                    self.tell_end(id, &transfer, exit);
                    self.ending.insert(id, transfer);
                }
                self.start_waiting();
            }
        }
    }

    fn tell_end(&mut self, id: u32, transfer: &Transfer, exit: ExitOutcome) {
        let outcome = transfer.end(exit);
        let whole = 1.0;
        if outcome == Outcome::Done && transfer.progress() < whole {
            // Whoever shows a bar sees its end.
            let fraction = whole;
            self.notices.push(Notice::Progress { id, fraction });
        }
        let reason = match outcome {
            Outcome::Done => None,
            Outcome::Canceled => Some(cancelled()),
            Outcome::Failed => Some(transfer.reason().cloned().unwrap_or_else(|| end_of(exit))),
        };
        self.notices.push(Notice::Removed {
            id,
            outcome,
            reason,
        });
    }

    /// Takes a datagram that process `pid` sent to the notify socket. Only progress, figures and
    /// reasons count, and only of workers themselves.
    pub fn report(&mut self, pid: i32, datagram: &str) {
        let is_sender =
            |entry: &Entry| matches!(&entry.life, Life::Running(worker) if worker.pid() == pid);
        let sender = self
            .transfers
            .iter_mut()
            .find(|(_, entry)| is_sender(entry));
        let Some((id, entry)) = sender else {
            tracing::warn!("Got notification datagram from unexpected peer {pid}, ignoring.");
            return;
        };
        let (id, transfer) = (*id, &mut entry.transfer);
        if let Some(reason) = Reason::from_datagram(datagram) {
            transfer.explain(reason);
        }
        let figures = Figures::from_datagram(datagram);
        let mut is_changed =
            figures.is_some_and(|figures| transfer.measure(figures, Instant::now()));
        match progress::from_datagram(datagram) {
            Some(Ok(percent)) if transfer.report(percent) => {
                let fraction = transfer.progress();
                self.notices.push(Notice::Progress { id, fraction });
                is_changed = true;
            }
            Some(Err(value)) => {
                let value: String = value.chars().take(32).collect();
                tracing::warn!("Transfer {id} reported the progress {value:?}, ignoring.");
            }
            Some(Ok(_)) | None => {}
        }
        if is_changed {
            self.notices.push(Notice::Changed { id });
        }
    }
}

#[cfg(test)]
mod tests;
