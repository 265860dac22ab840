//! The certificates that are trusted.

use super::{Error, armor};
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::{Packet, PacketParser};

/// Largest keyring file, in bytes. The distributions' together are under 1 MiB.
pub const KEYRING_MAX: u64 = 16 << 20;
/// Most certificates of one file.
const CERTIFICATES_MAX: usize = 10_000;
/// Most packets of one file: a key with thousands of signatures of others is not unheard of.
const PACKETS_MAX: usize = 1_000_000;
/// How GnuPG's own database of keys begins, and where (kbx, "Standard first record").
const KEYBOX: &[u8] = b"KBXf";
const KEYBOX_AT: usize = 8;
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
    /// too. What cannot be read in it is left out, and what GnuPG notes in its own keyrings. Returns
    /// how many were added.
    ///
    /// # Errors
    /// [`Error::NoCertificate`] if there was none, [`Error::Keybox`] for GnuPG's own database.
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<usize, Error> {
        if bytes
            .get(KEYBOX_AT..)
            .is_some_and(|rest| rest.starts_with(KEYBOX))
        {
            return Err(Error::Keybox(file.to_owned()));
        }
        let before = self.0.len();
        for part in armor::parts(bytes, ARMOR) {
            let found = certificates(&part).take(CERTIFICATES_MAX);
            self.0.extend(found.map(|certificate| Trusted {
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

/// The certificates in binary data: each is a public key and what follows it, up to the next one. A
/// secret key is no certificate, wherever it lies.
fn certificates(bytes: &[u8]) -> impl Iterator<Item = SignedPublicKey> {
    let mut groups: Vec<Vec<Packet>> = Vec::new();
    let mut is_inside = false;
    for packet in PacketParser::new(bytes).take(PACKETS_MAX) {
        match packet {
            Ok(packet @ Packet::PublicKey(_)) => {
                is_inside = true;
                groups.push(vec![packet]);
            }
            Ok(Packet::SecretKey(_)) => is_inside = false,
            // Notes of GnuPG, and fillers.
            Ok(Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_)) | Err(_) => {}
            Ok(packet) => {
                if let Some(group) = groups.last_mut().filter(|_| is_inside) {
                    group.push(packet);
                }
            }
        }
    }
    groups.into_iter().filter_map(|group| {
        let packets = group.into_iter().map(Ok).peekable();
        SignedPublicKey::from_packets(packets).next()?.ok()
    })
}
