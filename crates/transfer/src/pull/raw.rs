//! A disk image is downloaded.

use super::companions::Arrivals;
use super::evidence::claims::Claims;
use super::kept::{self, Taken};
use super::partial::Turn;
use super::room;
use super::{Body, Request};
use crate::context::Context;
use crate::destination::disk_name;
use crate::error::Result;
use crate::import::report_success;
use crate::install::Root;
use crate::proof::Expectation;
use crate::sink::raw::{Bounds, Dress, Pour, RawSink, carry};
use crate::source::ask::Ask;
use crate::source::remote::Fetcher;
use importd_api::job::Local;

/// Pulls a disk image.
///
/// # Errors
/// By kind as the stages say; nothing is left then.
pub fn run(request: &Request, bounds: Bounds, context: &Context) -> Result<()> {
    request.begin(context)?;
    let (root, fetcher, store) = request.enter(context)?;
    request.until_settled(context, || {
        let claims = request.claims(&fetcher, context)?;
        let expected = claims.expect_image()?;
        let turn = Turn::take(store.as_ref(), request, context)?;
        let at = (&root, &fetcher, &turn);
        let result = fetch(request, bounds, at, (&claims, &expected), context);
        turn.end(&result, context);
        result
    })?;
    report_success(context);
    Ok(())
}

fn fetch(
    request: &Request,
    bounds: Bounds,
    (root, fetcher, turn): (&Root, &Fetcher, &Turn<'_>),
    (claims, expected): (&Claims, &Expectation),
    context: &Context,
) -> Result<()> {
    let arrivals = Arrivals::fetch(request, claims, (fetcher, root), context)?;
    let local = match &request.local {
        Local::Named(name) => Some(disk_name(name)?),
        Local::Derived | Local::Pristine => None,
    };
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
    let mut download = request.receive(fresh, expected, from, context)?;
    room::check(download.announced, request, root, context)?;

    let etag = download.version.etag.as_deref();
    let pristine = kept::pristine(&request.url, request.form, etag, &root.path);
    let file_name = local.as_ref().unwrap_or(&pristine);
    let sink = RawSink::create(&root.folder, file_name, Dress::fresh(context.umask))?;
    // Told in the end: other servers may come in on the way.
    let label = || request.label(&download.origins);
    let body = Body::new(download.pending, request, context);
    let pour = Pour {
        canvas: sink.canvas(),
        bounds,
        scratch: Some(&root.folder),
        context,
        fits: &|_| Ok(()),
        complete: &|| expected.check(&label(), &body.received()?),
    };
    pour.stream(&mut download.body)
        .map_err(|error| request.failed_body(error))?;
    let received = body.received()?;
    carry::note_origin(
        sink.canvas().fd(),
        &request.url.without_credentials(),
        etag,
        download.version.last_modified,
    );
    let staged = sink.seal()?;
    let proven = staged.prove(&label(), expected, &received)?;
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
