//! Makes one inode, replacing anything but a folder that has its name.

use importd_host::dir::Dir;
use rustix::fs::{AtFlags, Dev, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;

/// Makes a regular file, open for writing, with the permission bits of `mode`.
pub(super) fn file(parent: &Dir, name: &OsStr, mode: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode & 0o777 | 0o200);
    replacing(parent, name, || {
        rustix::fs::openat(parent, name, flags, mode)
    })
}

/// Opens a regular file that is there for writing anew. The tree is hidden: what was looked at is
/// what is opened.
pub(super) fn emptied(parent: &Dir, name: &OsStr) -> io::Result<OwnedFd> {
    let there = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(there.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL.into());
    }
    let flags = OFlags::WRONLY | OFlags::TRUNC;
    parent.open_file(name, flags, Mode::empty())
}

/// Makes a symbolic link; its target may be any text and is never followed.
pub(super) fn symlink(parent: &Dir, name: &OsStr, target: &OsStr) -> io::Result<()> {
    replacing(parent, name, || rustix::fs::symlinkat(target, parent, name))
}

/// Makes a device node, fifo or socket.
pub(super) fn node(
    parent: &Dir,
    name: &OsStr,
    (kind, mode): (FileType, u32),
    (major, minor): (u32, u32),
) -> io::Result<()> {
    let device: Dev = rustix::fs::makedev(major, minor);
    let mode = Mode::from_raw_mode(mode & 0o777);
    replacing(parent, name, || {
        rustix::fs::mknodat(parent, name, kind, mode, device)
    })
}

/// Gives an inode one more name. A link to a name that already is the same inode is fine.
pub(super) fn hard_link(
    (old_parent, old_name): (&Dir, &OsStr),
    (parent, name): (&Dir, &OsStr),
) -> io::Result<()> {
    let link = || rustix::fs::linkat(old_parent, old_name, parent, name, AtFlags::empty());
    match link() {
        Err(Errno::EXIST) => {
            let look = |dir: &Dir, name| rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
            let (old, there) = (look(old_parent, old_name)?, look(parent, name)?);
            if (old.st_dev, old.st_ino) == (there.st_dev, there.st_ino) {
                return Ok(());
            }
            rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
            Ok(link()?)
        }
        other => Ok(other?),
    }
}

/// Unlinks what has the name, if anything has; a folder refuses with `EISDIR`.
pub(super) fn absent(parent: &Dir, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes a folder, or takes the one that is there.
pub(super) fn folder(parent: &Dir, name: &OsStr) -> io::Result<()> {
    match parent.make_dir(name, 0o700) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(there.st_mode) {
                FileType::Directory => Ok(()),
                _ => Err(error),
            }
        }
        other => other,
    }
}

/// Makes something; what has the name already is unlinked first, which a folder refuses with
/// `EISDIR`. The tree is hidden: nobody sees the moment in between.
fn replacing<T>(parent: &Dir, name: &OsStr, make: impl Fn() -> Result<T, Errno>) -> io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
            Ok(make()?)
        }
        other => Ok(other?),
    }
}
