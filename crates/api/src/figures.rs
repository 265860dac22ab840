//! What a worker tells of its work beside the percentage: bytes, phase, retries, and why it failed.
//!
//! One datagram on the notify socket holds lines `KEY=VALUE`. Ours begin with `X_IMPORTD_`, so that
//! whoever only knows the original's `X_IMPORT_PROGRESS=` finds that line and passes over the others.
//!
//! ```text
//! X_IMPORT_PROGRESS=17%            whole percents, 0 to 100; only when they have grown
//! X_IMPORTD_BYTES=1048576          moved so far
//! X_IMPORTD_TOTAL=6291456          to be moved; absent while unknown
//! X_IMPORTD_PHASE=downloading      what it is at
//! X_IMPORTD_RETRIES=1              tries that failed and were made again
//! ```
//!
//! A worker that fails sends `X_IMPORTD_REASON=` and `X_IMPORTD_KIND=` in a datagram of their own.

use crate::failure::Kind;
use crate::progress;
use std::fmt::Write;

const BYTES_KEY: &str = "X_IMPORTD_BYTES=";
const TOTAL_KEY: &str = "X_IMPORTD_TOTAL=";
const PHASE_KEY: &str = "X_IMPORTD_PHASE=";
const RETRIES_KEY: &str = "X_IMPORTD_RETRIES=";
const REASON_KEY: &str = "X_IMPORTD_REASON=";
const KIND_KEY: &str = "X_IMPORTD_KIND=";

/// Longest reason, in bytes: some lines of a terminal, well below what a datagram may hold.
pub const REASON_BYTES_MAX: usize = 1024;

/// What a worker is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Another transfer of the same source has to end first, or a server that failed is given time.
    Waiting,
    /// It finds out what it must get: names, lists, signatures.
    Checking,
    /// Bytes come from a server.
    Downloading,
    /// Bytes come from this machine.
    Reading,
    /// Bytes of an image go out.
    Writing,
    /// What came is proven.
    Verifying,
    /// It is made visible.
    Installing,
}

impl Phase {
    /// Every phase, for tables and tests.
    pub const ALL: [Phase; 7] = [
        Phase::Waiting,
        Phase::Checking,
        Phase::Downloading,
        Phase::Reading,
        Phase::Writing,
        Phase::Verifying,
        Phase::Installing,
    ];

    /// The phase's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Checking => "checking",
            Phase::Downloading => "downloading",
            Phase::Reading => "reading",
            Phase::Writing => "writing",
            Phase::Verifying => "verifying",
            Phase::Installing => "installing",
        }
    }

    /// The phase of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }
}

/// How far a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes moved so far.
    pub bytes: u64,
    /// Bytes to be moved; `None` while unknown.
    pub total: Option<u64>,
    /// What it is at; `None` before the first.
    pub phase: Option<Phase>,
    /// Tries that failed and were made again.
    pub retries: u32,
}

impl Figures {
    /// The datagram, with the percentage if there is one to be told.
    #[must_use]
    pub fn to_datagram(&self, percent: Option<u8>) -> String {
        let mut text = String::new();
        if let Some(percent) = percent {
            text.push_str(&progress::to_datagram(percent));
            text.push('\n');
        }
        push(&mut text, BYTES_KEY, self.bytes);
        if let Some(total) = self.total {
            push(&mut text, TOTAL_KEY, total);
        }
        if let Some(phase) = self.phase {
            push(&mut text, PHASE_KEY, phase.as_str());
        }
        push(&mut text, RETRIES_KEY, self.retries);
        text.truncate(text.trim_end().len());
        text
    }

    /// The figures in a datagram; `None` if it has none. A phase that is not known, as of a later
    /// release, is none.
    #[must_use]
    pub fn from_datagram(text: &str) -> Option<Self> {
        let bytes = value(text, BYTES_KEY)?.parse().ok()?;
        Some(Self {
            bytes,
            total: value(text, TOTAL_KEY).and_then(|digits| digits.parse().ok()),
            phase: value(text, PHASE_KEY).and_then(Phase::parse),
            retries: value(text, RETRIES_KEY)
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0),
        })
    }
}

/// Why a worker failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The error's line, for people; at most [`REASON_BYTES_MAX`] bytes, without control characters.
    pub text: String,
    /// What kind of failure it is; `None` if that is not known here.
    pub kind: Option<Kind>,
}

impl Reason {
    /// A reason; what is too long is cut, and control characters are escaped.
    #[must_use]
    pub fn new(text: &str, kind: Option<Kind>) -> Self {
        let mut clean = String::new();
        for c in text.chars() {
            let room = REASON_BYTES_MAX - clean.len();
            if c.is_control() {
                let escaped = c.escape_default();
                if escaped.len() > room {
                    break;
                }
                clean.extend(escaped);
            } else if c.len_utf8() > room {
                break;
            } else {
                clean.push(c);
            }
        }
        Self { text: clean, kind }
    }

    /// The datagram.
    #[must_use]
    pub fn to_datagram(&self) -> String {
        let mut text = format!("{REASON_KEY}{}", self.text);
        if let Some(kind) = self.kind {
            text.push('\n');
            text.push_str(KIND_KEY);
            text.push_str(kind.code());
        }
        text
    }

    /// The reason in a datagram, if there is one.
    #[must_use]
    pub fn from_datagram(text: &str) -> Option<Self> {
        let kind = value(text, KIND_KEY).and_then(Kind::parse);
        Some(Self::new(value(text, REASON_KEY)?, kind))
    }
}

fn push(text: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing into a String does not fail.
    writeln!(text, "{key}{value}").unwrap_or(());
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_round_trip_and_keep_the_percentage_where_the_original_looks_for_it() {
        let figures = Figures {
            bytes: 7,
            total: Some(100),
            phase: Some(Phase::Downloading),
            retries: 2,
        };
        let text = figures.to_datagram(Some(7));
        assert_eq!(
            text,
            "X_IMPORT_PROGRESS=7%\nX_IMPORTD_BYTES=7\nX_IMPORTD_TOTAL=100\n\
             X_IMPORTD_PHASE=downloading\nX_IMPORTD_RETRIES=2"
        );
        assert_eq!(Figures::from_datagram(&text), Some(figures));
        assert_eq!(progress::from_datagram(&text), Some(Ok(7)));
        let unknown = Figures::default();
        let text = unknown.to_datagram(None);
        assert_eq!(text, "X_IMPORTD_BYTES=0\nX_IMPORTD_RETRIES=0");
        assert_eq!(Figures::from_datagram(&text), Some(unknown));
        assert_eq!(progress::from_datagram(&text), None);
        assert_eq!(Figures::from_datagram("X_IMPORT_PROGRESS=7%"), None);
        assert_eq!(Figures::from_datagram("X_IMPORTD_BYTES=-1"), None);
    }

    #[test]
    fn every_phase_has_a_word_of_its_own() {
        for phase in Phase::ALL {
            assert_eq!(Phase::parse(phase.as_str()), Some(phase));
        }
        assert_eq!(Phase::parse("dancing"), None);
    }

    #[test]
    fn reasons_stay_one_line_of_bounded_length() {
        let reason = Reason::new("Failed: a\nERRNO=0", Some(Kind::Corrupt));
        let text = reason.to_datagram();
        assert_eq!(
            text,
            "X_IMPORTD_REASON=Failed: a\\nERRNO=0\nX_IMPORTD_KIND=corrupt"
        );
        assert_eq!(Reason::from_datagram(&text), Some(reason));
        assert_eq!(Reason::from_datagram("ERRNO=2"), None);
        let long = Reason::new(&"€".repeat(1000), None);
        assert_eq!(long.text, "€".repeat(REASON_BYTES_MAX / 3));
        let untyped = Reason::from_datagram("X_IMPORTD_REASON=x\nX_IMPORTD_KIND=new");
        assert_eq!(untyped, Some(Reason::new("x", None)));
    }
}
