//! What overlayfs reads in its layers: what hides what is below.
//!
//! A name is hidden by a character device 0:0, which every mount of overlayfs understands and which
//! every user may make. A folder hides all that is below it by an attribute, whose name depends on the
//! mount: `user.` where the mount says `userxattr`, as those of systemd and of users do, `trusted.`
//! elsewhere. Both are set, the second where that is allowed. docs/decisions/0018-layers.md has the
//! reasons.
//!
//! # Source
//! Linux, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories", "User xattr".

use crate::attributes;
use crate::dir::Dir;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

/// The two names of the attribute that makes a folder opaque.
const OPAQUE: [&str; 2] = ["user.overlay.opaque", "trusted.overlay.opaque"];
/// Its value where the folder hides all that is below.
const HIDES_ALL: &[u8] = b"y";
/// Its value where files in the folder with an attribute of their own hide what is below.
const HIDES_SOME: &[u8] = b"x";
/// The two names of the attribute that makes an empty file in such a folder hide what is below.
const WHITEOUT: [&str; 2] = ["user.overlay.whiteout", "trusted.overlay.whiteout"];
/// How attributes begin that only overlayfs may set.
const OWN: [&[u8]; 2] = [b"user.overlay.", b"trusted.overlay."];

/// Whether an attribute means something to overlayfs.
#[must_use]
pub fn is_own(attribute: &[u8]) -> bool {
    OWN.iter().any(|own| attribute.starts_with(own))
}

/// Makes something that hides what has the name below.
///
/// # Errors
/// What mknodat(2) says: `EPERM` for users before Linux 5.8.
pub fn hide(folder: &Dir, name: &OsStr) -> io::Result<()> {
    folder.make_node(name, FileType::CharacterDevice, 0, 0)
}

/// Whether something that was looked at hides what has its name below.
///
/// # Errors
/// What reading its attributes says.
pub fn is_hiding(folder: &Dir, name: &OsStr, stat: &Stat) -> io::Result<bool> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => Ok(stat.st_rdev == 0),
        FileType::RegularFile if stat.st_size == 0 => {
            if !has(folder.as_fd(), OPAQUE, HIDES_SOME)? {
                return Ok(false);
            }
            let attributes = match attributes::list_at(folder, name) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(false),
                other => other?,
            };
            Ok(attributes.iter().any(|name| is_one_of(name, WHITEOUT)))
        }
        _ => Ok(false),
    }
}

/// Makes a folder hide all that is below it.
///
/// # Errors
/// `Unsupported` where the file system has no such attributes; what fsetxattr(2) says.
pub fn make_opaque(folder: BorrowedFd<'_>) -> io::Result<()> {
    let [user, trusted] = OPAQUE;
    match attributes::set(folder, OsStr::new(user), HIDES_ALL) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => {
            return Err(io::ErrorKind::Unsupported.into());
        }
        other => other?,
    }
    match attributes::set(folder, OsStr::new(trusted), HIDES_ALL) {
        // Only the machine's root may, and only root mounts without `userxattr`.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => Ok(()),
        other => other,
    }
}

/// Whether a folder hides all that is below it.
///
/// # Errors
/// What fgetxattr(2) says.
pub fn is_opaque(folder: BorrowedFd<'_>) -> io::Result<bool> {
    has(folder, OPAQUE, HIDES_ALL)
}

/// Takes from an open file or folder what means something to overlayfs.
///
/// # Errors
/// What reading and removing attributes say.
pub fn clear(file: BorrowedFd<'_>) -> io::Result<()> {
    let names = match attributes::list(file) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        other => other?,
    };
    for name in names.iter().filter(|name| is_own(name.as_bytes())) {
        attributes::remove(file, name)?;
    }
    Ok(())
}

fn is_one_of(name: &OsString, names: [&str; 2]) -> bool {
    names.iter().any(|one| name == one)
}

fn has(file: BorrowedFd<'_>, names: [&str; 2], wanted: &[u8]) -> io::Result<bool> {
    for name in names {
        match attributes::get(file, OsStr::new(name)) {
            Ok(value) if value == wanted => return Ok(true),
            Ok(_) => {}
            Err(error)
                if error.kind() == io::ErrorKind::Unsupported
                    || Errno::from_io_error(&error) == Some(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_known_in_both_forms() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let folder = Dir::open(place.path()).unwrap();
        hide(&folder, "node".as_ref()).unwrap();
        let file = std::fs::File::create(place.path().join("file")).unwrap();
        attributes::set(file.as_fd(), WHITEOUT[0].as_ref(), b"y").unwrap();
        let is_hiding = |name: &str| {
            let stat = folder.stat(name.as_ref()).unwrap();
            is_hiding(&folder, name.as_ref(), &stat).unwrap()
        };
        assert!(is_hiding("node") && !is_hiding("file"));
        attributes::set(folder.as_fd(), OPAQUE[0].as_ref(), HIDES_SOME).unwrap();
        assert!(is_hiding("node") && is_hiding("file"));
        assert!(!is_opaque(folder.as_fd()).unwrap());
    }

    #[test]
    fn opaque_folders_are_made_known_and_cleared() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let folder = Dir::open(place.path()).unwrap();
        make_opaque(folder.as_fd()).unwrap();
        assert!(is_opaque(folder.as_fd()).unwrap());
        attributes::set(folder.as_fd(), "user.kept".as_ref(), b"1").unwrap();
        clear(folder.as_fd()).unwrap();
        assert!(!is_opaque(folder.as_fd()).unwrap());
        let left = attributes::list(folder.as_fd()).unwrap();
        assert!(left.contains(&"user.kept".into()) && !left.iter().any(|n| is_own(n.as_bytes())));
    }
}
