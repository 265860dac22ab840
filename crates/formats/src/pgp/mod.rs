//! OpenPGP signatures, detached ones and those of clear-signed texts → verdict.
//!
//! The cryptography is the `pgp` crate's; what is trusted is decided here. A certificate is trusted
//! because it lies in the keyring file, which only the administrator or the distribution writes; its
//! own signatures only say which subkeys belong to it, until when, and whether it was revoked.
//!
//! | rule | because |
//! |---|---|
//! | signatures of types 0x00 and 0x01 only | others do not speak of a document |
//! | data digests of SHA-256 and up only | MD5 and SHA-1 collide |
//! | RSA and DSA keys of 2048 bits and up | shorter ones can be broken |
//! | self-signatures may use SHA-1 | the key is trusted by its place; most distribution keys have no other |
//! | revoked keys and subkeys are refused | that is what revoking is for |
//! | a signature made while its key was valid stays good, with a notice | releases outlive keys |
//! | one made after the key's end, or in the future, is refused | only a thief makes those |
//! | a primary key that says it only certifies signs nothing | its owner says so |
//! | a signing subkey needs its primary key's binding, and its own of the primary key | nobody may adopt a key |
//! | one good signature of several is enough | releases are signed by old and new keys |
//!
//! # Source
//! RFC 9580; gpgv(1) for what the same files are worth to others.

mod armor;
mod clear;
mod keyring;
mod policy;
mod signature;

pub use clear::{is_clear_signed, verify_clear_signed};
pub use keyring::{KEYRING_MAX, Keyring};
pub use signature::{SIGNATURE_MAX, verify};

/// A good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Number of the signing key, 16 hexadecimal digits.
    pub key_id: String,
    /// Fingerprint of the certificate's primary key.
    pub fingerprint: String,
    /// First name in the certificate.
    pub user_id: Option<String>,
    /// The keyring file in which it lies.
    pub keyring: String,
    /// When the signature was made, in seconds since 1970.
    pub created: u32,
    /// What is worth telling although it is good.
    pub notices: Vec<String>,
}

/// Why a signature proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is in the file.
    #[error("The signature file is empty")]
    Empty,
    /// It is a signed text, not a signature of another file.
    #[error("The file is a signed text, a detached signature is needed")]
    ClearSigned,
    /// It is no OpenPGP data.
    #[error("The signature file is damaged, or no OpenPGP signature")]
    Malformed,
    /// More signatures than anybody makes.
    #[error("The signature file holds more than {0} signatures")]
    TooMany(usize),
    /// A keyring file that holds no key.
    #[error("Keyring '{0}' holds no usable key")]
    NoCertificate(String),
    /// GnuPG's own database of keys.
    #[error("'{0}' is GnuPG's own key database, not a keyring; write it out with 'gpg --export'")]
    Keybox(String),
    /// The keyrings are empty.
    #[error("There is no key to check the signature with")]
    NoKeys,
    /// None of the signing keys is trusted.
    #[error("It was made by key {0}, which is in no keyring")]
    UnknownKey(String),
    /// The signature is not one of this document.
    #[error(
        "The signature by key {0} is bad: the signed file was changed, or another one was signed"
    )]
    Bad(String),
    /// The digest of the data can be forged.
    #[error("The signature by key {key_id} uses {digest}, which is too weak")]
    WeakDigest {
        /// The signing key.
        key_id: String,
        /// The digest.
        digest: String,
    },
    /// The key can be broken.
    #[error("Key {0} is too short to be trusted")]
    WeakKey(String),
    /// The key is of a kind that cannot be checked here.
    #[error("Key {0} is of an algorithm or curve that is not supported")]
    UnknownAlgorithm(String),
    /// The key was revoked.
    #[error("Key {0} was revoked")]
    Revoked(String),
    /// The key had ended before the signature was made, or the signature itself has ended.
    #[error("The signature by key {0} was made after the key expired, or has expired itself")]
    Expired(String),
    /// The signature is from the future, or older than its key.
    #[error("The signature by key {0} is dated outside the key's life or in the future")]
    OutOfTime(String),
    /// A signature of something else than a document.
    #[error("The signature by key {0} is not one of a document")]
    WrongType(String),
    /// A subkey that its primary key does not own, or not for signing.
    #[error("Key {0} is not bound to its certificate for signing")]
    Unbound(String),
}

impl Error {
    /// How much an error tells when several signatures fail: the largest is shown.
    const fn weight(&self) -> u8 {
        match self {
            Error::Bad(_) => 9,
            Error::Revoked(_) => 8,
            Error::Expired(_) => 7,
            Error::OutOfTime(_) => 6,
            Error::WeakDigest { .. } | Error::WeakKey(_) | Error::UnknownAlgorithm(_) => 5,
            Error::Unbound(_) => 4,
            Error::WrongType(_) => 3,
            Error::UnknownKey(_) => 2,
            Error::Empty
            | Error::ClearSigned
            | Error::Malformed
            | Error::TooMany(_)
            | Error::NoCertificate(_)
            | Error::Keybox(_)
            | Error::NoKeys => 1,
        }
    }
}
