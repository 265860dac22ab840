//! The one rename that makes an image visible.
//!
//! # Atomicity
//! [`publish`] makes one `renameat2` call: before it nothing is seen under the name (or the old
//! image, whole), after it the new image, whole. On file systems without `renameat2` flags a file
//! still replaces a file by one rename; a folder is replaced by two, with a moment without an image.
//! A crash in that moment leaves the old image, whole, under the hidden name with [`ASIDE`] at its
//! end, which no sweep removes.
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
    /// The same, but of a folder that has [`crate::staging::CHANGES`] those are taken over, see
    /// [`crate::staging::Staging::install`].
    Keep,
    /// Take its place by a plain rename: of a file that replaces a file.
    File,
}

/// What the hidden name of an old image ends in while it is moved aside.
pub const ASIDE: &str = ".old";

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
    if replace == Replace::File {
        rustix::fs::renameat(folder, hidden, folder, name)?;
        return Ok(Published::New);
    }
    match no_replace(folder, hidden, name) {
        Ok(()) => Ok(Published::New),
        Err(Errno::EXIST) if matches!(replace, Replace::Exchange | Replace::Keep) => {
            exchange(folder, hidden, name)
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
/// the swap fails all the same.
fn exchange(folder: &Dir, hidden: &OsStr, name: &OsStr) -> io::Result<Published> {
    let swap = || rustix::fs::renameat_with(folder, hidden, folder, name, RenameFlags::EXCHANGE);
    match swap() {
        Ok(()) => Ok(Published::Swapped),
        Err(errno @ Errno::PERM) => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let old = rustix::fs::openat(folder, name, flags, Mode::empty())?;
            if !attributes::is_immutable(old.as_fd())? {
                return Err(errno.into());
            }
            attributes::set_immutable(old.as_fd(), false)?;
            swap().map(|()| Published::Swapped).or_else(|errno| {
                attributes::set_immutable(old.as_fd(), true)?;
                Err(errno.into())
            })
        }
        Err(Errno::INVAL | Errno::NOSYS) => replace(folder, hidden, name),
        Err(errno) => Err(errno.into()),
    }
}

/// Without kernel support for swapping: one rename where it can replace, else the old image is moved
/// aside, and back if the new one cannot take its place.
fn replace(folder: &Dir, hidden: &OsStr, name: &OsStr) -> io::Result<Published> {
    match rustix::fs::renameat(folder, hidden, folder, name) {
        Err(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR) => {}
        other => return Ok(other.map(|()| Published::New)?),
    }
    let mut aside = hidden.to_owned();
    aside.push(ASIDE);
    rustix::fs::renameat(folder, name, folder, &aside)?;
    if let Err(errno) = rustix::fs::renameat(folder, hidden, folder, name) {
        rustix::fs::renameat(folder, &aside, folder, name)?;
        return Err(errno.into());
    }
    rustix::fs::renameat(folder, &aside, folder, hidden)?;
    Ok(Published::Swapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_swapping_old_images_of_every_kind_are_replaced_whole() {
        for (old_is_folder, new_is_folder) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let place = tempfile::tempdir().unwrap();
            let folder = Dir::open(place.path()).unwrap();
            let make = |name: &str, is_folder: bool| {
                let path = place.path().join(name);
                match is_folder {
                    true => std::fs::create_dir_all(path.join("in").join(name)).unwrap(),
                    false => {
                        let mut file = std::fs::File::create(path).unwrap();
                        std::io::Write::write_all(&mut file, name.as_bytes()).unwrap();
                    }
                }
            };
            make("x", old_is_folder);
            make("hidden", new_is_folder);
            let published = replace(&folder, "hidden".as_ref(), "x".as_ref()).unwrap();
            let is_new = match new_is_folder {
                true => place.path().join("x/in/hidden").is_dir(),
                false => std::fs::read(place.path().join("x")).unwrap() == b"hidden",
            };
            assert!(is_new);
            let left = folder.exists("hidden".as_ref());
            assert_eq!(left, published == Published::Swapped);
        }
    }

    #[test]
    fn a_failed_replacement_puts_the_old_image_back() {
        let place = tempfile::tempdir().unwrap();
        let folder = Dir::open(place.path()).unwrap();
        std::fs::create_dir_all(place.path().join("x/keep")).unwrap();
        // Nothing is there to take its place.
        assert!(replace(&folder, "hidden".as_ref(), "x".as_ref()).is_err());
        assert!(place.path().join("x/keep").is_dir());
        assert_eq!(folder.entries().unwrap(), ["x"]);
    }
}
