//! The certificates that are trusted.

use super::Error;
use pgp::composed::{PublicOrSecret, SignedPublicKey};
use std::io::Cursor;

/// Largest keyring file, in bytes. The distributions' together are under 1 MiB.
pub const KEYRING_MAX: u64 = 16 << 20;
/// Most certificates of one file.
const CERTIFICATES_MAX: usize = 10_000;
/// How an armored certificate begins.
const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Trusted certificates, and where each comes from.
#[derive(Debug, Default)]
pub struct Keyring(pub(super) Vec<Trusted>);

/// A certificate and the file in which it lies.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) certificate: SignedPublicKey,
    pub(super) file: String,
}

impl Keyring {
    /// An empty keyring.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the certificates of a file, binary or armored, several armored ones one after another
    /// too. What cannot be read in it is left out. Returns how many were added.
    ///
    /// # Errors
    /// [`Error::NoCertificate`] if there was none.
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<usize, Error> {
        let before = self.0.len();
        for part in parts(bytes) {
            let Ok((keys, _)) = PublicOrSecret::from_reader_many(Cursor::new(part)) else {
                continue;
            };
            let readable = keys.take(CERTIFICATES_MAX).filter_map(Result::ok);
            // A secret key is no certificate, wherever it lies.
            let public = readable.filter_map(|key| SignedPublicKey::try_from(key).ok());
            self.0.extend(public.map(|certificate| Trusted {
                certificate,
                file: file.to_owned(),
            }));
        }
        match self.0.len().saturating_sub(before) {
            0 => Err(Error::NoCertificate(file.to_owned())),
            added => Ok(added),
        }
    }
}

/// The armored blocks of a file, or the file itself if it is binary.
fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = bytes
        .windows(ARMOR.len())
        .enumerate()
        .filter(|(_, window)| *window == ARMOR)
        .map(|(start, _)| start)
        .take(CERTIFICATES_MAX)
        .collect();
    if starts.is_empty() {
        return vec![bytes];
    }
    starts.push(bytes.len());
    starts
        .windows(2)
        .filter_map(|pair| match pair {
            [start, end] => bytes.get(*start..*end),
            _ => None,
        })
        .collect()
}
