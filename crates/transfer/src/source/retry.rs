//! Trying again: what for, how often, and after which pause.

use super::settings::Settings;
use crate::context::Context;
use crate::error::{Error, Result, chain};
use importd_api::failure::Kind;
use rustix::rand::{GetRandomFlags, getrandom};
use std::time::Duration;

/// Pause before the first try after a failure: connections break now and then, and the next one is
/// mostly good.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Each pause is this many times the one before it.
const PAUSE_FACTOR: u32 = 3;
/// Longest pause of our own choice.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Longest pause that a server may ask for; one that wants more is to be asked again by whoever
/// started the transfer, at that time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Connections that bring less than this, in bytes, are no progress: a server that drops each after
/// a few bytes must not keep us for ever.
const PROGRESS_BYTES: u64 = 64 << 10;

/// What one try brought.
pub(crate) type Try<T> = std::result::Result<T, Miss>;

/// One try that failed.
#[derive(Debug)]
pub(crate) struct Miss {
    /// What to tell if it was the last.
    pub(crate) error: Error,
    /// Whether another one may go better.
    pub(crate) again: Again,
}

/// Whether another try may go better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// No.
    Never,
    /// After a pause.
    Later,
    /// After the pause that the server asks for.
    After(Duration),
}

impl Miss {
    /// A failure that will not pass.
    pub(crate) const fn last(error: Error) -> Self {
        Self {
            error,
            again: Again::Never,
        }
    }

    /// Of two tries at two servers that failed, the one to tell and to go by: one that may pass
    /// before one that will not, then one after which the download can begin anew, then the first.
    pub(crate) fn or(self, other: Self) -> Self {
        let passes = |miss: &Self| miss.again != Again::Never;
        let is_changed = |miss: &Self| miss.error.kind == Kind::Changed;
        match (passes(&self), passes(&other)) {
            (false, true) => other,
            (false, false) if !is_changed(&self) && is_changed(&other) => other,
            _ => self,
        }
    }

    /// Whether it is the end by a signal, and no other server is to be tried.
    pub(crate) fn is_cancel(&self) -> bool {
        self.error.kind == Kind::Cancelled
    }
}

/// How many tries are left for one thing.
#[derive(Debug)]
pub(crate) struct Patience {
    retries: u32,
    used: u32,
    /// Bytes since the last failure.
    bytes: u64,
}

impl Patience {
    pub(crate) const fn new(settings: &Settings) -> Self {
        Self {
            retries: settings.retries,
            used: 0,
            bytes: 0,
        }
    }

    /// So many bytes came that had not come before.
    pub(crate) const fn progress(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PROGRESS_BYTES {
            self.used = 0;
        }
    }

    /// After a failed try: pauses, and says so, if there is to be another one.
    ///
    /// # Errors
    /// The failure, if it will not pass or has been met too often; that of a cancel.
    pub(crate) fn pause(&mut self, miss: Miss, context: &Context) -> Result<()> {
        self.bytes = 0;
        let pause = match miss.again {
            Again::Never => return Err(miss.error),
            _ if self.used >= self.retries => return Err(self.exhausted(miss.error)),
            Again::After(time) if time > RETRY_AFTER_MAX => return Err(too_long(miss.error, time)),
            Again::After(time) => time,
            Again::Later => jittered(growing(self.used), random()),
        };
        self.used += 1;
        context.report.notice(format!(
            "{}; trying again in {} (retry {} of {}).",
            chain(&miss.error),
            seconds(pause),
            self.used,
            self.retries
        ));
        context.report.retried();
        let _waiting = context.report.waiting();
        let paused = context.cancel.pause(pause);
        paused.map_err(|error| Error::io("Failed to wait for the next try", error))
    }

    fn exhausted(&self, mut error: Error) -> Error {
        if self.used > 0 {
            let times = if self.used == 1 { "once" } else { "times" };
            let count = match self.used {
                1 => String::new(),
                count => format!("{count} "),
            };
            error.doing = format!("{} (tried again {count}{times})", error.doing);
        }
        error
    }
}

fn too_long(mut error: Error, time: Duration) -> Error {
    error.doing = format!(
        "{}; the server wants to be asked again in {} only",
        error.doing,
        seconds(time)
    );
    error
}

fn growing(used: u32) -> Duration {
    let factor = PAUSE_FACTOR.saturating_pow(used);
    FIRST_PAUSE.saturating_mul(factor).min(PAUSE_MAX)
}

/// Between half of the pause and all of it: many clients that lost the same server must not come
/// back in the same moment.
fn jittered(pause: Duration, random: u32) -> Duration {
    let half = pause / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without chance the pause is the shortest one, which is as good.
    getrandom(&mut bytes, GetRandomFlags::NONBLOCK).unwrap_or(0);
    u32::from_ne_bytes(bytes)
}

/// A time for people: tenths of a second below ten.
fn seconds(time: Duration) -> String {
    let tenths = time.as_millis().div_ceil(100);
    match tenths {
        0..100 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ => format!("{} s", tenths / 10),
    }
}

/// Whether a status code may be another one a little later.
///
/// # Source
/// RFC 9110, section 15; RFC 6585, section 4.
pub(crate) const fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{LogSettings, Report};
    use importd_host::cancel::Cancel;

    fn context() -> Context {
        Context {
            report: Report::new(None, &LogSettings::default()),
            cancel: Cancel::new().unwrap(),
            umask: 0o022,
            owners: crate::owners::Owners::All,
        }
    }

    fn miss(again: Again) -> Miss {
        Miss {
            error: Error::new(Kind::Io, "It failed"),
            again,
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let growing: Vec<u128> = (0..7).map(|used| growing(used).as_millis()).collect();
        assert_eq!(growing, [250, 750, 2250, 6750, 20250, 60000, 60000]);
        let pause = Duration::from_secs(8);
        assert_eq!(jittered(pause, 0), Duration::from_secs(4));
        assert_eq!(jittered(pause, u32::MAX), pause);
        assert_eq!(seconds(Duration::from_millis(1250)), "1.3 s");
        assert_eq!(seconds(Duration::from_secs(60)), "60 s");
    }

    #[test]
    fn tries_are_counted_and_progress_makes_them_new() {
        let context = context();
        let settings = Settings {
            retries: 1,
            ..Settings::default()
        };
        let mut patience = Patience::new(&settings);
        let soon = || miss(Again::After(Duration::ZERO));
        patience.pause(soon(), &context).unwrap();
        patience.progress(PROGRESS_BYTES - 1);
        let error = patience.pause(soon(), &context).unwrap_err();
        assert_eq!(error.doing, "It failed (tried again once)");
        patience.progress(PROGRESS_BYTES);
        patience.pause(soon(), &context).unwrap();
    }

    #[test]
    fn what_does_not_pass_and_what_takes_too_long_is_not_waited_for() {
        let context = context();
        let mut patience = Patience::new(&Settings::default());
        let never = patience.pause(miss(Again::Never), &context);
        assert_eq!(never.unwrap_err().doing, "It failed");
        let long = miss(Again::After(RETRY_AFTER_MAX + Duration::from_secs(1)));
        let error = patience.pause(long, &context).unwrap_err();
        assert!(error.doing.contains("301 s"), "{}", error.doing);
        context.cancel.cancel();
        let error = patience.pause(miss(Again::Later), &context);
        assert_eq!(error.unwrap_err().kind, Kind::Cancelled);
    }
}
