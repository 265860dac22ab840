//! An archive becomes a tree.

use super::{Request, report_success, unpacked_and_counted};
use crate::cage;
use crate::context::Context;
use crate::destination::{Hidden, Site};
use crate::error::{Error, Result};
use crate::sink::tree::{Limits, TreeSink};
use importd_api::failure::Kind;

/// Imports an archive.
///
/// # Errors
/// By kind as [`TreeSink`] and [`crate::install`] say; nothing is left then.
pub fn run(request: &Request, limits: Limits, context: &Context) -> Result<()> {
    request.destination.check_free(&request.target)?;
    let input = request.open(None, context)?;
    let Site::Hidden(Hidden {
        root, name, manner, ..
    }) = request.destination.open_tree(&request.target, context)?
    else {
        let text = format!("'{}' exists; --force replaces it", request.destination);
        return Err(Error::new(Kind::Exists, text));
    };
    cage::enter_import_tar(&root.folder, context)?;

    let sink = TreeSink::create(
        &root.folder,
        &name,
        request.target.tree_shape(),
        context.umask,
        (&context.report, &context.cancel),
    )?;
    let (source, packed) = unpacked_and_counted(input, context)?;
    let (staged, done) = sink.fill(source, limits, Some(packed))?;
    context.report.debug(format!(
        "Unpacked {} entries with {} of contents.",
        done.entries,
        crate::report::size(done.bytes)
    ));
    staged
        .accept_local()
        .install(&root, &name, manner, context)?;
    request.retire_old(&root, &name, context);
    report_success(context);
    Ok(())
}
