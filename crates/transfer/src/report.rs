//! Log lines and progress to whoever started us.
//!
//! Lines go to standard error; started by the daemon (`SYSTEMD_LOG_TARGET=console-prefixed`) each
//! begins with `<N>`, N being facility daemon and level as in sd-daemon(3). Progress and the result
//! go to the notify socket: `X_IMPORT_PROGRESS=N%` with the [figures](importd_api::figures) beside it,
//! and at the end the reason and `ERRNO=N` (failures only) and `EXIT_STATUS=N`, one datagram each.
//! Whoever does not read them is waited for once and at the end, for some seconds
//! ([`SEND_WAIT_MAX`](importd_host::notify::SEND_WAIT_MAX)), and the work goes on.

use crate::error::{Error, chain};
use importd_api::figures::{Figures, Phase, Reason};
use importd_host::notify::Notifier;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Where a worker's lines, progress and result go. Shared by all threads of a worker.
#[derive(Clone)]
pub struct Report(Arc<Inner>);

struct Inner {
    notifier: Option<Notifier>,
    prefixed: bool,
    most: Level,
    /// The result has been told: threads that are still at it have nothing more to say.
    finished: AtomicBool,
    state: Mutex<State>,
}

/// How far the work is, and what was told of it.
#[derive(Debug, Default)]
struct State {
    figures: Figures,
    /// How many threads wait.
    waiting: usize,
    /// The percentage that was told last, and when.
    percent: Option<(u8, Instant)>,
    /// The figures that were told last, and when.
    told: Option<(Figures, Instant)>,
    /// Whoever listens was waited for in vain, and has not read since.
    is_deaf: bool,
}

impl State {
    fn shown(&self) -> Figures {
        let mut figures = self.figures;
        if self.waiting > 0 {
            figures.phase = Some(Phase::Waiting);
        }
        figures
    }
}

/// The work waits as long as this lives, see [`Report::waiting`].
#[derive(Debug)]
pub struct Waiting(Report);

impl Drop for Waiting {
    fn drop(&mut self) {
        let report = &self.0;
        if let Ok(mut state) = report.0.state.lock() {
            state.waiting = state.waiting.saturating_sub(1);
            report.tell_if_other(&mut state);
        }
    }
}

fn is_fresh(at: Instant) -> bool {
    at.elapsed() < PROGRESS_INTERVAL
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
            finished: AtomicBool::new(false),
            state: Mutex::default(),
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

    /// A line about the flushes of a tree that came before the last one.
    pub(crate) fn early_flushes(&self, count: u32) {
        self.debug(format!("Early flushes of the tree: {count}."));
    }

    /// Reports progress, 0 to 100: if it grew and the last report is not too fresh; the last one,
    /// 100, always. Says whether it was reported. What else is known goes along.
    pub fn progress(&self, percent: u8) -> bool {
        let percent = percent.min(100);
        let Ok(mut state) = self.0.state.lock() else {
            return false;
        };
        let grows = state.percent.is_none_or(|(last, _)| percent > last);
        let too_early = percent < 100 && state.percent.is_some_and(|(_, at)| is_fresh(at));
        if !grows || too_early {
            self.tell_if_due(&mut state);
            return false;
        }
        state.percent = Some((percent, Instant::now()));
        self.tell(&mut state, Some(percent))
    }

    /// Notes how many bytes were moved, of how many if that is known; `bytes` never shrinks within a
    /// phase. Goes out with the next report of progress.
    pub fn moved(&self, bytes: u64, total: Option<u64>) {
        if let Ok(mut state) = self.0.state.lock() {
            state.figures.bytes = bytes;
            state.figures.total = total;
        }
    }

    /// Reports how many bytes were moved, if the last report is not too fresh: for what has no
    /// percentage.
    pub fn moved_of_unknown(&self, bytes: u64) {
        self.moved(bytes, None);
        if let Ok(mut state) = self.0.state.lock() {
            self.tell_if_due(&mut state);
        }
    }

    /// Reports what the work is at now.
    pub fn phase(&self, phase: Phase) {
        if let Ok(mut state) = self.0.state.lock() {
            state.figures.phase = Some(phase);
            self.tell_if_other(&mut state);
        }
    }

    /// Reports that the work waits, as long as what is returned lives. Several threads may.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        if let Ok(mut state) = self.0.state.lock() {
            state.waiting = state.waiting.saturating_add(1);
            self.tell_if_other(&mut state);
        }
        Waiting(self.clone())
    }

    /// Notes that a try has failed and will be made again. Goes out with the next report.
    pub fn retried(&self) {
        if let Ok(mut state) = self.0.state.lock() {
            state.figures.retries = state.figures.retries.saturating_add(1);
        }
    }

    fn tell_if_other(&self, state: &mut State) {
        if state.told.is_none_or(|(told, _)| told != state.shown()) {
            self.tell(state, None);
        }
    }

    fn tell_if_due(&self, state: &mut State) {
        let is_due = state
            .told
            .is_none_or(|(told, at)| told != state.shown() && !is_fresh(at));
        if is_due {
            self.tell(state, None);
        }
    }

    /// Sends the figures; says whether the transfer still had something to say.
    fn tell(&self, state: &mut State, percent: Option<u8>) -> bool {
        if self.0.finished.load(Ordering::Relaxed) {
            return false;
        }
        let shown = state.shown();
        state.told = Some((shown, Instant::now()));
        self.send_news(state, &shown.to_datagram(percent));
        true
    }

    /// Reports the result: the error's line and kind, `ERRNO=` and `EXIT_STATUS=`. Returns the exit status.
    pub fn finish(&self, result: &Result<(), Error>) -> u8 {
        self.0.finished.store(true, Ordering::Relaxed);
        let status = match result {
            Ok(()) => 0,
            Err(error) => {
                let level = match error.kind {
                    importd_api::failure::Kind::Cancelled => Level::Notice,
                    _ => Level::Error,
                };
                let text = chain(error);
                self.line(level, &format!("{text}."));
                self.send(&Reason::new(&text, Some(error.kind)).to_datagram());
                self.send(&format!("ERRNO={}", error.errno()));
                error.kind.exit_status()
            }
        };
        self.send(&format!("EXIT_STATUS={status}"));
        status
    }

    fn send_news(&self, state: &mut State, datagram: &str) {
        let Some(notifier) = &self.0.notifier else {
            return;
        };
        let sent = match state.is_deaf {
            true => notifier.try_send(datagram),
            false => notifier.send(datagram),
        };
        state.is_deaf = sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
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
    use importd_host::notify::{Receiver, SEND_WAIT_MAX};

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

    /// What a report has told.
    struct Told(Receiver, Report);

    impl Told {
        fn new() -> Self {
            let (receiver, name) = Receiver::bind_abstract().unwrap();
            let notifier = Notifier::to(std::ffi::OsStr::new(&name)).unwrap();
            Self(
                receiver,
                Report::new(Some(notifier), &LogSettings::default()),
            )
        }

        fn next(&self) -> Option<String> {
            self.0.recv().unwrap().map(|datagram| datagram.text)
        }
    }

    #[test]
    fn figures_go_along_with_the_progress_and_alone_when_they_are_news() {
        let told = Told::new();
        let report = &told.1;
        report.phase(Phase::Downloading);
        let text = "X_IMPORTD_BYTES=0\nX_IMPORTD_PHASE=downloading\nX_IMPORTD_RETRIES=0";
        assert_eq!(told.next().unwrap(), text);
        report.phase(Phase::Downloading);
        assert!(report.progress(0));
        assert!(told.next().unwrap().starts_with("X_IMPORT_PROGRESS=0%\n"));
        report.moved(5, Some(10));
        assert!(!report.progress(50), "too fresh");
        assert_eq!(told.next(), None);
        report.retried();
        let waits = [report.waiting(), report.waiting()];
        let text = "X_IMPORTD_BYTES=5\nX_IMPORTD_TOTAL=10\nX_IMPORTD_PHASE=waiting\n\
                    X_IMPORTD_RETRIES=1";
        assert_eq!(told.next().unwrap(), text);
        assert_eq!(told.next(), None);
        drop(waits);
        let text = text.replace("waiting", "downloading");
        assert_eq!(told.next().unwrap(), text);
        assert_eq!(told.next(), None);
        report.moved(10, Some(10));
        assert!(report.progress(100));
        assert!(
            told.next()
                .unwrap()
                .starts_with("X_IMPORT_PROGRESS=100%\nX_IMPORTD_BYTES=10\n")
        );
        let error = Error::new(importd_api::failure::Kind::Corrupt, "It is broken");
        report.finish(&Err(error));
        assert!(!report.progress(100));
        report.phase(Phase::Installing);
        let text = "X_IMPORTD_REASON=It is broken\nX_IMPORTD_KIND=corrupt";
        assert_eq!(told.next().unwrap(), text);
        assert_eq!(told.next().unwrap(), "ERRNO=74");
        assert_eq!(told.next().unwrap(), "EXIT_STATUS=1");
        assert_eq!(told.next(), None);
    }

    #[test]
    fn who_does_not_read_is_waited_for_once() {
        let told = Told::new();
        let begun = Instant::now();
        for _ in 0..1000 {
            told.1.phase(Phase::Downloading);
            told.1.phase(Phase::Installing);
        }
        assert!(begun.elapsed() < 2 * SEND_WAIT_MAX);
        while told.next().is_some() {}
        told.1.phase(Phase::Downloading);
        assert!(told.next().unwrap().contains("downloading"));
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
