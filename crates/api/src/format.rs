//! Compression of an export, as clients name it.

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
}
