//! Things under visible names that somebody uses, and that others remove when nobody does.
//!
//! Whoever uses one has a shared lock (flock(2)) on it; whoever removes one needs it alone.

use super::{Lock, discard, is_entry, lock};
use crate::dir::Dir;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Opens a folder and keeps others from [`discard_unused`] for as long as it is open; `None` if it is not
/// there, or is about to go. On file systems without locks nobody discards anything.
///
/// # Errors
/// What openat(2) and flock(2) say.
pub fn open_used(folder: &Dir, name: &OsStr) -> io::Result<Option<Dir>> {
    let entry = match open(folder, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let is_ours = share(&entry)? && is_entry(folder, name, &entry)?;
    Ok(is_ours.then(|| Dir::from(entry)))
}

/// Removes a folder as [`discard`] does, if nobody uses it and `is_unused` says so, which is asked when
/// nobody can begin to use it any more. Whether it was removed.
///
/// # Errors
/// As `is_unused` and [`discard`].
pub fn discard_unused(
    folder: &Dir,
    name: &OsStr,
    is_unused: impl FnOnce() -> io::Result<bool>,
) -> io::Result<bool> {
    let entry = match open(folder, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    let is_alone = lock(&entry)? == Lock::Taken && is_entry(folder, name, &entry)?;
    if !is_alone || !is_unused()? {
        return Ok(false);
    }
    discard(folder, name)?;
    Ok(true)
}

/// Whether somebody uses a folder.
///
/// # Errors
/// What openat(2) and flock(2) say.
pub fn is_used(folder: &Dir, name: &OsStr) -> io::Result<bool> {
    Ok(lock(&open(folder, name)?)? != Lock::Taken)
}

fn open(folder: &Dir, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    folder.open_file(name, flags, Mode::empty())
}

/// Whether nobody has it alone.
fn share(entry: impl AsFd) -> io::Result<bool> {
    match rustix::fs::flock(entry, FlockOperation::NonBlockingLockShared) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL | Errno::NOSYS) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_not_discarded() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let folder = Dir::open(place.path()).unwrap();
        let name = OsStr::new("x");
        assert!(open_used(&folder, name).unwrap().is_none());
        assert!(!discard_unused(&folder, name, || Ok(true)).unwrap());
        std::fs::create_dir_all(place.path().join("x/in")).unwrap();
        let first = open_used(&folder, name).unwrap().unwrap();
        let second = open_used(&folder, name).unwrap().unwrap();
        drop(first);
        assert!(is_used(&folder, name).unwrap());
        assert!(!discard_unused(&folder, name, || Ok(true)).unwrap());
        drop(second);
        assert!(!is_used(&folder, name).unwrap());
        assert!(!discard_unused(&folder, name, || Ok(false)).unwrap());
        let asked = || {
            assert!(open_used(&folder, name)?.is_none(), "it is about to go");
            Ok(true)
        };
        assert!(discard_unused(&folder, name, asked).unwrap());
        assert!(folder.entries().unwrap().is_empty());
    }
}
