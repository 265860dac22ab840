//! What identifies a blob.

use crate::checksums::{Algorithm, Digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A digest as documents and addresses write it: `sha256:` or `sha512:`, and lower-case digits.
///
/// # Source
/// OCI image specification, "Descriptors", "Digests".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobDigest(Digest);

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The algorithm is not known here.
    #[error("digests of '{0}' are not supported, only sha256 and sha512")]
    Algorithm(String),
    /// The digits are not those of a digest of this algorithm.
    #[error("'{0}' is no digest")]
    Digits(String),
}

impl BlobDigest {
    /// The digest itself.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.0
    }

    /// The algorithm, as it is written.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self.0.algorithm() {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// The digits.
    #[must_use]
    pub fn hex(&self) -> String {
        let bytes: &[u8] = match &self.0 {
            Digest::Sha256(bytes) => bytes,
            Digest::Sha512(bytes) => bytes,
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl From<Digest> for BlobDigest {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl FromStr for BlobDigest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let shown = || {
            text.chars()
                .take(150)
                .flat_map(char::escape_debug)
                .collect()
        };
        let (algorithm, digits) = text.split_once(':').ok_or_else(|| Error::Digits(shown()))?;
        let wanted = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(Error::Algorithm(shown())),
        };
        // Two spellings of one digest would be two names of one blob.
        let is_lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
        Digest::parse(digits.as_bytes())
            .filter(|digest| digest.algorithm() == wanted && is_lower)
            .map(Self)
            .ok_or_else(|| Error::Digits(shown()))
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl<'de> Deserialize<'de> for BlobDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for BlobDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_one_spelling() {
        let text = format!("sha256:{}", "0a".repeat(32));
        let digest: BlobDigest = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.hex(), "0a".repeat(32));
        let long = format!("sha512:{}", "f0".repeat(64));
        assert_eq!(long.parse::<BlobDigest>().unwrap().to_string(), long);
        for bad in [
            String::new(),
            "0a".repeat(32),
            format!("sha256:{}", "0A".repeat(32)),
            format!("sha256:{}", "0a".repeat(64)),
            format!("sha512:{}", "0a".repeat(32)),
            format!("sha256:{}/..", "0a".repeat(31)),
            format!("SHA256:{}", "0a".repeat(32)),
            "sha256:".into(),
        ] {
            assert!(bad.parse::<BlobDigest>().is_err(), "{bad}");
        }
        let md5 = "md5:00".parse::<BlobDigest>().unwrap_err();
        assert!(matches!(md5, Error::Algorithm(_)), "{md5}");
    }
}
