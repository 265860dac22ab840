//! Why an image is refused.

use super::{Format, Packed};
use std::fmt::{self, Write as _};
use std::io;

/// Longest name of a foreign file that a message repeats, in bytes of the name. Longer than most
/// paths, short enough for one line of a log.
const NAME_MAX: usize = 256;

/// What stands in the way, for callers that tell errors apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The image is in order, but uses what is not read here.
    Unsupported,
    /// The image contradicts its format or itself, was cut off, or is in disorder.
    Corrupt,
    /// A named limit is exceeded.
    TooLarge,
    /// The source or sink failed.
    Io,
}

/// Why an image cannot be read, or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source or sink failed.
    #[error("Reading or writing a disk image failed")]
    Io(#[source] io::Error),
    /// The image uses a feature that is not read here.
    #[error("The {} image has {feature}, which is not supported: {advice}", format.name())]
    Unsupported {
        /// The image's format.
        format: Format,
        /// What it uses.
        feature: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The image uses a feature by a number that nobody here knows.
    #[error("The {} image uses the unknown {what} {number:#x}", format.name())]
    Unknown {
        /// The image's format.
        format: Format,
        /// What the number counts.
        what: &'static str,
        /// The number, as it stands in the image.
        number: u64,
    },
    /// The image is only a part of a disk: the rest stands in another file.
    #[error("The {} image needs another file, its {what} {name}: make one image of both first, with qemu-img convert", format.name())]
    OtherFile {
        /// The image's format.
        format: Format,
        /// What the other file is to it.
        what: &'static str,
        /// The file's name, as it stands in the image.
        name: ForeignName,
    },
    /// The image says of itself that it is in disorder.
    #[error("The {} image {state}: {advice}", format.name())]
    Unclean {
        /// The image's format.
        format: Format,
        /// What it says.
        state: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The image contradicts its format or itself, or was cut off.
    #[error("Damaged {} image: {what} (byte {at} of the file)", format.name())]
    Corrupt {
        /// The image's format.
        format: Format,
        /// What is wrong.
        what: &'static str,
        /// Where in the image file, in bytes.
        at: u64,
    },
    /// Something is larger than a limit.
    #[error("The {} image has a {what} of {size} bytes, more than the {limit} that are allowed", format.name())]
    TooLarge {
        /// The image's format.
        format: Format,
        /// What is too large.
        what: &'static str,
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// There is no such level of compression.
    #[error("There is no level {level} of {name}, only 1 to {most}")]
    Level {
        /// The kind of compression.
        name: &'static str,
        /// The level that was asked for.
        level: i32,
        /// The highest there is.
        most: i32,
    },
    /// The caller gave bytes or a buffer that fit no piece of the disk.
    #[error("{what} at byte {offset} of the disk")]
    Misuse {
        /// What does not fit.
        what: &'static str,
        /// The place on the disk, in bytes.
        offset: u64,
    },
}

impl Error {
    /// For formats without packed pieces.
    pub(super) fn not_packed(packed: &Packed) -> Self {
        Error::Misuse {
            what: "A packed piece of an image that has none",
            offset: packed.offset,
        }
    }

    /// What stands in the way.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Error::Io(_) | Error::Misuse { .. } => Kind::Io,
            Error::Unsupported { .. }
            | Error::Unknown { .. }
            | Error::OtherFile { .. }
            | Error::Level { .. } => Kind::Unsupported,
            Error::Corrupt { .. } | Error::Unclean { .. } => Kind::Corrupt,
            Error::TooLarge { .. } => Kind::TooLarge,
        }
    }
}

/// The name of a file as an image has it: printed quoted, escaped and cut, never opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignName(String);

impl ForeignName {
    /// A name from an image. What is no printable text is escaped; at most 256 bytes are kept.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let kept = name.get(..NAME_MAX).unwrap_or(name);
        let mut text = String::new();
        for chunk in kept.utf8_chunks() {
            text.extend(chunk.valid().chars().flat_map(char::escape_debug));
            for byte in chunk.invalid() {
                // Writing to a string does not fail.
                write!(text, "\\x{byte:02x}").unwrap_or(());
            }
        }
        if kept.len() < name.len() {
            text.push('…');
        }
        Self(text)
    }

    /// A name from an image, in UTF-16, up to its first zero.
    pub(super) fn from_utf16(name: &[u8], order: fn([u8; 2]) -> u16) -> Self {
        let (pairs, _) = name.as_chunks::<2>();
        let units = pairs.iter().map(|pair| order(*pair));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        Self::new(String::from_utf16_lossy(&units).as_bytes())
    }
}

impl fmt::Display for ForeignName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_are_one_bounded_line() {
        for (name, text) in [
            (&b"/etc/passwd"[..], "\"/etc/passwd\""),
            (b"a\"b\n\x1b[31m\xff", r#""a\"b\n\u{1b}[31m\xff""#),
            ("\u{202e}gnp".as_bytes(), r#""\u{202e}gnp""#),
            (b"", "\"\""),
        ] {
            assert_eq!(ForeignName::new(name).to_string(), text);
        }
        let long = ForeignName::new(&[b'a'; 70_000]).to_string();
        assert_eq!(long.chars().count(), NAME_MAX + 3);
    }
}
