//! A disk image is downloaded.

use super::Request;
use super::keep;
use crate::context::Context;
use crate::destination::disk_name;
use crate::error::{Error, Result};
use crate::import::report_success;
use crate::install::Root;
use crate::sink::raw::{Bounds, Dress, Pour, RawSink, carry};
use crate::source::remote::Fetcher;
use crate::stage::digest::{Pending, Received};
use importd_api::failure::Kind;
use importd_api::job::Local;
use std::sync::{Mutex, OnceLock};

/// Pulls a disk image.
///
/// # Errors
/// By kind as the stages say; nothing is left then.
pub fn run(request: &Request, bounds: Bounds, context: &Context) -> Result<()> {
    request.begin(context)?;
    let (root, fetcher) = request.enter(context)?;
    request.until_settled(context, || {
        fetch(request, bounds, (&root, &fetcher), context)
    })?;
    report_success(context);
    Ok(())
}

fn fetch(
    request: &Request,
    bounds: Bounds,
    (root, fetcher): (&Root, &Fetcher),
    context: &Context,
) -> Result<()> {
    let claims = request.claims(fetcher, context)?;
    let expected = claims.expect_image()?;
    let mut download = request.download(fetcher, &expected, context)?;

    let pristine = keep::pristine_name(request, download.etag.as_deref(), root);
    let local = match &request.local {
        Local::Named(name) => Some(disk_name(name)?),
        Local::Derived | Local::Pristine => None,
    };
    let file_name = local.as_ref().unwrap_or(&pristine);
    let sink = RawSink::create(&root.folder, file_name, Dress::fresh(context.umask))?;
    let label = request.url.to_string();
    let body = Body::new(download.pending, request, context);
    let pour = Pour {
        canvas: sink.canvas(),
        bounds,
        scratch: Some(&root.folder),
        context,
        fits: &|_| Ok(()),
        complete: &|| expected.check(&label, &body.received()?),
    };
    pour.stream(&mut download.body)
        .map_err(|error| request.failed_body(error))?;
    let received = body.received()?;
    carry::note_origin(
        sink.canvas().fd(),
        &request.url.without_credentials(),
        download.etag.as_deref(),
        download.last_modified,
    );
    let staged = sink.seal()?;
    let proven = staged.prove(&label, &expected, &received)?;
    let kept = keep::Kept { pristine, local };
    keep::install(proven, &kept, request, root, context)
}

/// A body that has come, or is coming; what it turned out to be is asked for once or twice.
struct Body<'a> {
    pending: Mutex<Option<Pending>>,
    received: OnceLock<Received>,
    request: &'a Request,
    context: &'a Context,
}

impl<'a> Body<'a> {
    fn new(pending: Pending, request: &'a Request, context: &'a Context) -> Self {
        Self {
            pending: Mutex::new(Some(pending)),
            received: OnceLock::new(),
            request,
            context,
        }
    }

    /// Waits for the digest of the body, which was read to its end.
    fn received(&self) -> Result<Received> {
        if let Some(received) = self.received.get() {
            return Ok(received.clone());
        }
        let pending = self.pending.lock().ok().and_then(|mut it| it.take());
        let ended = || Error::new(Kind::Io, "The digest of the download was lost");
        let received = self
            .request
            .received(pending.ok_or_else(ended)?, self.context)?;
        Ok(self.received.get_or_init(|| received).clone())
    }
}
