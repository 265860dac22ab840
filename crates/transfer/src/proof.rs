//! What a download must prove, and what it is to be proven.
//!
//! [`Staged`] is complete but hidden; only [`Staged::prove`] and [`Staged::accept_local`] make it
//! [`Proven`], and only a [`Proven`] thing can be installed.

use crate::error::{Error, Result};
use crate::stage::digest::{Received, Wanted};
use importd_api::failure::Kind;
use importd_formats::checksums::Digest;
use importd_host::staging::Staging;
use std::fmt;
use std::sync::Arc;

/// What a body must turn out to be.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// Anything: verification is off.
    Nothing,
    /// Bytes with this digest.
    Digest {
        /// The digest.
        digest: Digest,
        /// Who says so, for messages.
        said_by: String,
    },
    /// Bytes that somebody looks at as a whole.
    Judged {
        /// Who looks at them.
        judge: Arc<dyn Judge>,
        /// Most bytes that they may be.
        bytes_max: u64,
    },
}

/// Says of whole bodies whether they are what they should be.
pub trait Judge: fmt::Debug + Send + Sync {
    /// Judges a body.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if it is not what it should be.
    fn judge(&self, bytes: &[u8]) -> Result<()>;
}

impl Expectation {
    /// What the digest stage must find out, so that the body can be checked.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        match self {
            Expectation::Nothing => Wanted {
                sha512: false,
                keep_max: None,
            },
            Expectation::Digest { digest, .. } => Wanted {
                sha512: matches!(digest, Digest::Sha512(_)),
                keep_max: None,
            },
            Expectation::Judged { bytes_max, .. } => Wanted {
                sha512: false,
                keep_max: Some(*bytes_max),
            },
        }
    }

    /// Compares what came with what was to come.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if it is something else; [`Kind::InvalidArgument`] if the digest stage was
    /// not told what is [wanted](Expectation::wanted).
    pub fn check(&self, label: &str, received: &Received) -> Result<()> {
        let unknown = || {
            let text = format!("Failed to check {label}: its bytes were not looked at as needed");
            Error::new(Kind::InvalidArgument, text)
        };
        match self {
            Expectation::Nothing => Ok(()),
            Expectation::Judged { judge, .. } => {
                judge.judge(received.kept.as_deref().ok_or_else(unknown)?)
            }
            Expectation::Digest { digest, said_by } => {
                let found = match digest {
                    Digest::Sha256(_) => Digest::Sha256(received.sha256),
                    Digest::Sha512(_) => Digest::Sha512(received.sha512.ok_or_else(unknown)?),
                };
                if found == *digest {
                    return Ok(());
                }
                let text = format!(
                    "{label} is not what {said_by} says: its {} digest is {found}, expected was \
                     {digest}; the file was damaged or changed on its way, or the list is stale",
                    digest.algorithm()
                );
                Err(Error::new(Kind::Corrupt, text))
            }
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

/// One of several downloads that make up an image.
#[derive(Debug)]
pub struct Part {
    /// What messages call it.
    pub label: String,
    /// What it must turn out to be.
    pub expected: Expectation,
    /// What it was.
    pub received: Received,
}

impl Staged {
    /// Proves what was put together of several downloads.
    ///
    /// # Errors
    /// As [`Expectation::check`], of the first that fails; [`Kind::InvalidArgument`] without any. The image
    /// is then removed.
    pub fn prove_parts(self, parts: &[Part]) -> Result<Proven> {
        if parts.is_empty() {
            let text = "Failed to check an image: it was made of nothing";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        for part in parts {
            part.expected.check(&part.label, &part.received)?;
        }
        Ok(Proven(self.0))
    }

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
            sha512: Some([1; 64]),
            kept: None,
            bytes: 3,
        };
        let expected = |digest| Expectation::Digest {
            digest,
            said_by: "SHA256SUMS".into(),
        };
        for (good, bad, algorithm) in [
            (Digest::Sha256([1; 32]), Digest::Sha256([2; 32]), "SHA-256"),
            (Digest::Sha512([1; 64]), Digest::Sha512([2; 64]), "SHA-512"),
        ] {
            assert!(expected(good).check("http://h/x", &received).is_ok());
            let error = expected(bad).check("http://h/x", &received).unwrap_err();
            assert_eq!(error.kind, Kind::Corrupt);
            for part in ["SHA256SUMS", "0101", algorithm] {
                assert!(error.doing.contains(part), "{}", error.doing);
            }
        }
        assert!(Expectation::Nothing.check("x", &received).is_ok());
    }

    #[test]
    fn what_was_not_looked_at_is_not_proven() {
        let received = Received {
            sha256: [1; 32],
            sha512: None,
            kept: None,
            bytes: 3,
        };
        let expected = Expectation::Digest {
            digest: Digest::Sha512([1; 64]),
            said_by: "SHA512SUMS".into(),
        };
        assert!(expected.wanted().sha512);
        let error = expected.check("x", &received).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidArgument);
    }
}
