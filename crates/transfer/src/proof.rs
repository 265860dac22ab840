//! What a download must prove, and what it is to be proven.
//!
//! [`Staged`] is complete but hidden; only [`Staged::prove`] and [`Staged::accept_local`] make it
//! [`Proven`], and only a [`Proven`] thing can be installed.

use crate::error::{Error, Result};
use crate::stage::digest::Received;
use importd_api::failure::Kind;
use importd_host::staging::Staging;
use std::fmt;

/// What a body must turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Anything: verification is off.
    Nothing,
    /// Bytes with this SHA-256 digest.
    Digest {
        /// The digest.
        sha256: [u8; 32],
        /// Who says so, for messages.
        said_by: String,
    },
}

impl Expectation {
    /// Compares what came with what was to come.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if the digests differ.
    pub fn check(&self, label: &str, received: &Received) -> Result<()> {
        match self {
            Expectation::Nothing => Ok(()),
            Expectation::Digest { sha256, .. } if *sha256 == received.sha256 => Ok(()),
            Expectation::Digest { sha256, said_by } => Err(Error::new(
                Kind::Corrupt,
                format!(
                    "{label} is not what {said_by} says: its SHA-256 digest is {}, expected was \
                     {}; the file was damaged or changed on its way, or the list is stale",
                    Hex(&received.sha256),
                    Hex(sha256)
                ),
            )),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A complete image under a hidden name, of which nothing is proven.
#[derive(Debug)]
pub struct Staged(pub(crate) Staging);

/// A complete image under a hidden name that is what it should be.
#[derive(Debug)]
pub struct Proven(pub(crate) Staging);

impl Staged {
    /// Proves a download.
    ///
    /// # Errors
    /// As [`Expectation::check`]; the image is then removed.
    pub fn prove(self, label: &str, expected: &Expectation, received: &Received) -> Result<Proven> {
        expected.check(label, received)?;
        Ok(Proven(self.0))
    }

    /// Takes what the caller gave us as it is: its own bytes need no proof.
    #[must_use]
    pub fn accept_local(self) -> Proven {
        Proven(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_digest_is_refused_by_name() {
        let received = Received {
            sha256: [1; 32],
            bytes: 3,
        };
        let expected = Expectation::Digest {
            sha256: [2; 32],
            said_by: "SHA256SUMS".into(),
        };
        let error = expected.check("http://h/x", &received).unwrap_err();
        assert_eq!(error.kind, Kind::Corrupt);
        assert!(error.doing.contains("SHA256SUMS") && error.doing.contains("0101"));
        assert!(Expectation::Nothing.check("x", &received).is_ok());
    }
}
