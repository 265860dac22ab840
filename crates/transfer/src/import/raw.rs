//! A disk image file, or a stream of one, becomes an image.

use super::{Request, report_success};
use crate::cage;
use crate::context::Context;
use crate::destination::{Destination, FileSite, Hidden};
use crate::error::{Doing, Result};
use crate::report;
use crate::sink::raw::{Bounds, Dress, Finish, InPlace, Pour, Range, RawSink, carry};
use crate::source::file::Input;
use importd_formats::disk::Format;
use importd_host::dir::Dir;
use importd_host::sandbox::CapabilitySet;
use std::os::fd::AsFd;
use std::path::Path;

/// Where a file without a name may be made for a target that has no folder of its own.
const SCRATCH: &str = "/var/tmp";

/// Imports a disk image, into a range of a target where one is given.
///
/// # Errors
/// By kind as [`Pour`] and [`crate::install`] say. Nothing is left then; of what is written in place
/// it is told how far that was.
pub fn run(
    request: &Request,
    range: Option<Range>,
    bounds: Bounds,
    context: &Context,
) -> Result<()> {
    let destination = &request.destination;
    destination.check_free(&request.target)?;
    let input = request.open(range.map(|range| range.offset), context)?;
    match destination.open_file(&request.target, range, bounds, context)? {
        FileSite::Hidden(hidden, dress) => {
            new_file(input, (hidden, dress), bounds, request, context)?;
        }
        FileSite::InPlace(target) => in_place(input, &target, bounds, request, context)?,
    }
    report_success(context);
    Ok(())
}

fn new_file(
    input: Input,
    (hidden, dress): (Hidden, Dress),
    bounds: Bounds,
    request: &Request,
    context: &Context,
) -> Result<()> {
    let Hidden { root, name, manner } = hidden;
    if let Destination::Image(image) = &request.destination {
        let known = context
            .owners
            .know(&root.folder, |old| old == image.as_str());
        known.doing(|| "Failed to look at the old image".into())?;
    }
    let extra = if dress.has_owner() {
        cage::GIVE_AWAY
    } else {
        CapabilitySet::empty()
    };
    cage::enter_import_raw(Some(&root.folder), extra, context)?;
    let sink = RawSink::create(&root.folder, &name, dress)?;
    let original = input.try_clone_fd()?;
    let is_file = input.is_file();
    let pour = Pour::new(sink.canvas(), bounds, Some(&root.folder), context);
    let size = pour.input(input)?;
    context
        .report
        .info(format!("Wrote {}.", report::size(size)));
    if is_file {
        carry::adopt(sink.canvas().fd(), original.as_fd());
    }
    let proven = sink.seal()?.accept_local();
    request.install(proven, (&root, &name), manner, context)
}

fn in_place(
    input: Input,
    target: &InPlace,
    bounds: Bounds,
    request: &Request,
    context: &Context,
) -> Result<()> {
    // Only what is in a format with tables may have to be kept.
    let scratch = (bounds.format != Some(Format::Raw))
        .then(|| Dir::open(Path::new(SCRATCH)).doing(|| format!("Failed to open '{SCRATCH}'")))
        .transpose()?;
    let manner = Finish {
        sync: request.target.sync,
        read_only: request.target.read_only,
    };
    let extra = if manner.read_only && target.is_whole_device() {
        cage::MARK_DEVICES
    } else {
        CapabilitySet::empty()
    };
    cage::enter_import_raw(scratch.as_ref(), extra, context)?;
    let pour = Pour {
        fits: &|size| target.check_room(size),
        ..Pour::new(target.canvas(), bounds, scratch.as_ref(), context)
    };
    let result = pour
        .input(input)
        .and_then(|size| target.finish(size, bounds, manner).map(|()| size));
    match result {
        Ok(size) => {
            context
                .report
                .info(format!("Wrote {}.", report::size(size)));
            Ok(())
        }
        Err(error) => {
            target.tell_damage(&context.report);
            Err(error)
        }
    }
}
