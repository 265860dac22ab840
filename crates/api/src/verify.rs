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
    /// Its digest is this one; only workers take it, no bus does.
    Digest(Digest),
}

/// A digest that somebody gives on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
}

impl Digest {
    /// Its bytes, 32 or 64.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Digest::Sha256(bytes) => bytes,
            Digest::Sha512(bytes) => bytes,
        }
    }
}

/// A text that names no verification mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No mode and no digest.
    #[error("Unknown verification mode {0}")]
    Unknown(String),
    /// Hexadecimal digits only, but neither 64 nor 128 of them.
    #[error("A SHA-256 digest has 64 hexadecimal digits, a SHA-512 digest has 128, '{0}' has {1}")]
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

    /// Reads what `systemd-pull --verify=` takes: a mode, the 64 digits of a SHA-256 digest, or the
    /// 128 of a SHA-512 one.
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
        match text.len() {
            64 => Ok(Verify::Digest(Digest::Sha256(bytes_of(text)))),
            128 => Ok(Verify::Digest(Digest::Sha512(bytes_of(text)))),
            length => Err(VerifyError::DigestLength(text.to_owned(), length)),
        }
    }
}

/// The bytes that hexadecimal digits stand for.
fn bytes_of<const N: usize>(digits: &str) -> [u8; N] {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = pair.iter().fold(0, |value, digit| {
            let nibble = char::from(*digit).to_digit(16).unwrap_or(0);
            (value << 4) | u8::try_from(nibble).unwrap_or(0)
        });
    }
    bytes
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verify::No => f.write_str("no"),
            Verify::Checksum => f.write_str("checksum"),
            Verify::Signature => f.write_str("signature"),
            Verify::Digest(digest) => {
                let mut bytes = digest.as_bytes().iter();
                bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_digests_round_trip() {
        let digest = "AB".repeat(32);
        let long = "AB".repeat(64);
        for text in ["no", "checksum", "signature", &digest, &long] {
            let mode = Verify::parse(text).unwrap();
            assert_eq!(mode.to_string(), text.to_lowercase());
        }
        let digest = Verify::parse(&digest);
        assert_eq!(digest, Ok(Verify::Digest(Digest::Sha256([0xab; 32]))));
        let long = Verify::parse(&long);
        assert_eq!(long, Ok(Verify::Digest(Digest::Sha512([0xab; 64]))));
    }

    #[test]
    fn digests_of_another_length_and_on_a_bus_are_refused() {
        assert_eq!(
            Verify::parse("abcd"),
            Err(VerifyError::DigestLength("abcd".into(), 4))
        );
        assert!(Verify::parse(&"a".repeat(127)).is_err());
        assert!(Verify::parse_mode(&"ab".repeat(32)).is_err());
        assert!(Verify::parse("").is_err());
        assert!(Verify::parse("yes").is_err());
        assert_eq!(Verify::parse_mode(""), Ok(Verify::Signature));
    }
}
