//! An archive becomes a tree.

use super::{Request, report_success, unpacked_and_counted};
use crate::cage;
use crate::context::Context;
use crate::destination::{Hidden, TreeSite};
use crate::error::{Doing, Result};
use crate::report::size;
use crate::sink::tree::{Extracted, FolderInPlace, Limits, TreeSink, Unpack};
use crate::source::file::Input;
use importd_host::dir::Dir;

/// Imports an archive.
///
/// # Errors
/// By kind as [`TreeSink`] and [`crate::install`] say; nothing is left then.
pub fn run(request: &Request, limits: Limits, context: &Context) -> Result<()> {
    request.destination.check_free(&request.target)?;
    let input = request.open(None, context)?;
    match request.destination.open_tree(&request.target, context)? {
        TreeSite::Hidden(hidden) => new_tree(input, hidden, limits, request, context)?,
        TreeSite::Folder(folder) => into_folder(input, folder, limits, request, context)?,
    }
    report_success(context);
    Ok(())
}

fn new_tree(
    input: Input,
    hidden: Hidden,
    limits: Limits,
    request: &Request,
    context: &Context,
) -> Result<()> {
    let Hidden { root, name, manner } = hidden;
    context.owners.prepare(&root.folder, &name)?;
    cage::enter_import_tar(&root.folder, context)?;
    let sink = TreeSink::create(&root.folder, &name, &request.target, context)?;
    let (source, packed) = unpacked_and_counted(input, context)?;
    let (staged, done) = sink.fill(source, limits, Some(packed))?;
    tell(done, context);
    request.install(staged.accept_local(), (&root, &name), manner, context)
}

fn into_folder(
    input: Input,
    folder: Dir,
    limits: Limits,
    request: &Request,
    context: &Context,
) -> Result<()> {
    cage::enter_import_tar(&folder, context)?;
    let place = FolderInPlace::new(folder, request.destination.to_string())?;
    let (source, packed) = unpacked_and_counted(input, context)?;
    let unpack = Unpack {
        limits,
        packed: Some(packed),
        top_mode: None,
        flush: request.target.sync,
        context,
    };
    let top = place
        .folder()
        .try_clone()
        .doing(|| "Failed to open the target folder".into())?;
    let target = &request.target;
    let result = unpack.run(top, source).and_then(|done| {
        tell(done, context);
        place.finish(target.sync, target.read_only)
    });
    if result.is_err() {
        place.undo(&context.report);
    }
    result
}

fn tell(done: Extracted, context: &Context) {
    context.report.debug(format!(
        "Unpacked {} entries with {} of contents.",
        done.entries,
        size(done.bytes)
    ));
}
