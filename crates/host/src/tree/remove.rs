//! Removes a tree: immutable and unreadable folders, read-only and nested subvolumes included.

use crate::dir::Dir;
use crate::namespace::foreign;
use crate::{attributes, subvolume};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Folders open at once. What lies deeper is moved up before it is removed, so that neither
/// descriptors nor the length of a path limit the depth.
const OPEN_MAX: usize = 64;

/// Removes something: a file, a link itself, or a tree. Other file systems mounted inside are not
/// entered; they make it fail with `EBUSY`. What is mounted in a btrfs subvolume, which goes as a
/// whole, is unmounted by the kernel and not touched.
///
/// # Errors
/// `NotFound` if it is not there; what the system says. A tree may then be half removed.
pub fn remove(parent: &Dir, name: &OsStr) -> io::Result<()> {
    match remove_own(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && foreign::is_entered() => {
            remove_foreign(parent, name).map_err(|_not_foreign| error)
        }
        other => other,
    }
}

/// Removes a tree of foreign ids: all in it as the root of our user namespace, itself as we are.
fn remove_foreign(parent: &Dir, name: &OsStr) -> io::Result<()> {
    let top = foreign::open(&parent.open_dir(name)?)?;
    foreign::as_root(|| {
        for entry in top.entries()? {
            remove_own(&top, &entry)?;
        }
        Ok::<_, io::Error>(())
    })??;
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn remove_own(parent: &Dir, name: &OsStr) -> io::Result<()> {
    match unlink(parent, name) {
        Err(Errno::ISDIR) => {}
        other => return Ok(other?),
    }
    if subvolume::destroy_whole(parent, name).is_ok() {
        return Ok(());
    }
    let top = open(parent, name)?;
    let mount = top.mount_id()?;
    let mut stack = vec![Level::new(top, name.to_owned())?];
    let mut moved = 0u64;
    while let Some(level) = stack.last_mut() {
        let Some(entry) = level.entries.pop() else {
            let finished = level.name.clone();
            // Something may have come since it was listed, or been moved up here.
            if level.relist()? {
                continue;
            }
            stack.pop();
            let above = stack.last().map_or(parent, |level| &level.folder);
            remove_folder(above, &finished)?;
            continue;
        };
        match unlink(&level.folder, &entry) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let folder = open(&level.folder, &entry)?;
        if folder.mount_id()? != mount {
            return Err(Errno::BUSY.into());
        }
        if subvolume::is_subvolume(&folder)?
            && subvolume::destroy_whole(&level.folder, &entry).is_ok()
        {
            continue;
        }
        if stack.len() < OPEN_MAX {
            stack.push(Level::new(folder, entry)?);
            continue;
        }
        moved += 1;
        let up = OsString::from(format!(".#importd-removing-{moved}"));
        let (Some(first), Some(last)) = (stack.first(), stack.last()) else {
            return Ok(());
        };
        last.folder.rename(&entry, &first.folder, &up)?;
    }
    Ok(())
}

struct Level {
    folder: Dir,
    name: OsString,
    entries: Vec<OsString>,
}

impl Level {
    fn new(folder: Dir, name: OsString) -> io::Result<Self> {
        let entries = list(&folder)?;
        Ok(Self {
            folder,
            name,
            entries,
        })
    }

    fn relist(&mut self) -> io::Result<bool> {
        self.entries = list(&self.folder)?;
        Ok(!self.entries.is_empty())
    }
}

/// The names of a folder. One that its owner may not list is opened up first.
fn list(folder: &Dir) -> io::Result<Vec<OsString>> {
    match folder.entries() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            rustix::fs::fchmod(folder, Mode::RWXU)?;
            folder.entries()
        }
        other => other,
    }
}

/// Opens a folder that is to be emptied; one that its owner may not open is opened up first, and a
/// read-only subvolume made writable.
fn open(parent: &Dir, name: &OsStr) -> io::Result<Dir> {
    let folder = match parent.open_dir(name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(parent, name)?;
            parent.open_dir(name)?
        }
        other => other?,
    };
    if subvolume::is_subvolume(&folder)? && subvolume::is_read_only(folder.as_fd())? {
        subvolume::set_read_only(folder.as_fd(), false)?;
    }
    Ok(folder)
}

/// Gives a folder to its owner, by a handle: a link that takes its place meanwhile is not followed.
fn open_up(parent: &Dir, name: &OsStr) -> io::Result<()> {
    let handle = parent.open_file(name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    Ok(rustix::fs::chmod(path, Mode::RWXU)?)
}

/// Unlinks what is no folder; marks that are in the way are cleared. `ISDIR` for a folder.
fn unlink(parent: &Dir, name: &OsStr) -> Result<(), Errno> {
    let attempt = || rustix::fs::unlinkat(parent, name, AtFlags::empty());
    match attempt() {
        Err(errno @ (Errno::PERM | Errno::ACCESS | Errno::ROFS)) => {
            // POSIX wants EPERM for folders; the check keeps marks of folders for later.
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory
            {
                return Err(Errno::ISDIR);
            }
            unprotect(parent, name);
            attempt().map_err(|_again| errno)
        }
        other => other,
    }
}

fn remove_folder(parent: &Dir, name: &OsStr) -> io::Result<()> {
    let attempt = || rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
    match attempt() {
        Ok(()) => return Ok(()),
        Err(Errno::PERM | Errno::ACCESS | Errno::ROFS) => unprotect(parent, name),
        Err(errno) => return Err(errno.into()),
    }
    attempt().or_else(|errno| match subvolume::destroy_whole(parent, name) {
        Ok(()) => Ok(()),
        Err(_no_subvolume) => Err(errno.into()),
    })
}

/// Clears what keeps an entry from being removed, on it and on its folder; what cannot be cleared
/// shows when the removal is tried again.
fn unprotect(parent: &Dir, name: &OsStr) {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    if let Ok(entry) = parent.open_file(name, flags, Mode::empty()) {
        attributes::clear_protection(entry.as_fd()).unwrap_or(());
    }
    attributes::clear_protection(parent.as_fd()).unwrap_or(());
    if rustix::fs::accessat(parent, ".", rustix::fs::Access::WRITE_OK, AtFlags::EACCESS).is_err() {
        rustix::fs::fchmod(parent, Mode::RWXU).unwrap_or(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn place() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let dir = Dir::open(place.path()).unwrap();
        (place, dir)
    }

    #[test]
    fn links_are_removed_and_not_what_they_name() {
        let (place, dir) = place();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("keep/x")).unwrap();
        std::fs::create_dir_all(path("tree/sub")).unwrap();
        symlink("../../keep", path("tree/sub/l")).unwrap();
        symlink("keep", path("link")).unwrap();
        remove(&dir, "tree".as_ref()).unwrap();
        remove(&dir, "link".as_ref()).unwrap();
        assert!(path("keep/x").is_dir());
        assert_eq!(dir.entries().unwrap(), ["keep"]);
        let error = remove(&dir, "nothing".as_ref()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn depth_and_missing_permissions_do_not_matter() {
        let (place, dir) = place();
        let mut folder = dir.try_clone().unwrap();
        for _ in 0..3000 {
            folder.make_dir("d".as_ref(), 0o700).unwrap();
            folder = folder.open_dir("d".as_ref()).unwrap();
        }
        std::fs::create_dir_all(place.path().join("d/closed/in")).unwrap();
        let closed = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(place.path().join("d/closed"), closed).unwrap();
        remove(&dir, "d".as_ref()).unwrap();
        assert!(dir.entries().unwrap().is_empty());
    }

    #[test]
    fn immutable_files_and_folders_are_removed_where_we_may() {
        let (place, dir) = place();
        std::fs::create_dir_all(place.path().join("t/sub")).unwrap();
        let file = std::fs::File::create(place.path().join("t/sub/f")).unwrap();
        if attributes::set_immutable(file.as_fd(), true).is_err() {
            return eprintln!("skipped: no immutable mark here");
        }
        let sub = std::fs::File::open(place.path().join("t/sub")).unwrap();
        attributes::set_immutable(sub.as_fd(), true).unwrap();
        remove(&dir, "t".as_ref()).unwrap();
        assert!(dir.entries().unwrap().is_empty());
    }
}
