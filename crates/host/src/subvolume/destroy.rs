//! Removing subvolumes at once, instead of file by file.

use super::ioctls::{self, destroy, identity, is_read_only, set_read_only};
use super::nested::{self, Nested};
use crate::dir::Dir;
use crate::quota;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

/// Removes a subvolume with everything in it: files, subvolumes within it, read-only or not, and
/// the quota groups that are named for them. Only calls into btrfs are made, no file is unlinked.
///
/// # Errors
/// `Unsupported` for anything but a subvolume; `PermissionDenied` where only its owner or root may;
/// what the ioctls say. Subvolumes within it may be gone then.
pub fn destroy_whole(parent: &Dir, name: &OsStr) -> io::Result<()> {
    let top = parent.open_dir(name)?;
    if !ioctls::is_subvolume(&top)? {
        return Err(io::ErrorKind::Unsupported.into());
    }
    destroy_all(&top, &nested::find(&top)?)?;
    destroy_one(parent, name, &top)
}

fn destroy_all(top: &Dir, nested: &[Nested]) -> io::Result<()> {
    if !nested.is_empty() && is_read_only(top)? {
        set_read_only(top.as_fd(), false)?;
    }
    for one in nested {
        let folder = one.folder(top)?;
        let inner = one.open(&folder)?;
        destroy_all(&inner, &one.children)?;
        destroy_one(&folder, &one.name, &inner)?;
    }
    Ok(())
}

fn destroy_one(parent: &Dir, name: &OsStr, top: &Dir) -> io::Result<()> {
    let id = identity(top)?.id;
    destroy(parent, name)?;
    // Groups of a subvolume that is gone are in nobody's way.
    quota::forget(parent.as_fd(), id).unwrap_or(());
    Ok(())
}
