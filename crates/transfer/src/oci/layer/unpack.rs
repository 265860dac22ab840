//! The archive of a layer becomes a hidden tree.

use super::{Taking, settle};
use crate::context::Context;
use crate::error::{Doing, Result};
use crate::proof::Staged;
use crate::sink::tree::{IMPLIED_MODE, Limits, Needs, Unpack};
use crate::stage::meter::Count;
use importd_host::dir::Dir;
use importd_host::staging::{Shape, Staging};
use rustix::fs::Mode;
use std::ffi::OsStr;
use std::io::BufRead;

/// A layer that is unpacked and hidden, and may lack what only the layers below can tell.
#[derive(Debug)]
pub struct Unpacked {
    staging: Staging,
    needs: Needs,
    context: Context,
}

/// Unpacks the archive of a layer, to its very end, into a hidden folder of what will be called `name`.
/// `packed` counts the bytes that the source was unpacked from. Several threads may do this at once.
///
/// It is no subvolume where there are any: overlayfs shows the inode numbers of its layers, and those of
/// different subvolumes are the same. A folder inside another one of the same number is a loop to find(1).
///
/// # Errors
/// As [`crate::sink::tree::TreeSink::fill`]; [`importd_api::failure::Kind::Archive`] also for markers that
/// make no sense, [`importd_api::failure::Kind::Unsupported`] for a file system that cannot hold what they
/// say. The tree is removed then.
pub fn unpack(
    (folder, name): (&Dir, &OsStr),
    source: impl BufRead + Send,
    limits: Limits,
    packed: Option<Count>,
    context: &Context,
) -> Result<Unpacked> {
    let staging = context
        .owners
        .folder(folder, name, Shape::Folder)
        .doing(|| "Failed to create a hidden layer folder".into())?;
    if !context.owners.are_foreign() {
        // Without set-group-id from the image root: new inodes get our group.
        rustix::fs::fchmod(staging.fd(), Mode::RWXU)
            .doing(|| "Failed to set the mode of the hidden layer folder".into())?;
    }
    let top = staging
        .folder()
        .doing(|| "Failed to open the hidden layer folder".into())?;
    let needs = fill(top, source, limits, packed, context)?;
    Ok(Unpacked {
        staging,
        needs,
        context: context.clone(),
    })
}

/// Unpacks the archive of a layer into an empty folder.
pub(in crate::oci) fn fill(
    top: Dir,
    source: impl BufRead + Send,
    limits: Limits,
    packed: Option<Count>,
    context: &Context,
) -> Result<Needs> {
    let unpack = Unpack {
        limits,
        packed,
        top_mode: Some(IMPLIED_MODE),
        // A layer that gets a folder is flushed when it is complete, while others are unpacked.
        flush: false,
        context,
    };
    let (_, needs) = context.owners.within(|| unpack.run_layer(top, source))?;
    Ok(needs)
}

impl Unpacked {
    /// Whether the layers below may have something to say of it. Where they have not, [`Unpacked::settle`]
    /// may be called without any.
    #[must_use]
    pub fn needs_below(&self) -> bool {
        let needs = &self.needs;
        let is_complete = needs.has_top
            && needs.implied.is_empty()
            && needs.hiding.is_empty()
            && needs.links.is_empty();
        !is_complete
    }

    /// Completes the layer with what only those below can tell, the lowest first, each of them settled;
    /// and says whether it would look otherwise on other layers.
    ///
    /// # Errors
    /// [`importd_api::failure::Kind::Archive`] for a hard link to a file that no layer has, and for links
    /// that lead in a circle; what the file system says. The tree is removed then.
    pub fn settle(self, below: &[Dir]) -> Result<(Staged, bool)> {
        let top = self
            .staging
            .folder()
            .doing(|| "Failed to open the hidden layer folder".into())?;
        let (needs, context) = (self.needs, &self.context);
        let depends = context
            .owners
            .within(|| settle(top, below, needs, context, Taking::Copy))?;
        Ok((Staged(self.staging), depends))
    }
}
