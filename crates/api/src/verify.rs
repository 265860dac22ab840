//! How much a download must prove before it becomes an image.

use std::fmt;

/// What is demanded of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nothing.
    No,
    /// Its digest stands in the checksum file beside it.
    Checksum,
    /// As [`Verify::Checksum`], and the checksum file carries a trusted signature.
    Signature,
    /// Its SHA-256 digest is this one; only workers take it, no bus does.
    Digest([u8; 32]),
}

/// A text that names no verification mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No mode and no digest.
    #[error("Unknown verification mode {0}")]
    Unknown(String),
    /// Hexadecimal digits only, but not 64 of them.
    #[error("A SHA-256 digest has 64 hexadecimal digits, '{0}' has {1}")]
    DigestLength(String, usize),
}

impl Verify {
    /// Reads one of the three modes that buses and importctl take; an empty text is `signature`.
    ///
    /// # Errors
    /// [`VerifyError::Unknown`] for everything else.
    pub fn parse_mode(text: &str) -> Result<Self, VerifyError> {
        match text {
            "no" => Ok(Verify::No),
            "checksum" => Ok(Verify::Checksum),
            "signature" | "" => Ok(Verify::Signature),
            _ => Err(VerifyError::Unknown(text.to_owned())),
        }
    }

    /// Reads what `systemd-pull --verify=` takes: a mode, or the 64 digits of a SHA-256 digest.
    ///
    /// # Errors
    /// [`VerifyError`] for everything else.
    pub fn parse(text: &str) -> Result<Self, VerifyError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return match text {
                "" => Err(VerifyError::Unknown(String::new())),
                _ => Self::parse_mode(text),
            };
        }
        let mut digest = [0u8; 32];
        if text.len() != 64 {
            return Err(VerifyError::DigestLength(text.to_owned(), text.len()));
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = pair.iter().fold(0, |value, digit| {
                let nibble = char::from(*digit).to_digit(16).unwrap_or(0);
                (value << 4) | u8::try_from(nibble).unwrap_or(0)
            });
        }
        Ok(Verify::Digest(digest))
    }
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verify::No => f.write_str("no"),
            Verify::Checksum => f.write_str("checksum"),
            Verify::Signature => f.write_str("signature"),
            Verify::Digest(digest) => digest.iter().try_for_each(|b| write!(f, "{b:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_digests_round_trip() {
        let digest = "AB".repeat(32);
        for text in ["no", "checksum", "signature", &digest] {
            let mode = Verify::parse(text).unwrap();
            assert_eq!(mode.to_string(), text.to_lowercase());
        }
        assert_eq!(Verify::parse(&digest), Ok(Verify::Digest([0xab; 32])));
    }

    #[test]
    fn digests_of_another_length_and_on_a_bus_are_refused() {
        assert_eq!(
            Verify::parse("abcd"),
            Err(VerifyError::DigestLength("abcd".into(), 4))
        );
        assert!(Verify::parse_mode(&"ab".repeat(32)).is_err());
        assert!(Verify::parse("").is_err());
        assert!(Verify::parse("yes").is_err());
        assert_eq!(Verify::parse_mode(""), Ok(Verify::Signature));
    }
}
