//! A disk image, or any file, is downloaded to a path.

use super::{Place, Started, output};
use crate::cage;
use crate::context::Context;
use crate::destination::{FileSite, Hidden};
use crate::error::{Doing, Error, Result};
use crate::import::report_success;
use crate::pull::{self, Body, Request, room};
use crate::sink::raw::{Bounds, Dress, Finish, InPlace, Pour, Range, RawSink};
use crate::source::remote::Fetcher;
use importd_api::failure::Kind;
use importd_formats::disk::Format;
use importd_host::dir::Dir;
use importd_host::sandbox::CapabilitySet;
use std::path::Path;

/// Where a file without a name may be made for a target that has no folder of its own.
pub(super) const SCRATCH: &str = "/var/tmp";

/// Pulls bytes to a path, into a range of it where one is given, or to standard output.
///
/// # Errors
/// [`Kind::InvalidArgument`] for a range of standard output; by kind as the stages say. What becomes
/// of the target is said at [`super`].
pub fn run(
    request: &Request,
    place: &Place,
    (range, bounds): (Option<Range>, Bounds),
    context: &Context,
) -> Result<()> {
    let destination = match place {
        Place::Path(destination) => destination,
        Place::Output if range.is_none() => return output::run(request, bounds, context),
        Place::Output => {
            let text = "--offset= needs a path to write to, not standard output";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
    };
    request.announce(place, range, context);
    match destination.open_file(&request.target, range, bounds, context)? {
        FileSite::Hidden(hidden, dress) => new_file(request, (hidden, dress), bounds, context)?,
        FileSite::InPlace(target) => in_place(request, &target, bounds, context)?,
    }
    report_success(context);
    Ok(())
}

fn new_file(
    request: &Request,
    (hidden, dress): (Hidden, Dress),
    bounds: Bounds,
    context: &Context,
) -> Result<()> {
    let extra = if dress.has_owner() {
        cage::GIVE_AWAY
    } else {
        CapabilitySet::empty()
    };
    let fetcher = request.confined([Some(&hidden.root.folder), None], extra, context)?;
    request.until_settled(context, || {
        fetch_file(request, &fetcher, (&hidden, dress), bounds, context)
    })
}

fn fetch_file(
    request: &Request,
    fetcher: &Fetcher,
    (hidden, dress): (&Hidden, Dress),
    bounds: Bounds,
    context: &Context,
) -> Result<()> {
    let Hidden { root, name, manner } = hidden;
    let Started {
        expected,
        download,
        turn,
    } = request.started(fetcher, context)?;
    room::check(download.announced, request, root, context)?;
    let sink = RawSink::create(&root.folder, name, dress)?;
    let wanted = (&expected, bounds);
    let place = (sink, &root.folder, &turn);
    let (proven, _, _) = pull::raw::fill(request, download, place, wanted, context)?;
    proven.install(root, name, *manner, context)?;
    Ok(())
}

fn in_place(request: &Request, target: &InPlace, bounds: Bounds, context: &Context) -> Result<()> {
    // Only what is in a format with tables has to be kept.
    let scratch = (bounds.format != Some(Format::Raw))
        .then(|| Dir::open(Path::new(SCRATCH)).doing(|| format!("Failed to open '{SCRATCH}'")))
        .transpose()?;
    let extra = if request.target.read_only && target.is_whole_device() {
        cage::MARK_DEVICES
    } else {
        CapabilitySet::empty()
    };
    let fetcher = request.confined([scratch.as_ref(), None], extra, context)?;
    let places = (target, scratch.as_ref());
    let result = request.until_settled(context, || {
        overwrite(request, &fetcher, places, bounds, context)
    });
    if result.is_err() {
        target.tell_damage(&context.report);
    }
    result
}

fn overwrite(
    request: &Request,
    fetcher: &Fetcher,
    (target, scratch): (&InPlace, Option<&Dir>),
    bounds: Bounds,
    context: &Context,
) -> Result<()> {
    let Started {
        expected,
        mut download,
        ..
    } = request.started(fetcher, context)?;
    if let Some(length) = download.plain_length {
        bounds.check(length)?;
        target.check_room(length)?;
    }
    let origins = download.origins.clone();
    let label = || request.label(&origins);
    let body = Body::new(download.pending, request, context);
    let pour = Pour {
        fits: &|size| target.check_room(size),
        complete: &|| expected.check(&label(), &body.received()?),
        ..Pour::new(target.canvas(), bounds, scratch, context)
    };
    let size = pour
        .stream(&mut download.body)
        .map_err(|error| request.failed_body(error))?;
    expected.check(&label(), &body.received()?)?;
    let manner = Finish {
        sync: request.target.sync,
        read_only: request.target.read_only,
    };
    target.finish(size, bounds, manner)
}
