//! Signatures: where they are looked for, and what they are worth.
//!
//! Beside `NAME.sha256` lie `NAME.sha256.asc`, `.gpg`, and so on. All that are there are looked at
//! until one is good; if none is, the first one's fault is told. What kind a signature is says the
//! file, not its name: OpenPGP, or minisign and signify. A clear-signed list brings its own.

use super::keys::{Refusal, Trust};
use super::lists::sibling;
use super::verdict::Signed;
use crate::error::{Error, Result};
use crate::source::remote::Fetcher;
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_formats::pgp::SIGNATURE_MAX;
use std::time::SystemTime;

/// Endings of signatures of lists of one file, in the order of the search. The first two are the
/// reference's.
const OF_FILE: [&str; 5] = [".asc", ".gpg", ".sign", ".minisig", ".sig"];
/// The same for lists of a folder.
const OF_FOLDER: [&str; 5] = [".gpg", ".asc", ".sign", ".minisig", ".sig"];

/// Whether a file of this name can only be the signature of a list: there is nothing that could
/// prove it.
pub(super) fn is_signature(name: &str) -> bool {
    let signed = OF_FILE.iter().find_map(|ending| name.strip_suffix(ending));
    signed.is_some_and(super::lists::is_list)
}

/// A signature file that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) url: Url,
    pub(super) bytes: Vec<u8>,
}

/// The signatures of a file that are there, in order; each is fetched when it is asked for.
pub(super) fn found<'a>(
    signed: &'a Url,
    is_own: bool,
    fetcher: &'a Fetcher,
) -> impl Iterator<Item = Result<Found>> {
    let endings = if is_own { OF_FILE } else { OF_FOLDER };
    endings.into_iter().filter_map(move |ending| {
        let name = format!("{}{ending}", signed.last_component().unwrap_or_default());
        let fetch = || {
            let url = sibling(signed, &name)?;
            let bytes = fetcher.get_small_optional(&url, SIGNATURE_MAX)?;
            Ok(bytes.map(|bytes| Found { url, bytes }))
        };
        fetch().transpose()
    })
}

/// The endings that were looked for, for messages.
pub(super) fn endings() -> String {
    OF_FILE.join(", ")
}

/// Judges a signature of a file.
///
/// # Errors
/// [`Kind::Corrupt`] if it does not prove it, with what can be done.
pub(super) fn judge(
    signature: &Found,
    (url, bytes): (&Url, &[u8]),
    trust: &Trust,
) -> Result<Signed> {
    let verdict = trust.keys.judge(signature, bytes, SystemTime::now());
    verdict.map_err(|refusal| refused(signature, url, trust, refusal))
}

/// Judges a clear-signed file; returns the text that was signed.
///
/// # Errors
/// As [`judge`].
pub(super) fn judge_clear(file: &Found, trust: &Trust) -> Result<(Signed, Vec<u8>)> {
    let verdict = trust.keys.judge_clear(file, SystemTime::now());
    verdict.map_err(|refusal| refused(file, &file.url, trust, refusal))
}

fn refused(signature: &Found, url: &Url, trust: &Trust, refusal: Refusal) -> Error {
    let advice = trust.keys.advice(&refusal);
    let what = match signature.url == *url {
        true => format!("The signature in {url} does not prove it"),
        false => format!("Signature {} does not prove {url}", signature.url),
    };
    Error::caused(Kind::Corrupt, format!("{what}{advice}"), refusal)
}
