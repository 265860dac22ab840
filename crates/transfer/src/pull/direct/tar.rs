//! An archive is downloaded and becomes a tree at a path.

use super::{Place, Started};
use crate::context::Context;
use crate::destination::{Destination, Hidden, TreeSite};
use crate::error::{Doing, Error, Result};
use crate::import::report_success;
use crate::pull::{Request, room};
use crate::sink::tree::{FolderInPlace, Limits, TreeSink, Unpack};
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::sandbox::CapabilitySet;

/// Pulls an archive to a path.
///
/// # Errors
/// [`Kind::InvalidArgument`] for standard output; by kind as the stages say. What becomes of the
/// target is said at [`super`].
pub fn run(request: &Request, place: &Place, limits: Limits, context: &Context) -> Result<()> {
    let Place::Path(destination) = place else {
        let text = "Pulling tar images to STDOUT is not supported; name a folder";
        return Err(Error::new(Kind::InvalidArgument, text));
    };
    request.announce(place, None, context);
    match destination.open_tree(&request.target, context)? {
        TreeSite::Hidden(hidden) => new_tree(request, hidden, limits, context)?,
        TreeSite::Folder(folder) => into_folder(request, destination, folder, limits, context)?,
    }
    report_success(context);
    Ok(())
}

fn new_tree(request: &Request, hidden: Hidden, limits: Limits, context: &Context) -> Result<()> {
    let Hidden { root, name, manner } = hidden;
    let fetcher = request.confined([Some(&root.folder), None], CapabilitySet::empty(), context)?;
    request.until_settled(context, || {
        let Started {
            expected, download, ..
        } = request.started(&fetcher, context)?;
        room::check(download.announced, request, &root, context)?;
        let sink = TreeSink::create(&root.folder, &name, &request.target, context)?;
        let (staged, _) = sink
            .fill(download.body, limits, Some(download.packed))
            .map_err(|error| request.failed_body(error))?;
        let received = request.received(download.pending, context)?;
        let proven = staged.prove(&request.label(&download.origins), &expected, &received)?;
        proven.install(&root, &name, manner, context)?;
        Ok(())
    })
}

fn into_folder(
    request: &Request,
    destination: &Destination,
    folder: Dir,
    limits: Limits,
    context: &Context,
) -> Result<()> {
    let fetcher = request.confined([Some(&folder), None], CapabilitySet::empty(), context)?;
    let Started {
        expected, download, ..
    } = request.started(&fetcher, context)?;
    let place = FolderInPlace::new(folder, destination.to_string())?;
    let unpack = Unpack {
        limits,
        packed: Some(download.packed),
        top_mode: None,
        flush: request.target.sync,
        context,
    };
    let top = place
        .folder()
        .try_clone()
        .doing(|| "Failed to open the target folder".into())?;
    let target = &request.target;
    let result = unpack
        .run(top, download.body)
        .map_err(|error| request.failed_body(error))
        .and_then(|_| request.received(download.pending, context))
        .and_then(|received| expected.check(&request.label(&download.origins), &received))
        .and_then(|()| place.finish(target.sync, target.read_only));
    if result.is_err() {
        place.undo(&context.report);
    }
    result
}
