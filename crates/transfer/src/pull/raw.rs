//! A disk image is downloaded.

use super::Request;
use super::keep;
use crate::context::Context;
use crate::destination::disk_name;
use crate::error::Result;
use crate::import::report_success;
use crate::sink::raw::{Bounds, Dress, Pour, RawSink, carry};
use importd_api::job::Local;

/// Pulls a disk image.
///
/// # Errors
/// By kind as the stages say; nothing is left then.
pub fn run(request: &Request, bounds: Bounds, context: &Context) -> Result<()> {
    request.begin(context)?;
    let (root, fetcher) = request.enter(context)?;
    let expected = request.expectation(&fetcher, context)?;
    let mut download = request.download(&fetcher, context)?;

    let pristine = keep::pristine_name(request, download.etag.as_deref(), &root);
    let local = match &request.local {
        Local::Named(name) => Some(disk_name(name)?),
        Local::Derived | Local::Pristine => None,
    };
    let file_name = local.as_ref().unwrap_or(&pristine);
    let sink = RawSink::create(&root.folder, file_name, Dress::fresh(context.umask))?;
    let pour = Pour {
        canvas: sink.canvas(),
        bounds,
        scratch: &root.folder,
        context,
        fits: &|_| Ok(()),
    };
    pour.stream(&mut download.body)
        .map_err(|error| request.failed_body(error))?;
    let received = request.received(download.pending, context)?;
    carry::note_origin(
        sink.canvas().fd(),
        &request.url.without_credentials(),
        download.etag.as_deref(),
        download.last_modified,
    );
    let staged = sink.seal()?;
    let proven = staged.prove(&request.url.to_string(), &expected, &received)?;
    let kept = keep::Kept { pristine, local };
    keep::install(proven, &kept, request, &root, context)?;
    report_success(context);
    Ok(())
}
