//! A disk image is downloaded.

use super::companions::Arrivals;
use super::kept::{self, Taken, Version};
use super::partial::Turn;
use super::room;
use super::{Body, Case, Download, Request};
use crate::context::Context;
use crate::destination::disk_name;
use crate::error::{Doing, Result};
use crate::proof::{Expectation, Proven};
use crate::sink::raw::{Bounds, Dress, Pour, RawSink, carry};
use crate::source::ask::Ask;
use crate::stage::digest::Received;
use importd_api::job::Local;
use importd_host::dir::Dir;
use std::ffi::OsString;

/// Pulls a disk image.
///
/// # Errors
/// By kind as the stages say; nothing is left then.
pub fn run(request: &Request, bounds: Bounds, context: &Context) -> Result<()> {
    request.pull(context, |case| fetch(request, bounds, case, context))
}

fn fetch(request: &Request, bounds: Bounds, case: &Case<'_>, context: &Context) -> Result<()> {
    let Case {
        root,
        fetcher,
        turn,
        claims,
        expected,
    } = *case;
    let arrivals = Arrivals::fetch(request, claims, (fetcher, root), context)?;
    let local = file_name(request)?;
    let need = kept::Need {
        expected,
        bytes_max: bounds.size_max,
        entries_max: None,
        is_unconverted: bounds.format.is_some(),
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
    let file_name = local.as_ref().unwrap_or(&pristine);
    let sink = RawSink::create(&root.folder, file_name, Dress::fresh(context.umask))?;
    let place = (sink, &root.folder, turn);
    let (proven, received, version) = fill(request, download, place, (expected, bounds), context)?;
    let kept = kept::Kept {
        pristine,
        local,
        expected,
        verdict: &claims.verdict(),
        version: &version,
        received: &received,
        is_unconverted: need.is_unconverted,
    };
    kept::install(proven, &kept, request, root, context)?;
    arrivals.install(&kept.pristine, request, root, context)
}

/// Fills a hidden file in a folder with a download, whose turn it is, and proves it.
pub(super) fn fill(
    request: &Request,
    mut download: Download,
    (mut sink, folder, turn): (RawSink, &Dir, &Turn<'_>),
    (expected, bounds): (&Expectation, Bounds),
    context: &Context,
) -> Result<(Proven, Received, Version)> {
    // Told in the end: other servers may come in on the way.
    let label = || request.label(&download.origins);
    let body = Body::new(download.pending, request, context);
    let is_plain = download.plain_length.is_some();
    let pour = Pour {
        begins: &|| {
            if is_plain {
                turn.keep_in(sink.staging(), context);
            }
        },
        complete: &|| expected.check(&label(), &body.received()?),
        ..Pour::new(sink.canvas(), bounds, Some(folder), context)
    };
    pour.stream(&mut download.body)
        .map_err(|error| request.failed_body(error))?;
    let received = body.received()?;
    if turn.holds_image() {
        // While it is kept: who is killed in a long flush does not lose what is proven.
        expected.check(&label(), &received)?;
        if request.target.sync {
            rustix::fs::fsync(sink.canvas().fd())
                .doing(|| "Failed to flush the image file".into())?;
        }
        if !turn.take_back(sink.staging(), context)? {
            sink = sink.remade(context)?;
        }
    }
    carry::note_origin(
        sink.canvas().fd(),
        &request.url.without_credentials(),
        download.version.etag.as_deref(),
        download.version.last_modified,
    );
    let proven = sink.seal()?.prove(&label(), expected, &received)?;
    Ok((proven, received, download.version))
}

/// What the image is to be called; `None` if the download is only to be kept.
fn file_name(request: &Request) -> Result<Option<OsString>> {
    match &request.local {
        Local::Named(name) => disk_name(name).map(Some),
        Local::Derived | Local::Pristine => Ok(None),
    }
}
