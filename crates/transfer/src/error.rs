//! The one error of a transfer: a kind for machines, a sentence for people, and the cause.

use importd_api::failure::Kind;
use importd_formats::{codec, tar};
use importd_host::cancel::Cancelled;
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// What went wrong with a transfer.
#[derive(Debug)]
pub struct Error {
    /// For machines: what it means.
    pub kind: Kind,
    /// For people: one sentence with the concrete value; never repeats its source.
    pub doing: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// The system's own number, where a system call failed.
    raw: Option<i32>,
}

/// A transfer's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure without a cause below it.
    pub fn new(kind: Kind, doing: impl Into<String>) -> Self {
        Self {
            kind,
            doing: doing.into(),
            source: None,
            raw: None,
        }
    }

    /// A failure caused by another one.
    pub fn caused(
        kind: Kind,
        doing: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            doing: doing.into(),
            source: Some(source.into()),
            raw: None,
        }
    }

    /// A failed read, write or system call; the kind is that of the innermost cause: a cancel, a
    /// transfer error, damaged compression, or the system's error number.
    pub fn io(doing: impl Into<String>, error: io::Error) -> Self {
        if Cancelled::is(&error) {
            return Self::cancelled();
        }
        if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            let inner = error.into_inner().and_then(|b| b.downcast::<Error>().ok());
            return match inner {
                Some(inner) => *inner,
                None => Self::new(Kind::Io, doing),
            };
        }
        let kind = match codec::Error::of(&error) {
            Some(codec::Error::WindowTooLarge { .. }) => Kind::Unsupported,
            Some(_) => Kind::Corrupt,
            None => error.raw_os_error().map_or(Kind::Io, Kind::from_errno),
        };
        let raw = error.raw_os_error();
        Self {
            raw,
            ..Self::caused(kind, doing, error)
        }
    }

    /// The number for `ERRNO=`: the system's own, or that of the kind.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.raw.unwrap_or_else(|| self.kind.errno())
    }

    /// The end by SIGTERM or SIGINT.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "Transfer aborted")
    }

    /// This error as one of `std::io`, to travel through stages; [`Error::io`] gets it back.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

impl From<tar::Error> for Error {
    /// A failure to read the archive. A failed read below it keeps its own kind.
    fn from(error: tar::Error) -> Self {
        match error {
            tar::Error::Io(error) => Self::io("Failed to decode and write", error),
            error => Self::caused(Kind::Archive, "Failed to parse archive", error),
        }
    }
}

/// `result.doing("Failed to …")?`: gives a failed system call its sentence.
pub trait Doing<T> {
    /// Adds what was being done.
    ///
    /// # Errors
    /// The failure, with the sentence.
    fn doing(self, sentence: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, sentence: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::io(sentence(), error.into()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// The kernel's words, without the number that the standard library puts behind them.
fn without_number(mut text: String) -> String {
    if let Some((words, _)) = text.rsplit_once(" (os error ") {
        text.truncate(words.len());
    }
    text
}

/// The whole chain in one line: `sentence: cause: cause`.
#[must_use]
pub fn chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = without_number(cause.to_string());
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_error_survives_its_way_through_a_stage() {
        let error = Error::new(Kind::HttpNotFound, "Not there").into_io();
        let back = Error::io("Failed to decode and write", error);
        assert_eq!(
            (back.kind, back.doing.as_str()),
            (Kind::HttpNotFound, "Not there")
        );
    }

    #[test]
    fn a_full_disk_keeps_its_number_and_the_chain_is_one_line() {
        let full = io::Error::from_raw_os_error(28);
        let error = Error::io("Failed to write image", full);
        assert_eq!(error.kind, Kind::NoSpace);
        assert_eq!(
            chain(&error),
            "Failed to write image: No space left on device"
        );
    }
}
