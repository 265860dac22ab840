//! Judges a detached signature.

use super::clear::is_clear_signed;
use super::keyring::{Keyring, Trusted};
use super::{Error, Verdict, armor, policy};
use pgp::composed::{Deserializable, DetachedSignature};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, VerifyingKey};
use std::time::{Duration, SystemTime};

/// Largest signature file, in bytes: room for some hundred signatures.
pub const SIGNATURE_MAX: u64 = 1 << 20;
/// Most signatures of one file; each costs a public-key operation for every key it names.
const SIGNATURES_MAX: usize = 64;
/// How far clocks may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 60 * 60);
/// How an armored signature begins.
pub(super) const ARMOR: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// Judges a file of detached signatures, binary or armored: one good signature by a trusted key is
/// enough.
///
/// # Errors
/// [`Error`] by reason; of several failed signatures the most telling one.
pub fn verify(
    keyring: &Keyring,
    signature: &[u8],
    data: &[u8],
    now: SystemTime,
) -> Result<Verdict, Error> {
    if signature.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::Empty);
    }
    if is_clear_signed(signature) {
        return Err(Error::ClearSigned);
    }
    if keyring.is_empty() {
        return Err(Error::NoKeys);
    }
    one_good(keyring, &parse(signature)?, data, now)
}

/// The verdict on the first good one of several signatures. Of the others only those are told that
/// say more than that somebody else signed too.
///
/// # Errors
/// As [`verify`].
pub(super) fn one_good(
    keyring: &Keyring,
    signatures: &[Signature],
    data: &[u8],
    now: SystemTime,
) -> Result<Verdict, Error> {
    let mut good: Option<Verdict> = None;
    let mut errors = Vec::new();
    for signature in signatures {
        match judge(keyring, signature, data, now) {
            Ok(verdict) => good = good.or(Some(verdict)),
            Err(error) => errors.push(error),
        }
    }
    if let Some(mut verdict) = good {
        errors.retain(|error| !matches!(error, Error::UnknownKey(_)));
        verdict.notices.extend(
            errors
                .iter()
                .map(|error| format!("Another signature in the file does not count: {error}.")),
        );
        return Ok(verdict);
    }
    let mut worst = None;
    for error in errors {
        let is_heavier = |old: &Error| error.weight() > old.weight();
        if worst.as_ref().is_none_or(is_heavier) {
            worst = Some(error);
        }
    }
    Err(worst.unwrap_or(Error::Malformed))
}

/// The signatures of a file, binary or armored.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooMany`].
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Signature>, Error> {
    let mut signatures = Vec::new();
    for part in armor::parts(bytes, ARMOR) {
        let Ok(found) = DetachedSignature::from_bytes_many(part.as_ref()) else {
            continue;
        };
        // One that this library does not know must not hide the others.
        let found = found.take(SIGNATURES_MAX.saturating_add(1));
        signatures.extend(found.filter_map(Result::ok).map(|one| one.signature));
        if signatures.len() > SIGNATURES_MAX {
            return Err(Error::TooMany(SIGNATURES_MAX));
        }
    }
    match signatures.is_empty() {
        true => Err(Error::Malformed),
        false => Ok(signatures),
    }
}

/// Which key of a certificate.
#[derive(Clone, Copy)]
enum Which {
    Primary,
    Subkey(usize),
}

fn judge(
    keyring: &Keyring,
    signature: &Signature,
    data: &[u8],
    now: SystemTime,
) -> Result<Verdict, Error> {
    let candidates = candidates(keyring, signature);
    if candidates.is_empty() {
        return Err(Error::UnknownKey(issuer(signature)));
    }
    let mut worst = Error::UnknownKey(issuer(signature));
    for (trusted, which) in candidates {
        let result = match which {
            Which::Primary => by_key(
                trusted,
                &trusted.certificate.primary_key,
                which,
                (signature, data),
                now,
            ),
            Which::Subkey(index) => match trusted.certificate.public_subkeys.get(index) {
                Some(subkey) => by_key(trusted, &subkey.key, which, (signature, data), now),
                None => continue,
            },
        };
        match result {
            Ok(verdict) => return Ok(verdict),
            Err(error) if error.weight() > worst.weight() => worst = error,
            Err(_) => {}
        }
    }
    Err(worst)
}

/// The keys that a signature says it was made by.
fn candidates<'a>(keyring: &'a Keyring, signature: &Signature) -> Vec<(&'a Trusted, Which)> {
    let names = |key: &dyn KeyDetails| {
        let fingerprints = signature.issuer_fingerprint();
        if fingerprints.is_empty() {
            let id = key.legacy_key_id();
            return signature.issuer_key_id().contains(&&id);
        }
        fingerprints.contains(&&key.fingerprint())
    };
    let mut found = Vec::new();
    for trusted in &keyring.0 {
        if names(&trusted.certificate.primary_key) {
            found.push((trusted, Which::Primary));
        }
        for (index, subkey) in trusted.certificate.public_subkeys.iter().enumerate() {
            if names(&subkey.key) {
                found.push((trusted, Which::Subkey(index)));
            }
        }
    }
    found
}

fn by_key(
    trusted: &Trusted,
    key: &impl VerifyingKey,
    which: Which,
    (signature, data): (&Signature, &[u8]),
    now: SystemTime,
) -> Result<Verdict, Error> {
    let key_id = key.legacy_key_id().to_string();
    if !matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    ) {
        return Err(Error::WrongType(key_id));
    }
    check_digest(signature, &key_id)?;
    if !policy::is_supported(key) {
        return Err(Error::UnknownAlgorithm(key_id));
    }
    if !policy::is_strong(key) {
        return Err(Error::WeakKey(key_id));
    }
    if signature.verify(key, data).is_err() {
        return Err(Error::Bad(key_id));
    }
    let life = match which {
        Which::Primary => {
            policy::primary_may_sign(&trusted.certificate)?;
            policy::primary(&trusted.certificate)?
        }
        Which::Subkey(index) => policy::subkey(&trusted.certificate, index)?,
    };
    let created = signature
        .created()
        .map(|time| time.as_secs())
        .ok_or_else(|| Error::OutOfTime(key_id.clone()))?;
    let notices = check_times(signature, &key_id, u64::from(created), (life, now))?;
    let user_id = trusted.certificate.details.users.first();
    Ok(Verdict {
        fingerprint: trusted.certificate.primary_key.fingerprint().to_string(),
        user_id: user_id.map(|user| String::from_utf8_lossy(user.id.id()).into_owned()),
        keyring: trusted.file.clone(),
        key_id,
        created,
        notices,
    })
}

fn check_digest(signature: &Signature, key_id: &str) -> Result<(), Error> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => Ok(()),
        other => Err(Error::WeakDigest {
            key_id: key_id.to_owned(),
            digest: other.map_or_else(|| "an unknown digest".into(), |digest| digest.to_string()),
        }),
    }
}

fn check_times(
    signature: &Signature,
    key_id: &str,
    created: u64,
    (life, now): (policy::Life, SystemTime),
) -> Result<Vec<String>, Error> {
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let latest = now.saturating_add(CLOCK_SKEW).as_secs();
    if created > latest || created < life.begin {
        return Err(Error::OutOfTime(key_id.to_owned()));
    }
    let ends = signature
        .signature_expiration_time()
        .map(|lasts| created.saturating_add(u64::from(lasts.as_secs())))
        .filter(|end| *end > created);
    if ends.is_some_and(|end| end < now.as_secs()) || life.end.is_some_and(|end| created > end) {
        return Err(Error::Expired(key_id.to_owned()));
    }
    let mut notices = Vec::new();
    if life.end.is_some_and(|end| end < now.as_secs()) {
        notices.push(format!(
            "Key {key_id} has expired since it made this signature."
        ));
    }
    Ok(notices)
}

fn issuer(signature: &Signature) -> String {
    let ids = signature.issuer_key_id();
    let fingerprints = signature.issuer_fingerprint();
    ids.first()
        .map(ToString::to_string)
        .or_else(|| fingerprints.first().map(ToString::to_string))
        .unwrap_or_else(|| "without a number".into())
}
