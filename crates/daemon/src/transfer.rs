//! One transfer: its states and the edges between them.
//!
//! ```text
//!            cancel            cancel, after PATIENCE: kill
//! Running ───────────▶ Cancelling ──┐ ◀────┘
//!    │ exit                 │ exit
//!    ▼                      ▼
//!  done, failed           done, canceled
//! ```

use importd_api::bus::{Outcome, PROGRESS_UNKNOWN};
use importd_api::class::{Class, Scope};
use importd_api::job::{Job, Local, Work};
use importd_host::child::ExitOutcome;

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
enum State {
    Running,
    Cancelling { requests: u32 },
}

impl State {
    const fn cancel(self) -> (Self, Stop) {
        let requests = match self {
            State::Running => 1,
            State::Cancelling { requests } => requests.saturating_add(1),
        };
        let stop = if requests > PATIENCE {
            Stop::AtOnce
        } else {
            Stop::Politely
        };
        (State::Cancelling { requests }, stop)
    }

    /// A worker that succeeded before the signal reached it has succeeded.
    const fn end(self, exit: ExitOutcome) -> Outcome {
        match (self, exit) {
            (_, ExitOutcome::Exited(0)) => Outcome::Done,
            (State::Cancelling { .. }, _) => Outcome::Canceled,
            (State::Running, _) => Outcome::Failed,
        }
    }
}

/// One running transfer.
#[derive(Debug)]
pub struct Transfer {
    job: Job,
    state: State,
    percent: Option<u8>,
}

impl Transfer {
    /// A transfer whose worker has just been started.
    #[must_use]
    pub const fn new(job: Job) -> Self {
        Self {
            job,
            state: State::Running,
            percent: None,
        }
    }

    /// What it does.
    #[must_use]
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// How much of it is done, 0 to 1 in steps of 0.01; [`PROGRESS_UNKNOWN`] before the first
    /// report.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.percent
            .map_or(PROGRESS_UNKNOWN, |percent| f64::from(percent) / 100.0)
    }

    /// Takes a report of `percent`; says whether it changed anything.
    pub fn report(&mut self, percent: u8) -> bool {
        self.percent.replace(percent) != Some(percent)
    }

    /// Takes a request to cancel; says how the worker is to be told.
    pub const fn cancel(&mut self) -> Stop {
        let (state, stop) = self.state.cancel();
        self.state = state;
        stop
    }

    /// How it ended.
    #[must_use]
    pub fn end(self, exit: ExitOutcome) -> Outcome {
        self.state.end(exit)
    }

    /// Whether both would make the same image; the later one could only fail after all its work.
    #[must_use]
    pub fn makes_what(&self, job: &Job) -> bool {
        let (ours, theirs) = (product(&self.job), product(job));
        ours.is_some() && ours == theirs
    }
}

/// The image a job makes: its name, and its class where classes have folders of their own.
fn product(job: &Job) -> Option<(Option<Class>, String)> {
    let name = match &job.work {
        Work::Export { .. } => return None,
        Work::Import { name, .. } => name.to_string(),
        Work::Pull {
            local, url, form, ..
        } => match local {
            Local::Pristine => return None,
            Local::Named(name) => name.to_string(),
            Local::Derived => url.image_name(*form).ok()?.to_string(),
        },
    };
    let class = match job.scope {
        Scope::System => Some(job.class),
        Scope::User => None,
    };
    Some((class, name))
}

/// The name of the image a job makes, for messages; empty if it makes none.
#[must_use]
pub fn product_name(job: &Job) -> String {
    product(job).map_or_else(String::new, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_api::name::{Form, ImageName};
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

    fn named(name: &str) -> Local {
        Local::Named(ImageName::parse(name).unwrap())
    }

    #[test]
    fn results_follow_from_exit_and_cancel() {
        let (exited, killed) = (ExitOutcome::Exited, ExitOutcome::Signaled(15));
        let cancelling = State::Running.cancel().0;
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
        let mut transfer = Transfer::new(job(Scope::System, Class::Machine, work));
        let stops: Vec<_> = (0..5).map(|_| transfer.cancel()).collect();
        let (ask, kill) = (Stop::Politely, Stop::AtOnce);
        assert_eq!(stops, [ask, ask, ask, kill, kill]);
    }

    #[test]
    fn progress_is_unknown_then_in_hundredths_and_changes_are_told() {
        let work = pull("http://h/a.tar", Local::Derived);
        let mut transfer = Transfer::new(job(Scope::System, Class::Machine, work));
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
        let running = Transfer::new(job(Scope::System, Class::Sysext, import.clone()));
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
        let of_user = Transfer::new(job(Scope::User, Class::Sysext, import.clone()));
        assert!(of_user.makes_what(&job(Scope::User, Class::Machine, import)));
    }
}
