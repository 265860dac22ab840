//! What identifies the bytes of a file.

use std::fmt;

/// Length of a SHA-256 digest, in bytes.
const SHA256_BYTES: usize = 32;
/// Length of a SHA-512 digest, in bytes.
const SHA512_BYTES: usize = 64;

/// How a digest is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// Of SHA-256.
    Sha256([u8; SHA256_BYTES]),
    /// Of SHA-512.
    Sha512([u8; SHA512_BYTES]),
}

impl Digest {
    /// The digest of no bytes at all.
    #[must_use]
    pub fn of_nothing(algorithm: Algorithm) -> Option<Self> {
        // FIPS 180-4, as sha256sum(1) and sha512sum(1) print them for an empty file.
        Self::parse(match algorithm {
            Algorithm::Sha256 => {
                b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            }
            Algorithm::Sha512 => {
                b"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                  47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
            }
        })
    }

    /// Reads 64 or 128 hexadecimal digits of either case; `None` for anything else.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text.len() {
            64 => hex(text).map(Self::Sha256),
            128 => hex(text).map(Self::Sha512),
            _ => None,
        }
    }

    /// How it was computed.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Its bytes, 32 or 64.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }
}

/// As many bytes as the array has, of twice as many digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.as_bytes().iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_64_or_128_digits_of_either_case() {
        for (digits, algorithm) in [(64, Algorithm::Sha256), (128, Algorithm::Sha512)] {
            let text = "aB".repeat(digits / 2);
            let digest = Digest::parse(text.as_bytes()).unwrap();
            assert_eq!(digest.algorithm(), algorithm);
            assert_eq!(digest.to_string(), text.to_lowercase());
            assert_eq!(digest.as_bytes(), vec![0xab; digits / 2]);
        }
        for bad in ["", "ab", &"a".repeat(63), &"g".repeat(64), &"+a".repeat(32)] {
            assert_eq!(Digest::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
