//! Signatures of minisign(1) and signify(1) → verdict.
//!
//! Both are lines of text; the base64 ones hold, one after another:
//!
//! | file | line | bytes |
//! |---|---|---|
//! | key | 1: `untrusted comment: …` | – |
//! | | 2 | algorithm `Ed`, number (8), Ed25519 key (32) |
//! | signature | 1: `untrusted comment: …` | – |
//! | | 2 | algorithm, number of the key (8), signature (64) |
//! | | 3: `trusted comment: …`, not signify | – |
//! | | 4, not signify | signature (64) of the one in line 2 and of the text of line 3 |
//!
//! Algorithm `Ed` signs the file, `ED` (minisign only) its BLAKE2b-512 digest. A trusted comment is
//! part of what is proven, and must be proven where it stands; an untrusted one is worth nothing in
//! a signature, and what the administrator wrote in a key file.
//!
//! # Source
//! minisign(1), "Signature format" and "Public key format"; signify(1).

mod keys;
mod signature;

pub use keys::{KEY_MAX, Keys};
pub use signature::{MINISIGN_MAX, is_signature, verify};

/// How the first line of keys and signatures begins.
const UNTRUSTED: &str = "untrusted comment:";
/// Signs the file itself.
const PLAIN: [u8; 2] = *b"Ed";
/// Signs the BLAKE2b-512 digest of the file.
const HASHED: [u8; 2] = *b"ED";

/// A good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Number of the key, 16 hexadecimal digits as minisign(1) writes them.
    pub key_id: String,
    /// The comment in the key file.
    pub key_comment: Option<String>,
    /// The key file.
    pub key_file: String,
    /// The comment that was signed too.
    pub trusted_comment: Option<String>,
    /// When it was made, in seconds since 1970, if the trusted comment says.
    pub created: Option<u64>,
}

/// Why a signature proves nothing, or a file is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no signature.
    #[error("The signature file is damaged, or no minisign or signify signature")]
    Malformed,
    /// The signed text follows the signature.
    #[error("The file is a signed text, a detached signature is needed")]
    Embedded,
    /// It is no key.
    #[error("'{0}' is no public key of minisign or signify")]
    NotAKey(String),
    /// The signing key is not trusted.
    #[error("It was made by minisign or signify key {0}, which is in no key file")]
    UnknownKey(String),
    /// The signature is not one of this document.
    #[error(
        "The signature by key {0} is bad: the signed file was changed, or another one was signed"
    )]
    Bad(String),
    /// The trusted comment is not the one that was signed.
    #[error("The trusted comment in the signature by key {0} was changed")]
    BadComment(String),
}

/// The number of a key as minisign(1) writes it: a little-endian number.
fn key_id(number: [u8; 8]) -> String {
    format!("{:016X}", u64::from_le_bytes(number))
}
