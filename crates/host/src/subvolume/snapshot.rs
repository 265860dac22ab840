//! Snapshots of a subvolume with all that lie within it, and their read-only mark.

use super::ioctls::{self, identity, is_read_only, set_read_only};
use super::nested::{self, Nested};
use crate::attributes;
use crate::dir::Dir;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

/// A snapshot to be made: what lies within the source is known.
///
/// It is found beforehand, so that a snapshot that comes to lie within its own source does not find
/// itself.
#[derive(Debug)]
pub struct Plan<'a> {
    source: &'a Dir,
    nested: Vec<Nested>,
}

impl<'a> Plan<'a> {
    /// Looks at the subvolume that `source` is the top of, and at where its snapshot is to be.
    ///
    /// # Errors
    /// `Unsupported` if it is none or the kernel cannot say, `CrossesDevices` if the snapshot is to
    /// lie in one of the subvolumes within it; what the ioctls say.
    pub fn new(source: &'a Dir, parent: &Dir) -> io::Result<Self> {
        if !ioctls::is_subvolume(source)? || !ioctls::is_btrfs(parent)? {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let around = identity(parent)?.id;
        let nested = nested::find(source)?;
        // The snapshot of that one would hold the name of this one.
        if nested::any(&nested, &|one| one.id == around) {
            return Err(Errno::XDEV.into());
        }
        Ok(Self { source, nested })
    }

    /// Makes the snapshot of the subvolume itself; those within it are empty folders so far.
    ///
    /// # Errors
    /// `CrossesDevices` for another file system, `PermissionDenied` for somebody else's subvolume;
    /// what the ioctl says.
    pub fn begin(&self, parent: &Dir, name: &OsStr, read_only: bool) -> io::Result<()> {
        let at_once = read_only && self.nested.is_empty();
        ioctls::snapshot_one(self.source, parent, name, at_once)
    }

    /// Makes the snapshots of those within it, below `target`, the top of what [`Plan::begin`] made.
    /// Writable, unless all are to be read-only: then those within it are as they are.
    ///
    /// # Errors
    /// `ESTALE` if the source has been changed meanwhile; what the ioctls say.
    pub fn finish(&self, target: &Dir, read_only: bool) -> io::Result<()> {
        snapshot_all(self.source, target, &self.nested, read_only)?;
        match read_only {
            true => set_read_only(target.as_fd(), true),
            false => Ok(()),
        }
    }
}

fn snapshot_all(source: &Dir, target: &Dir, nested: &[Nested], read_only: bool) -> io::Result<()> {
    for one in nested {
        let (source_folder, target_folder) = (one.folder(source)?, one.folder(target)?);
        let from = one.open(&source_folder)?;
        // What stands in its place is an empty folder that belongs to no subvolume.
        target_folder.remove_dir(&one.name)?;
        ioctls::snapshot_one(&from, &target_folder, &one.name, false)?;
        let to = target_folder.open_dir(&one.name)?;
        snapshot_all(&from, &to, &one.children, read_only)?;
        if read_only || is_read_only(&from)? {
            set_read_only(to.as_fd(), true)?;
        }
        restore_times(&source_folder, &target_folder)?;
    }
    Ok(())
}

fn restore_times(from: &Dir, to: &Dir) -> io::Result<()> {
    let times = attributes::times(&from.stat_self()?);
    Ok(rustix::fs::futimens(to, &times)?)
}

/// Marks a subvolume read-only, and all within it, inner ones first: an image is read-only as a whole.
///
/// # Errors
/// What the ioctls say; some may be marked then. Where the kernel does not tell which lie within it
/// (before Linux 4.18), only the outer one is marked.
pub fn seal(top: &Dir) -> io::Result<()> {
    match nested::find(top) {
        Ok(nested) => seal_all(top, &nested)?,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(error) => return Err(error),
    }
    set_read_only(top.as_fd(), true)
}

fn seal_all(top: &Dir, nested: &[Nested]) -> io::Result<()> {
    for one in nested {
        let inner = one.open(&one.folder(top)?)?;
        seal_all(&inner, &one.children)?;
        set_read_only(inner.as_fd(), true)?;
    }
    Ok(())
}
