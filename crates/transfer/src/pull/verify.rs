//! What a download would be proven by, without downloading it: `systemd-pull verify URL [FILE]`.

use super::evidence::claims::Claims;
use super::evidence::verdict::Verdict;
use super::{Request, USER_AGENT};
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::proof::Expectation;
use crate::source::remote::Fetcher;
use crate::stage::chunks::{Chunks, Copied, Reader};
use crate::stage::digest::{Digest, Received};
use crate::stage::meter::Meter;
use importd_formats::checksums;
use std::fs::File;
use std::path::PathBuf;

/// A file that is to be compared with what the download must be.
#[derive(Debug)]
pub struct Local {
    /// Its path, for messages.
    pub path: PathBuf,
    /// The file, opened before the cage closes.
    pub file: File,
}

/// What was found out.
#[derive(Debug)]
pub struct Findings {
    /// The evidence; `None` if it could not be had.
    pub verdict: Option<Verdict>,
    /// The digest that the download must have; `None` if there is none to have.
    pub digest: Option<checksums::Digest>,
    /// How many bytes the file that was compared has, if there was one and it was read.
    pub local_bytes: Option<u64>,
    /// Why the download, or the file, would be refused.
    pub refusal: Option<Error>,
}

impl Findings {
    /// That nothing could be found out.
    #[must_use]
    pub const fn nothing(refusal: Error) -> Self {
        Self {
            verdict: None,
            digest: None,
            local_bytes: None,
            refusal: Some(refusal),
        }
    }
}

/// Fetches lists and signatures, judges them, and compares the file if there is one. A file that is
/// proven by its own signature is small, and is fetched if it is not here.
///
/// # Errors
/// When the cage cannot be closed or the network cannot be set up. That the download would be
/// refused is a finding.
pub fn run(request: &Request, local: Option<Local>, context: &Context) -> Result<Findings> {
    cage::enter_verify(request, context)?;
    let fetcher = Fetcher::new(&request.url, USER_AGENT, &request.network, context)?;
    let mut findings = Findings {
        verdict: None,
        digest: None,
        local_bytes: None,
        refusal: None,
    };
    findings.refusal = find(request, local, (&fetcher, context), &mut findings).err();
    match findings.refusal {
        Some(error) if error.kind == importd_api::failure::Kind::Cancelled => Err(error),
        refusal => Ok(Findings {
            refusal,
            ..findings
        }),
    }
}

fn find(
    request: &Request,
    local: Option<Local>,
    (fetcher, context): (&Fetcher, &Context),
    findings: &mut Findings,
) -> Result<()> {
    let claims = Claims::judge(request, fetcher, &context.report)?;
    findings.verdict = Some(claims.verdict());
    let expected = claims.expect_image()?;
    if let Expectation::Digest { digest, .. } = &expected {
        findings.digest = Some(*digest);
    }
    let result = match (local, &expected) {
        (Some(local), _) => {
            let label = format!("File '{}'", local.path.display());
            let received = read(Copied::new(local.file), &expected, &label, context)?;
            findings.local_bytes = Some(received.bytes);
            expected.check(&label, &received)
        }
        (None, Expectation::Judged { .. }) => {
            let label = request.url.to_string();
            let body = fetcher.get(&request.url)?.body;
            expected.check(&label, &read(body, &expected, &label, context)?)
        }
        (None, Expectation::Nothing | Expectation::Digest { .. }) => Ok(()),
    };
    findings.verdict = Some(claims.verdict());
    result
}

/// Reads a source to its end for what the expectation wants to know of it.
fn read(
    source: impl Chunks,
    expected: &Expectation,
    label: &str,
    context: &Context,
) -> Result<Received> {
    let failed = || format!("Failed to read {label}");
    let meter = Meter::new(source, context.cancel.clone(), Box::new(|_bytes| {}));
    let (digest, pending) = Digest::with(meter, expected.wanted()).doing(failed)?;
    std::io::copy(&mut Reader::new(digest), &mut std::io::sink()).doing(failed)?;
    pending.finish().doing(failed)
}
