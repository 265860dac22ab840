//! A folder of the source and its copy, both open.

use super::place::Place;
use crate::dir::Dir;
use rustix::fs::{Mode, OFlags, Stat};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Shared by the walk and by whoever copies what is in it; the last one dresses the copy.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) source: Dir,
    pub(super) target: Dir,
    pub(super) place: Arc<Place>,
    /// What is known of the source.
    pub(super) stat: Stat,
    /// Everything in it has been handed out: whoever lets go last dresses it.
    pub(super) is_complete: AtomicBool,
}

/// Device and number of an inode.
type Inode = (u64, u64);

/// How to find a folder again that was closed: it is the parent of one that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    source: Inode,
    target: Inode,
}

impl Folder {
    /// What to remember when it is closed.
    pub(super) fn close(&self) -> io::Result<Closed> {
        Ok(Closed {
            source: inode(&self.stat),
            target: self.target.identity()?,
        })
    }

    /// Opens the parent again.
    ///
    /// # Errors
    /// `ESTALE` if this folder has been moved since: what is above it now is not what was.
    pub(super) fn reopen_parent(
        &self,
        closed: Closed,
        place: &Arc<Place>,
        stat: Stat,
    ) -> io::Result<Self> {
        Ok(Self {
            source: self.source.return_to(closed.source)?,
            target: self.target.return_to(closed.target)?,
            place: Arc::clone(place),
            stat,
            is_complete: AtomicBool::new(false),
        })
    }
}

pub(super) fn inode(stat: &Stat) -> Inode {
    (stat.st_dev, stat.st_ino)
}

/// Opens something to read it, without a trace in its access time where we may.
pub(super) fn open_quietly(
    folder: &Dir,
    name: &std::ffi::OsStr,
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    match folder.open_file(name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only its owner may.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            folder.open_file(name, flags, Mode::empty())
        }
        other => other,
    }
}
