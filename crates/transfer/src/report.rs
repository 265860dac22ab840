//! Log lines and progress to whoever started us.
//!
//! Lines go to standard error; started by the daemon (`SYSTEMD_LOG_TARGET=console-prefixed`) each
//! begins with `<N>`, N being facility daemon and level as in sd-daemon(3). Progress and the result
//! go to the notify socket: `X_IMPORT_PROGRESS=N%`, and at the end `ERRNO=N` (failures only) and
//! `EXIT_STATUS=N`, one datagram each.

use crate::error::{Error, chain};
use importd_api::progress;
use importd_host::notify::Notifier;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How serious a line is: the levels of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// The transfer fails.
    Error = 3,
    /// Something was left out.
    Warning = 4,
    /// Normal, but worth telling even when quiet.
    Notice = 5,
    /// What is going on.
    Info = 6,
    /// For whoever looks for a fault.
    Debug = 7,
}

/// Facility daemon, in the bits above the level.
const FACILITY_DAEMON: u8 = 3 << 3;
/// Least time between two progress reports, as in the reference.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// A percentage that has not been reported yet.
const NOTHING_REPORTED: u8 = u8::MAX;

/// Where a worker's lines, progress and result go. Shared by all threads of a worker.
#[derive(Clone)]
pub struct Report(Arc<Inner>);

struct Inner {
    notifier: Option<Notifier>,
    prefixed: bool,
    most: Level,
    percent: AtomicU8,
    /// The result has been told: threads that are still at it have nothing more to say.
    finished: AtomicBool,
    sent: Mutex<Option<Instant>>,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

/// What the environment says about logging.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// `SYSTEMD_LOG_TARGET`
    pub target: Option<String>,
    /// `SYSTEMD_LOG_LEVEL`
    pub level: Option<String>,
}

impl Report {
    /// A report to this notify socket, with lines as the settings say.
    #[must_use]
    pub fn new(notifier: Option<Notifier>, settings: &LogSettings) -> Self {
        let most = match settings.level.as_deref() {
            Some("debug" | "7") => Level::Debug,
            Some("notice" | "5") => Level::Notice,
            Some("warning" | "4") => Level::Warning,
            Some("emerg" | "alert" | "crit" | "err" | "0" | "1" | "2" | "3") => Level::Error,
            _ => Level::Info,
        };
        Self(Arc::new(Inner {
            notifier,
            prefixed: settings.target.as_deref() == Some("console-prefixed"),
            most,
            percent: AtomicU8::new(NOTHING_REPORTED),
            finished: AtomicBool::new(false),
            sent: Mutex::new(None),
        }))
    }

    /// Writes one line; control characters of foreign origin are escaped.
    pub fn line(&self, level: Level, text: &str) {
        let is_late = level >= Level::Info && self.0.finished.load(Ordering::Relaxed);
        if level > self.0.most || is_late {
            return;
        }
        let mut line = String::with_capacity(text.len() + 8);
        if self.0.prefixed {
            line.push_str(&format!("<{}>", FACILITY_DAEMON | level as u8));
        }
        for c in text.chars() {
            if c.is_control() && c != '\t' {
                line.extend(c.escape_default());
            } else {
                line.push(c);
            }
        }
        line.push('\n');
        // Nobody is left to tell when standard error is gone.
        std::io::stderr().write_all(line.as_bytes()).unwrap_or(());
    }

    /// A line about the course of things.
    pub fn info(&self, text: impl AsRef<str>) {
        self.line(Level::Info, text.as_ref());
    }

    /// A line that is shown even when quiet.
    pub fn notice(&self, text: impl AsRef<str>) {
        self.line(Level::Notice, text.as_ref());
    }

    /// A line about something that was left out.
    pub fn warning(&self, text: impl AsRef<str>) {
        self.line(Level::Warning, text.as_ref());
    }

    /// A line for whoever looks for a fault.
    pub fn debug(&self, text: impl AsRef<str>) {
        self.line(Level::Debug, text.as_ref());
    }

    /// Reports progress, 0 to 100: if it grew and the last report is not too fresh; the last one,
    /// 100, always. Says whether it was reported.
    pub fn progress(&self, percent: u8) -> bool {
        let percent = percent.min(100);
        let last = self.0.percent.load(Ordering::Relaxed);
        if last != NOTHING_REPORTED && percent <= last {
            return false;
        }
        let Ok(mut sent) = self.0.sent.lock() else {
            return false;
        };
        if self.0.finished.load(Ordering::Relaxed) {
            return false;
        }
        let fresh = sent.is_some_and(|at| at.elapsed() < PROGRESS_INTERVAL);
        if fresh && percent < 100 {
            return false;
        }
        *sent = Some(Instant::now());
        self.0.percent.store(percent, Ordering::Relaxed);
        self.send(&progress::to_datagram(percent));
        true
    }

    /// Reports the result: the error's line, `ERRNO=` and `EXIT_STATUS=`. Returns the exit status.
    pub fn finish(&self, result: &Result<(), Error>) -> u8 {
        self.0.finished.store(true, Ordering::Relaxed);
        let status = match result {
            Ok(()) => 0,
            Err(error) => {
                let level = match error.kind {
                    importd_api::failure::Kind::Cancelled => Level::Notice,
                    _ => Level::Error,
                };
                self.line(level, &format!("{}.", chain(error)));
                self.send(&format!("ERRNO={}", error.errno()));
                error.kind.exit_status()
            }
        };
        self.send(&format!("EXIT_STATUS={status}"));
        status
    }

    fn send(&self, datagram: &str) {
        if let Some(notifier) = &self.0.notifier {
            // A listener that went away must not end the transfer.
            notifier.send(datagram).unwrap_or(());
        }
    }
}

/// A size for people: base 1024, at most one decimal, suffix B K M G T P E (`4.8K`, `6M`).
#[must_use]
pub fn size(bytes: u64) -> String {
    const SUFFIXES: [char; 7] = ['B', 'K', 'M', 'G', 'T', 'P', 'E'];
    let mut unit = 1u64;
    let mut suffix = 0;
    while suffix + 1 < SUFFIXES.len() && bytes / unit >= 1024 {
        unit *= 1024;
        suffix += 1;
    }
    let whole = bytes / unit;
    let tenth = u64::try_from(u128::from(bytes % unit) * 10 / u128::from(unit)).unwrap_or(0);
    match tenth {
        0 => format!("{whole}{}", SUFFIXES[suffix]),
        _ => format!("{whole}.{tenth}{}", SUFFIXES[suffix]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_the_reference() {
        for (bytes, text) in [
            (0, "0B"),
            (3, "3B"),
            (1023, "1023B"),
            (1024, "1K"),
            (4915, "4.7K"),
            (6 << 20, "6M"),
            (628_224, "613.5K"),
            (u64::MAX, "15.9E"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn progress_only_grows_and_always_ends() {
        let report = Report::new(None, &LogSettings::default());
        assert!(report.progress(5));
        assert!(!report.progress(5));
        assert!(!report.progress(4));
        assert!(!report.progress(6), "too fresh");
        assert!(report.progress(100));
        assert!(!report.progress(100));
    }
}
