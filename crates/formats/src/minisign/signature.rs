//! Judges a signature.

use super::keys::{Keys, Trusted};
use super::{Error, HASHED, PLAIN, UNTRUSTED, Verdict, key_id};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest};
use ed25519_dalek::Signature;

/// Largest signature file, in bytes. minisign(1) writes comments of up to 9 KiB.
pub const MINISIGN_MAX: u64 = 16 << 10;
/// How the third line begins.
const TRUSTED: &str = "trusted comment: ";
/// The field of a trusted comment with the time, as minisign(1) writes it.
const TIMESTAMP: &str = "timestamp:";

/// What stands in a signature file.
struct Parsed<'a> {
    algorithm: [u8; 2],
    number: [u8; 8],
    signature: [u8; 64],
    /// The trusted comment and its signature.
    trusted: Option<(&'a str, [u8; 64])>,
}

/// Whether a file looks like such a signature, by its first line.
#[must_use]
pub fn is_signature(bytes: &[u8]) -> bool {
    bytes.starts_with(UNTRUSTED.as_bytes())
}

/// Judges a detached signature of data.
///
/// # Errors
/// [`Error`] by reason.
pub fn verify(keys: &Keys, signature: &[u8], data: &[u8]) -> Result<Verdict, Error> {
    let parsed = parse(signature)?;
    let id = key_id(parsed.number);
    let digest;
    let signed = match parsed.algorithm {
        HASHED => {
            digest = Blake2b512::digest(data);
            digest.as_slice()
        }
        _ => data,
    };
    let mut error = Error::UnknownKey(id.clone());
    for trusted in keys.0.iter().filter(|key| key.number == parsed.number) {
        match judge(trusted, &parsed, signed) {
            Ok(()) => return Ok(verdict(trusted, &parsed)),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}

fn judge(trusted: &Trusted, parsed: &Parsed<'_>, signed: &[u8]) -> Result<(), Error> {
    let id = || key_id(parsed.number);
    let is_good = |data: &[u8], signature: &[u8; 64]| {
        let signature = Signature::from_bytes(signature);
        trusted.key.verify_strict(data, &signature).is_ok()
    };
    if !is_good(signed, &parsed.signature) {
        return Err(Error::Bad(id()));
    }
    if let Some((comment, signature)) = &parsed.trusted {
        let signed = [&parsed.signature[..], comment.as_bytes()].concat();
        if !is_good(&signed, signature) {
            return Err(Error::BadComment(id()));
        }
    }
    Ok(())
}

fn verdict(trusted: &Trusted, parsed: &Parsed<'_>) -> Verdict {
    let comment = parsed.trusted.map(|(comment, _)| comment);
    let mut fields = comment.unwrap_or_default().split_ascii_whitespace();
    let time = fields.find_map(|field| field.strip_prefix(TIMESTAMP));
    Verdict {
        key_id: key_id(parsed.number),
        key_comment: trusted.comment.clone(),
        key_file: trusted.file.clone(),
        trusted_comment: comment.map(str::to_owned),
        created: time.and_then(|time| time.parse().ok()),
    }
}

fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_not_text| Error::Malformed)?;
    if text.len() as u64 > MINISIGN_MAX {
        return Err(Error::Malformed);
    }
    let mut lines = text.lines();
    let line = lines
        .next()
        .filter(|line| line.starts_with(UNTRUSTED))
        .and_then(|_| lines.next())
        .ok_or(Error::Malformed)?;
    let (algorithm, number, signature) = signature_line(line).ok_or(Error::Malformed)?;
    let trusted = match lines.next() {
        None => None,
        Some(line) => match line.strip_prefix(TRUSTED) {
            Some(comment) => {
                let signature = lines.next().and_then(sixty_four).ok_or(Error::Malformed)?;
                Some((comment, signature))
            }
            None if line.is_empty() => None,
            // signify -e writes the text itself behind its signature.
            None => return Err(Error::Embedded),
        },
    };
    if lines.any(|line| !line.trim().is_empty()) {
        return Err(Error::Malformed);
    }
    match (algorithm, &trusted) {
        (PLAIN, _) | (HASHED, Some(_)) => Ok(Parsed {
            algorithm,
            number,
            signature,
            trusted,
        }),
        // minisign never leaves the comment out.
        _ => Err(Error::Malformed),
    }
}

fn signature_line(line: &str) -> Option<([u8; 2], [u8; 8], [u8; 64])> {
    let decoded = STANDARD.decode(line.trim_end()).ok()?;
    let (algorithm, rest) = decoded.split_first_chunk::<2>()?;
    let (number, signature) = rest.split_first_chunk::<8>()?;
    Some((*algorithm, *number, signature.try_into().ok()?))
}

fn sixty_four(line: &str) -> Option<[u8; 64]> {
    STANDARD.decode(line.trim_end()).ok()?.try_into().ok()
}
