//! The files beside a download that say what it must be: checksum list and signature.
//!
//! Looked for in this order: `NAME.sha256`, then `SHA256SUMS`; a signature of that list under
//! `NAME.sha256.asc` and `.gpg`, or `SHA256SUMS.gpg` and `.asc`. A `NAME.sha256` without a signature of its own may be covered by the
//! signed `SHA256SUMS`, if that says the same. Clear-signed lists are not taken, as in the reference.

use super::Request;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::proof::Expectation;
use crate::source::remote::Fetcher;
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_api::verify::Verify;
use importd_formats::checksums::{CHECKSUMS_MAX, List};
use importd_formats::pgp::{self, SIGNATURE_MAX};
use std::time::SystemTime;

/// The list of a whole folder.
const FOLDER_LIST: &str = "SHA256SUMS";

/// A checksum file that was found.
struct Found {
    url: Url,
    bytes: Vec<u8>,
    /// Belongs to this one image only.
    is_own: bool,
}

/// Fetches and judges what the body must turn out to be.
///
/// # Errors
/// [`Kind::Corrupt`] for a list without the file, a damaged list, a missing or bad signature;
/// [`Kind::HttpNotFound`] without a list; what the network says.
pub(super) fn expectation(
    request: &Request,
    fetcher: &Fetcher,
    context: &Context,
) -> Result<Expectation> {
    match request.verify {
        Verify::No => Ok(Expectation::Nothing),
        Verify::Digest(sha256) => Ok(Expectation::Digest {
            sha256,
            said_by: "--verify=".into(),
        }),
        Verify::Checksum => {
            let list = fetch_list(request, fetcher)?;
            digest_in(&list, Bare::Taken, request)
        }
        Verify::Signature => signed(request, fetcher, context),
    }
}

fn signed(request: &Request, fetcher: &Fetcher, context: &Context) -> Result<Expectation> {
    let list = fetch_list(request, fetcher)?;
    if let Some((url, signature)) = fetch_signature(&list, fetcher)? {
        judge(request, (&url, &signature), &list, context)?;
        return digest_in(&list, Bare::Refused, request);
    }
    if list.is_own
        && let Some(folder_list) = fetch(&sibling(request, FOLDER_LIST)?, false, fetcher)?
        && let Some((url, signature)) = fetch_signature(&folder_list, fetcher)?
    {
        judge(request, (&url, &signature), &folder_list, context)?;
        return digest_in(&folder_list, Bare::Refused, request);
    }
    Err(Error::new(
        Kind::Corrupt,
        format!(
            "No signature of {} was found (looked for .asc and .gpg beside it); \
             --verify=checksum does without one, if you trust the server and the way to it",
            list.url
        ),
    ))
}

fn fetch_list(request: &Request, fetcher: &Fetcher) -> Result<Found> {
    let own = match request.url.last_component() {
        Some(last) => fetch(&sibling(request, &format!("{last}.sha256"))?, true, fetcher)?,
        None => None,
    };
    let found = match own {
        Some(found) => Some(found),
        None => fetch(&sibling(request, FOLDER_LIST)?, false, fetcher)?,
    };
    found.ok_or_else(|| {
        let text = format!(
            "No checksum file for {} was found (looked for its name with .sha256, and for \
             {FOLDER_LIST}); --verify=no does without one",
            request.url
        );
        Error::new(Kind::HttpNotFound, text)
    })
}

fn fetch(url: &Url, is_own: bool, fetcher: &Fetcher) -> Result<Option<Found>> {
    let bytes = fetcher.get_small_optional(url, CHECKSUMS_MAX)?;
    Ok(bytes.map(|bytes| Found {
        url: url.clone(),
        bytes,
        is_own,
    }))
}

fn fetch_signature(list: &Found, fetcher: &Fetcher) -> Result<Option<(Url, Vec<u8>)>> {
    let endings = match list.is_own {
        true => ["asc", "gpg"],
        false => ["gpg", "asc"],
    };
    let name = list.url.last_component().unwrap_or(FOLDER_LIST);
    for ending in endings {
        let url = list
            .url
            .sibling(&format!("{name}.{ending}"))
            .map_err(|error| {
                Error::caused(Kind::InvalidArgument, "Failed to build a URL", error)
            })?;
        if let Some(bytes) = fetcher.get_small_optional(&url, SIGNATURE_MAX)? {
            return Ok(Some((url, bytes)));
        }
    }
    Ok(None)
}

fn judge(
    request: &Request,
    (url, signature): (&Url, &[u8]),
    list: &Found,
    context: &Context,
) -> Result<()> {
    let empty = pgp::Keyring::new();
    let keyring = request.keyring.as_ref().unwrap_or(&empty);
    let verdict = pgp::verify(keyring, signature, &list.bytes, SystemTime::now());
    let verdict = verdict.map_err(|error| {
        let text = format!(
            "Signature {url} does not prove {}; keys belong into \
             /etc/systemd/import-pubring.pgp",
            list.url
        );
        Error::caused(Kind::Corrupt, text, error)
    })?;
    for notice in &verdict.notices {
        context.report.notice(notice);
    }
    context.report.info(format!(
        "Signature {url} is good: made by {} ({}) of {}.",
        verdict.user_id.as_deref().unwrap_or("an unnamed key"),
        verdict.fingerprint,
        verdict.keyring
    ));
    Ok(())
}

/// What a list of one digest without a name is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    /// It is that of the file it lies beside.
    Taken,
    /// Nothing: its signature says nothing of which file is meant.
    Refused,
}

fn digest_in(list: &Found, bare: Bare, request: &Request) -> Result<Expectation> {
    let name = request.url.last_component().unwrap_or("");
    let failed = |error| {
        let text = format!("Failed to read checksum file {}", list.url);
        Error::caused(Kind::Corrupt, text, error)
    };
    let parsed = List::parse(&list.bytes).map_err(failed)?;
    let found = parsed.digest(name.as_bytes()).map_err(failed)?;
    let digest = match found {
        None if list.is_own && bare == Bare::Taken => parsed.bare_digest(),
        found => found,
    };
    match digest {
        Some(digest) => Ok(Expectation::Digest {
            sha256: digest.0,
            said_by: list.url.to_string(),
        }),
        None => Err(Error::new(
            Kind::Corrupt,
            format!(
                "Checksum file {} does not list '{name}'; --verify=no does without it",
                list.url
            ),
        )),
    }
}

fn sibling(request: &Request, name: &str) -> Result<Url> {
    request.url.sibling(name).map_err(|error| {
        let text = format!("Failed to build the URL of '{name}'");
        Error::caused(Kind::InvalidArgument, text, error)
    })
}
