//! An archive is downloaded and becomes a tree.

use super::companions::Arrivals;
use super::kept::{self, Taken};
use super::room;
use super::{Case, Request};
use crate::context::Context;
use crate::error::Result;
use crate::sink::tree::{Limits, TreeSink};
use crate::source::ask::Ask;
use importd_api::job::Local;
use std::ffi::OsString;

/// Pulls an archive.
///
/// # Errors
/// By kind as the stages say; nothing is left then.
pub fn run(request: &Request, limits: Limits, context: &Context) -> Result<()> {
    request.pull(context, |case| fetch(request, limits, case, context))
}

fn fetch(request: &Request, limits: Limits, case: &Case<'_>, context: &Context) -> Result<()> {
    let Case {
        root,
        fetcher,
        turn,
        claims,
        expected,
    } = *case;
    let arrivals = Arrivals::fetch(request, claims, (fetcher, root), context)?;
    let local = match &request.local {
        Local::Named(name) => Some(OsString::from(name.as_str())),
        Local::Derived | Local::Pristine => None,
    };
    let need = kept::Need {
        expected,
        bytes_max: limits.bytes,
        entries_max: Some(limits.entries),
        is_unconverted: false,
    };
    let mut ask = |ask: Ask<'_>| turn.ask(fetcher, ask, context);
    let source: (kept::Asker<'_>, _) = (&mut ask, root);
    let fresh = match kept::fetch(request, &need, local.as_deref(), source, context)? {
        Taken::Kept(object) => return arrivals.install(&object, request, root, context),
        Taken::Bytes(fresh) => *fresh,
    };
    let from = (fetcher, turn, arrivals.share());
    let download = request.receive(fresh, expected, from, context)?;
    room::check(download.announced, request, root, context)?;

    let etag = download.version.etag.as_deref();
    let pristine = kept::pristine(&request.url, request.form, etag, &root.path);
    let name = local.as_ref().unwrap_or(&pristine);
    let sink = TreeSink::create(&root.folder, name, &request.target, context)?;
    let (staged, _) = sink
        .fill(download.body, limits, Some(download.packed))
        .map_err(|error| request.failed_body(error))?;
    let received = request.received(download.pending, context)?;
    let proven = staged.prove(&request.label(&download.origins), expected, &received)?;
    let kept = kept::Kept {
        pristine,
        local,
        expected,
        verdict: &claims.verdict(),
        version: &download.version,
        received: &received,
        is_unconverted: need.is_unconverted,
    };
    kept::install(proven, &kept, request, root, context)?;
    arrivals.install(&kept.pristine, request, root, context)
}
