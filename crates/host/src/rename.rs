//! The one rename that makes an image visible.
//!
//! # Atomicity
//! [`publish`] makes one `renameat2` call: before it nothing is seen under the name (or the old
//! image, whole), after it the new image, whole. On file systems without `renameat2` flags the
//! fallbacks named at each function have a window, and say so.
//!
//! # Source
//! renameat2(2).

use crate::attributes;
use crate::dir::Dir;
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

/// What to do about something that already has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Leave it and fail with `EEXIST`.
    Refuse,
    /// Swap places with it; the caller then removes it under the old hidden name.
    Exchange,
}

/// What [`publish`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Nothing had the name.
    New,
    /// What had the name now lies under the hidden one and has to be removed.
    Swapped,
}

/// Renames `hidden` to `name` within one folder.
///
/// # Errors
/// `AlreadyExists` if the name is taken and `replace` refuses; otherwise what renameat2(2) says.
/// After an error both entries are as they were.
pub fn publish(
    folder: &Dir,
    hidden: &OsStr,
    name: &OsStr,
    replace: Replace,
) -> io::Result<Published> {
    match no_replace(folder, hidden, name) {
        Ok(()) => Ok(Published::New),
        Err(Errno::EXIST) if replace == Replace::Exchange => {
            exchange(folder, hidden, name)?;
            Ok(Published::Swapped)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Renames unless the name is taken. Without kernel support: looks first, then renames; something
/// that takes the name in between is replaced if it is a file.
fn no_replace(folder: &Dir, hidden: &OsStr, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(folder, hidden, folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EXIST),
                Err(Errno::NOENT) => rustix::fs::renameat(folder, hidden, folder, name),
                Err(errno) => Err(errno),
            }
        }
        other => other,
    }
}

/// Swaps two names. An old folder that is marked immutable is unmarked first, and marked again if
/// the swap fails all the same. Without kernel support: two renames with a moment without an image.
fn exchange(folder: &Dir, hidden: &OsStr, name: &OsStr) -> io::Result<()> {
    let swap = || rustix::fs::renameat_with(folder, hidden, folder, name, RenameFlags::EXCHANGE);
    match swap() {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let old = rustix::fs::openat(folder, name, flags, Mode::empty())?;
            attributes::set_immutable(old.as_fd(), false)?;
            swap().or_else(|errno| {
                attributes::set_immutable(old.as_fd(), true)?;
                Err(errno.into())
            })
        }
        Err(Errno::INVAL | Errno::NOSYS) => {
            let mut aside = hidden.to_owned();
            aside.push(".old");
            rustix::fs::renameat(folder, name, folder, &aside)?;
            rustix::fs::renameat(folder, hidden, folder, name)?;
            Ok(rustix::fs::renameat(folder, &aside, folder, hidden)?)
        }
        Err(errno) => Err(errno.into()),
    }
}
