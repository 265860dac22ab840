//! An archive becomes a tree.

use super::{Request, report_success, unpacked};
use crate::cage;
use crate::context::Context;
use crate::error::Result;
use crate::sink::tree::TreeSink;
use importd_api::name::Form;
use std::ffi::OsStr;

/// Imports an archive.
///
/// # Errors
/// By kind as [`TreeSink`] and [`crate::install`] say; nothing is left then.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    request.target.check_free(&request.name)?;
    let input = request.open(context)?;
    let root = request.target.open_root(context)?;
    cage::enter_import(&root, Form::Tar, context)?;

    let name = OsStr::new(request.name.as_str());
    let sink = TreeSink::create(
        &root.folder,
        name,
        request.target.tree_shape(),
        context.umask,
        (&context.report, &context.cancel),
    )?;
    let (staged, done) = sink.fill(unpacked(input, context)?)?;
    context.report.debug(format!(
        "Unpacked {} entries with {} of contents.",
        done.entries,
        crate::report::size(done.bytes)
    ));
    staged
        .accept_local()
        .install(&root, name, request.target.manner(), context)?;
    report_success(context);
    Ok(())
}
