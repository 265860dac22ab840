//! A tree becomes an archive.

use super::Request;
use super::output::Output;
use super::snapshot::Frozen;
use super::walk::Walk;
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::import::report_success;
use crate::report::size;
use crate::stage::behind::Behind;
use importd_api::failure::Kind;
use importd_formats::codec;
use importd_formats::tar::Writer;
use importd_host::dir::Dir;
use importd_host::namespace::foreign;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Exports a tree.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::NotDirectory`] for a disk image, what the tree and the output say.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    let path = request.path()?;
    let tree = Dir::open(&path).map_err(|error| {
        let text = format!("Failed to open tree '{}' for export", path.display());
        Error::io(text, error)
    })?;
    let tree = match context.owners.are_foreign() {
        true => foreign::open(&tree)
            .doing(|| format!("Failed to open tree '{}' of foreign ids", path.display()))?,
        false => tree,
    };
    let output = match &request.file {
        Some(file) => Output::file(file, context)?,
        None => Output::standard()?,
    };
    if output.fd().as_fd().is_terminal() {
        let text = "Refusing to write archive to TTY; name a file, or redirect the output";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    request.announce(&path, context);
    let picture = Frozen::take(&path, tree, context);
    cage::enter_export_tree(picture.tree(), output.folder(), context)?;

    let failed = || format!("Failed to write '{}'", output.label());
    let behind = Behind::new(output.writer(context)?, context.cancel.clone()).doing(failed)?;
    let encoder = codec::encoder(request.codec(), behind, request.encode_options())
        .map_err(|error| Error::caused(Kind::Unsupported, "Failed to set up packing", error))?;
    let tree = picture.tree().try_clone().doing(failed)?;
    let (writer, written) = context.owners.within(|| {
        let mut walk = Walk::new(tree, Writer::new(encoder), context)?;
        walk.run()?;
        Ok(walk.finish())
    })?;
    let encoder = writer
        .finish()
        .map_err(|error| Error::caused(Kind::Io, failed(), error))?;
    let behind = encoder.finish().doing(failed)?;
    behind.finish().doing(failed)?;
    context.report.debug(format!(
        "Packed {} entries with {} of contents.",
        written.entries,
        size(written.bytes)
    ));
    output.finish()?;
    report_success(context);
    Ok(())
}
