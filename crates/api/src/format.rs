//! Compression of an export, as clients name it.

use std::ops::RangeInclusive;

/// How an export is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As it is.
    Uncompressed,
    /// xz, preset 6.
    Xz,
    /// gzip, level 6.
    Gzip,
    /// bzip2, level 9.
    Bzip2,
    /// zstd, level 3.
    Zstd,
    /// An lz4 frame.
    Lz4,
}

/// A text that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unknown format: {0}")]
pub struct UnknownFormat(pub String);

/// A text that is no level of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// The format has no levels.
    #[error("Compression '{0}' has no levels")]
    None(&'static str),
    /// It is no number, or none of this format.
    #[error("Level '{text}' of {format} is not a number from {least} to {most}")]
    Range {
        /// The text.
        text: String,
        /// The format.
        format: &'static str,
        /// Its fastest level.
        least: u8,
        /// Its slowest level.
        most: u8,
    },
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 6] = [
        Format::Uncompressed,
        Format::Xz,
        Format::Gzip,
        Format::Bzip2,
        Format::Zstd,
        Format::Lz4,
    ];

    /// The format's name for `--format=` and the bus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Uncompressed => "uncompressed",
            Format::Xz => "xz",
            Format::Gzip => "gzip",
            Format::Bzip2 => "bzip2",
            Format::Zstd => "zstd",
            Format::Lz4 => "lz4",
        }
    }

    /// Reads a format name; upper-case names and `NONE` are taken too, as the reference's worker does.
    ///
    /// # Errors
    /// [`UnknownFormat`] for everything else, the empty text included.
    pub fn parse(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| {
                let name = format.as_str();
                text == name
                    || (*format != Format::Uncompressed && text == name.to_ascii_uppercase())
            })
            .or((text == "NONE").then_some(Format::Uncompressed))
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }

    /// The levels of the format, from fast to small; `None` if it has none. Those of zstd end where
    /// its tool wants `--ultra`: beyond, packing takes gigabytes, and unpacking up to 128 MiB.
    #[must_use]
    pub const fn levels(self) -> Option<RangeInclusive<u8>> {
        match self {
            Format::Uncompressed | Format::Lz4 => None,
            Format::Xz => Some(0..=9),
            Format::Gzip | Format::Bzip2 => Some(1..=9),
            Format::Zstd => Some(1..=19),
        }
    }

    /// Reads a level of the format.
    ///
    /// # Errors
    /// [`LevelError`] for everything but a number in [`Format::levels`].
    pub fn parse_level(self, text: &str) -> Result<u8, LevelError> {
        let format = self.as_str();
        let levels = self.levels().ok_or(LevelError::None(format))?;
        text.parse()
            .ok()
            .filter(|level| levels.contains(level))
            .ok_or_else(|| LevelError::Range {
                text: text.escape_debug().to_string(),
                format,
                least: *levels.start(),
                most: *levels.end(),
            })
    }

    /// The format that the ending of a file name asks for; unknown endings mean uncompressed.
    /// Takes the short archive endings (`.tgz` …) too, which the reference writes uncompressed.
    #[must_use]
    pub fn from_file_name(file_name: &str) -> Self {
        match file_name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("xz" | "txz") => Format::Xz,
            Some("gz" | "tgz") => Format::Gzip,
            Some("bz2" | "tbz2") => Format::Bzip2,
            Some("zst" | "tzst") => Format::Zstd,
            Some("lz4") => Format::Lz4,
            _ => Format::Uncompressed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_endings_are_those_of_the_manual() {
        for format in Format::ALL {
            assert_eq!(Format::parse(format.as_str()), Ok(format));
        }
        assert_eq!(Format::parse("GZIP"), Ok(Format::Gzip));
        assert_eq!(Format::parse("NONE"), Ok(Format::Uncompressed));
        for bad in ["", "none", "gz", "zst", "UNCOMPRESSED"] {
            assert!(Format::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Format::from_file_name("a.tar.zst"), Format::Zstd);
        assert_eq!(Format::from_file_name("a.tgz"), Format::Gzip);
        assert_eq!(Format::from_file_name("a.GZ"), Format::Uncompressed);
        assert_eq!(Format::from_file_name("gz"), Format::Uncompressed);
    }

    #[test]
    fn levels_are_those_of_the_tools() {
        for (format, text, level) in [
            (Format::Gzip, "1", Some(1)),
            (Format::Gzip, "0", None),
            (Format::Bzip2, "9", Some(9)),
            (Format::Bzip2, "10", None),
            (Format::Xz, "0", Some(0)),
            (Format::Zstd, "19", Some(19)),
            (Format::Zstd, "20", None),
            (Format::Zstd, "-1", None),
            (Format::Xz, "", None),
            (Format::Xz, "6e", None),
            (Format::Lz4, "1", None),
        ] {
            assert_eq!(format.parse_level(text).ok(), level, "{format:?} {text}");
        }
        assert_eq!(
            Format::Xz.parse_level("300").unwrap_err().to_string(),
            "Level '300' of xz is not a number from 0 to 9"
        );
        assert_eq!(
            Format::Lz4.parse_level("1").unwrap_err().to_string(),
            "Compression 'lz4' has no levels"
        );
    }
}
