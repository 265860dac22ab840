//! One transfer: its states and the edges between them.
//!
//! ```text
//!          begin             cancel            cancel, after PATIENCE: kill
//! Queued ─────────▶ Running ───────▶ Stopping ──┐ ◀────┘
//!    │ cancel          │ exit             │ exit
//!    ▼                 ▼                  ▼
//! canceled        done, failed       done, canceled
//! ```

use crate::pace::Pace;
use importd_api::bus::{Outcome, PROGRESS_UNKNOWN};
use importd_api::class::Class;
use importd_api::figures::{Figures, Phase, Reason};
use importd_api::job::{Job, Local, Work};
use importd_api::name::ImageName;
use importd_host::child::ExitOutcome;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How many cancel requests ask the worker to end; the next one kills it without waiting for the
/// grace period. As in the reference.
const PATIENCE: u32 = 3;

/// How a worker is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM, and SIGKILL when the grace period is over.
    Politely,
    /// SIGKILL.
    AtOnce,
}

/// Where a transfer is in its life; when it has ended there is none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for a place.
    Queued,
    /// Its worker is at it.
    Running,
    /// Its worker has been told to stop, so many times.
    Stopping {
        /// How many times, at least once.
        requests: u32,
    },
}

impl State {
    /// The state's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Stopping { .. } => "stopping",
        }
    }

    const fn cancel(self) -> (Self, Stop) {
        let requests = match self {
            State::Queued | State::Running => 1,
            State::Stopping { requests } => requests.saturating_add(1),
        };
        let stop = if requests > PATIENCE {
            Stop::AtOnce
        } else {
            Stop::Politely
        };
        (State::Stopping { requests }, stop)
    }

    /// A worker that succeeded before the signal reached it has succeeded.
    const fn end(self, exit: ExitOutcome) -> Outcome {
        match (self, exit) {
            (_, ExitOutcome::Exited(0)) => Outcome::Done,
            (State::Stopping { .. }, _) => Outcome::Canceled,
            (State::Queued | State::Running, _) => Outcome::Failed,
        }
    }
}

/// One transfer that waits or runs.
#[derive(Debug)]
pub struct Transfer {
    job: Job,
    owner: u32,
    destination: String,
    state: State,
    percent: Option<u8>,
    figures: Figures,
    pace: Pace,
    reason: Option<Reason>,
    started_usec: u64,
}

impl Transfer {
    /// A transfer of that user that waits for a place; `destination` is the path of the image that
    /// it makes, if it makes one.
    #[must_use]
    pub fn new(job: Job, owner: u32, destination: String) -> Self {
        Self {
            job,
            owner,
            destination,
            state: State::Queued,
            percent: None,
            figures: Figures::default(),
            pace: Pace::default(),
            reason: None,
            started_usec: 0,
        }
    }

    /// What it does.
    #[must_use]
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// Who asked for it.
    #[must_use]
    pub const fn owner(&self) -> u32 {
        self.owner
    }

    /// The path of the image that it makes; empty if it makes none.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// When its worker was started, in µs since 1970; 0 while it waits.
    #[must_use]
    pub const fn started_usec(&self) -> u64 {
        self.started_usec
    }

    /// What its worker is at; `waiting` while there is none.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self.state {
            State::Queued => Some(Phase::Waiting),
            State::Running | State::Stopping { .. } => self.figures.phase,
        }
    }

    /// What its worker has told last.
    #[must_use]
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Bytes a second, smoothed; 0 if nothing is known.
    #[must_use]
    pub fn rate(&self, now: Instant) -> u64 {
        self.pace.rate(now)
    }

    /// How long the rest takes, in µs; `None` if nobody knows.
    #[must_use]
    pub fn time_left_usec(&self, now: Instant) -> Option<u64> {
        let left = self.figures.total?.saturating_sub(self.figures.bytes);
        self.pace.time_for(left, now)
    }

    /// How much of it is done, 0 to 1 in steps of 0.01; [`PROGRESS_UNKNOWN`] before the first
    /// report.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.percent
            .map_or(PROGRESS_UNKNOWN, |percent| f64::from(percent) / 100.0)
    }

    /// Its worker has been started.
    pub fn begin(&mut self, now: SystemTime) {
        self.state = State::Running;
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.started_usec = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    }

    /// Takes a report of `percent`; says whether it changed anything.
    pub fn report(&mut self, percent: u8) -> bool {
        self.percent.replace(percent) != Some(percent)
    }

    /// Takes what its worker tells beside the percentage; says whether it changed anything.
    pub fn measure(&mut self, figures: Figures, now: Instant) -> bool {
        if figures.total.is_some() || figures.bytes > 0 {
            self.pace.sample(figures.bytes, now);
        }
        std::mem::replace(&mut self.figures, figures) != figures
    }

    /// Takes why its worker fails, in its own words.
    pub fn explain(&mut self, reason: Reason) {
        self.reason = Some(reason);
    }

    /// Takes an error line of its worker: the reason of those that give none.
    pub fn complain(&mut self, text: &str) {
        if self
            .reason
            .as_ref()
            .is_none_or(|reason| reason.kind.is_none())
        {
            self.reason = Some(Reason::new(text, None));
        }
    }

    /// Why its worker fails, as far as it has said so.
    #[must_use]
    pub const fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// Takes a request to cancel; says how the worker is to be told.
    pub const fn cancel(&mut self) -> Stop {
        let (state, stop) = self.state.cancel();
        self.state = state;
        stop
    }

    /// How it ended.
    #[must_use]
    pub const fn end(&self, exit: ExitOutcome) -> Outcome {
        self.state.end(exit)
    }

    /// Whether both fetch the same, or send to the same place.
    #[must_use]
    pub fn speaks_of_what(&self, job: &Job) -> bool {
        if self.job.kind() != job.kind() {
            return false;
        }
        match (&self.job.work, &job.work) {
            (Work::Pull { url, .. }, Work::Pull { url: other, .. }) => url == other,
            (
                Work::PullOci { reference, .. } | Work::PushOci { reference, .. },
                Work::PullOci {
                    reference: other, ..
                }
                | Work::PushOci {
                    reference: other, ..
                },
            ) => reference == other,
            _ => false,
        }
    }

    /// Whether both would make the same image; the later one could only fail after all its work.
    #[must_use]
    pub fn makes_what(&self, job: &Job) -> bool {
        let (ours, theirs) = (product(&self.job), product(job));
        ours.is_some() && ours == theirs
    }
}

/// Where an image is made: in the folder of its class, or in that which the job names.
#[derive(PartialEq, Eq)]
enum Place<'a> {
    Class(Class),
    Folder(&'a Path),
}

/// The image a job makes: its place and name.
fn product(job: &Job) -> Option<(Place<'_>, String)> {
    let name = match &job.work {
        Work::Export { .. } | Work::ExportOci { .. } | Work::PushOci { .. } => return None,
        Work::Import { name, .. } | Work::ImportOci { name, .. } => name.to_string(),
        Work::Pull {
            local, url, form, ..
        } => match local {
            Local::Pristine => return None,
            Local::Named(name) => name.to_string(),
            Local::Derived => url.image_name(*form).ok()?.to_string(),
        },
        Work::PullOci {
            reference, local, ..
        } => match local {
            Some(name) => name.to_string(),
            None => ImageName::parse(reference.last()).ok()?.to_string(),
        },
    };
    let root = job.image_root.as_deref();
    let place = root.map_or(Place::Class(job.class), Place::Folder);
    Some((place, name))
}

/// The name of the image a job makes, for messages; empty if it makes none.
#[must_use]
pub fn product_name(job: &Job) -> String {
    product(job).map_or_else(String::new, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_api::class::Scope;
    use importd_api::name::Form;
    use importd_api::url::Url;
    use importd_api::verify::Verify;

    fn job(scope: Scope, class: Class, work: Work) -> Job {
        Job {
            scope,
            class,
            force: false,
            read_only: false,
            image_root: None,
            work,
        }
    }

    fn pull(url: &str, local: Local) -> Work {
        Work::Pull {
            form: Form::Tar,
            url: Url::parse(url).unwrap(),
            local,
            verify: Verify::No,
            keep_download: false,
        }
    }

    fn new(job: Job) -> Transfer {
        Transfer::new(job, 0, String::new())
    }

    #[test]
    fn figures_and_state_are_told_by_words_and_numbers() {
        let work = pull("http://h/a.tar", Local::Derived);
        let mut transfer = new(job(Scope::System, Class::Machine, work));
        assert_eq!(transfer.state().as_str(), "queued");
        assert_eq!(transfer.phase(), Some(Phase::Waiting));
        transfer.begin(UNIX_EPOCH + std::time::Duration::from_micros(7));
        assert_eq!(
            (transfer.state().as_str(), transfer.phase()),
            ("running", None)
        );
        assert_eq!(transfer.started_usec(), 7);
        let now = Instant::now();
        let mut figures = Figures {
            total: Some(1500),
            phase: Some(Phase::Downloading),
            ..Figures::default()
        };
        assert!(transfer.measure(figures, now));
        assert!(!transfer.measure(figures, now));
        assert_eq!(transfer.time_left_usec(now), None);
        figures.bytes = 1000;
        let later = now + std::time::Duration::from_secs(1);
        assert!(transfer.measure(figures, later));
        assert_eq!(transfer.rate(later), 1000);
        assert_eq!(transfer.time_left_usec(later), Some(500_000));
        transfer.cancel();
        assert_eq!(transfer.state().as_str(), "stopping");
    }

    fn named(name: &str) -> Local {
        Local::Named(ImageName::parse(name).unwrap())
    }

    #[test]
    fn results_follow_from_exit_and_cancel() {
        let (exited, killed) = (ExitOutcome::Exited, ExitOutcome::Signaled(15));
        let cancelling = State::Running.cancel().0;
        assert_eq!(State::Queued.cancel().1, Stop::Politely);
        for (state, exit, outcome) in [
            (State::Running, exited(0), Outcome::Done),
            (State::Running, exited(1), Outcome::Failed),
            (State::Running, killed, Outcome::Failed),
            (cancelling, exited(0), Outcome::Done),
            (cancelling, exited(1), Outcome::Canceled),
            (cancelling, killed, Outcome::Canceled),
        ] {
            assert_eq!(state.end(exit), outcome, "{state:?} {exit:?}");
        }
    }

    #[test]
    fn the_fourth_cancel_kills() {
        let work = pull("http://h/a.tar", Local::Derived);
        let mut transfer = new(job(Scope::System, Class::Machine, work));
        let stops: Vec<_> = (0..5).map(|_| transfer.cancel()).collect();
        let (ask, kill) = (Stop::Politely, Stop::AtOnce);
        assert_eq!(stops, [ask, ask, ask, kill, kill]);
    }

    #[test]
    fn progress_is_unknown_then_in_hundredths_and_changes_are_told() {
        let work = pull("http://h/a.tar", Local::Derived);
        let mut transfer = new(job(Scope::System, Class::Machine, work));
        assert_eq!(transfer.progress().to_bits(), (-f64::MAX).to_bits());
        assert!(transfer.report(0));
        assert!(!transfer.report(0));
        assert!(transfer.report(17));
        assert_eq!(transfer.progress().to_bits(), 0.17f64.to_bits());
    }

    #[test]
    fn the_same_image_is_recognised_whoever_makes_it() {
        let import = Work::Import {
            source: importd_api::job::ImportSource::Folder,
            name: ImageName::parse("a").unwrap(),
        };
        let running = new(job(Scope::System, Class::Sysext, import.clone()));
        let same = |scope, class, work| running.makes_what(&job(scope, class, work));
        let derived = pull("http://h/a.tar.xz", Local::Derived);
        assert!(same(Scope::System, Class::Sysext, derived.clone()));
        assert!(same(
            Scope::System,
            Class::Sysext,
            pull("http://h/b", named("a"))
        ));
        assert!(!same(
            Scope::System,
            Class::Sysext,
            pull("http://h/b", named("b"))
        ));
        assert!(!same(Scope::System, Class::Confext, derived));
        let oci = Work::PullOci {
            reference: "registry.example/b/a:1".parse().unwrap(),
            local: None,
            shape: importd_api::job::Shape::default(),
        };
        assert!(same(Scope::System, Class::Sysext, oci));
        assert!(!same(
            Scope::System,
            Class::Sysext,
            pull("http://h/a", Local::Pristine)
        ));
        let export = Work::Export {
            form: Form::Tar,
            name: ImageName::parse("a").unwrap(),
            format: None,
        };
        assert!(!same(Scope::System, Class::Sysext, export));
        let elsewhere = |class| Job {
            image_root: Some("/srv".into()),
            ..job(Scope::System, class, import.clone())
        };
        assert!(!running.makes_what(&elsewhere(Class::Sysext)));
        assert!(new(elsewhere(Class::Sysext)).makes_what(&elsewhere(Class::Machine)));
        let of_user = new(job(Scope::User, Class::Sysext, import.clone()));
        assert!(of_user.makes_what(&job(Scope::User, Class::Sysext, import.clone())));
        assert!(!of_user.makes_what(&job(Scope::User, Class::Machine, import)));
    }
}
