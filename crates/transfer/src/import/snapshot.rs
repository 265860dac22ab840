//! A btrfs subvolume becomes an image at once, and shares its contents until one of both changes.

use crate::context::Context;
use crate::error::{Doing, Result};
use crate::install::Root;
use crate::sink::tree::move_up;
use importd_host::dir::Dir;
use importd_host::staging::Staging;
use importd_host::{subvolume, tree};
use std::ffi::OsStr;

/// A source, and the name and handle of the operating system tree in it that is meant instead.
pub(super) type Tree<'a> = (&'a Dir, Option<(&'a OsStr, &'a Dir)>);

/// Makes a hidden snapshot, with all subvolumes within it, writable. `None` where that cannot be: the
/// tree is no subvolume, or on another file system, or somebody else's. (The reference then fails.)
///
/// # Errors
/// What moving a tree up says; nothing is left then.
pub(super) fn stage(
    (source, inner): Tree<'_>,
    (root, name): (&Root, &OsStr),
    context: &Context,
) -> Result<Option<Staging>> {
    let is_subvolume = |folder: &Dir| subvolume::is_subvolume(folder).unwrap_or(false);
    let (top, to_move) = match inner {
        Some((_, folder)) if is_subvolume(folder) => (folder, None),
        inner => (source, inner),
    };
    if !is_subvolume(top) {
        return Ok(None);
    }
    let staging = match Staging::snapshot(&root.folder, name, top, false) {
        Ok(staging) => staging,
        Err(error) => {
            let text = format!("No snapshot could be made, the tree is copied: {error}");
            context.report.debug(text);
            return Ok(None);
        }
    };
    context.report.debug("The image is a snapshot.");
    if let Some((name, folder)) = to_move {
        let failed = || format!("Failed to move '{}' up", name.display());
        let target = staging.folder().doing(failed)?;
        move_up(&target, name).doing(failed)?;
        tree::adopt(folder, &target).doing(failed)?;
    }
    Ok(Some(staging))
}
