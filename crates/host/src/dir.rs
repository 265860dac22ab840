//! Handles of folders: a name is looked up below an open folder, never along an absolute path.
//!
//! Only [`Dir::open`] and [`Dir::create_all`] take paths of the machine; they are for paths that the
//! administrator or the caller chose. Everything else takes one name, or resolves without leaving
//! the folder.
//!
//! # Source
//! openat(2), openat2(2).

use rustix::fs::{AtFlags, Dev, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, StatxFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

/// Size of the buffer for the names of a folder, in bytes.
const LIST_BYTES: usize = 32 << 10;

/// An open folder.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// Opens a folder by its path, following links.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a folder by its path; it and its parents are made with this mode where missing.
    ///
    /// # Errors
    /// What mkdir(2) and open(2) say.
    pub fn create_all(path: &Path, mode: u32) -> io::Result<Self> {
        if let Ok(found) = Self::open(path) {
            return Ok(found);
        }
        let start = if path.is_absolute() { "/" } else { "." };
        let mut folder = Self::open(Path::new(start))?;
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::ParentDir => OsStr::new(".."),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            };
            match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(mode)) {
                Ok(()) | Err(Errno::EXIST) => {}
                // A read-only parent is fine as long as the folder is there.
                Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) if folder.exists(name) => {}
                Err(errno) => return Err(errno.into()),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            folder = Self(rustix::fs::openat(&folder, name, flags, Mode::empty())?);
        }
        Ok(folder)
    }

    /// Opens a folder in this one; a link is not followed.
    ///
    /// # Errors
    /// `NotADirectory` for anything but a folder (`ENOTDIR` or `ELOOP` for a link).
    pub fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(Self(self.open_file(name, flags, Mode::empty())?))
    }

    /// Opens something in this folder; a link is not followed.
    ///
    /// # Errors
    /// `InvalidInput` for a name with a slash or none; what openat(2) says.
    pub fn open_file(&self, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let name = single(name)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, mode)?)
    }

    /// Opens a path as if this folder were the root: links are followed and stay inside.
    ///
    /// # Errors
    /// What openat2(2) says.
    pub fn open_in_root(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        Ok(rustix::fs::openat2(
            &self.0,
            path,
            flags,
            Mode::empty(),
            resolve,
        )?)
    }

    /// Makes a folder, with this mode less the umask.
    ///
    /// # Errors
    /// What mkdirat(2) says.
    pub fn make_dir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        Ok(rustix::fs::mkdirat(&self.0, single(name)?, mode)?)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// What symlinkat(2) says.
    pub fn symlink(&self, target: &OsStr, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.0, single(name)?)?)
    }

    /// Gives an inode of this folder a second name; a link itself, not what it names.
    ///
    /// # Errors
    /// What linkat(2) says.
    pub fn link(&self, name: &OsStr, other: &Dir, new_name: &OsStr) -> io::Result<()> {
        let (name, new_name) = (single(name)?, single(new_name)?);
        Ok(rustix::fs::linkat(
            &self.0,
            name,
            &other.0,
            new_name,
            AtFlags::empty(),
        )?)
    }

    /// Makes a device node, fifo or socket, with this mode less the umask.
    ///
    /// # Errors
    /// What mknodat(2) says.
    pub fn make_node(&self, name: &OsStr, kind: FileType, mode: u32, dev: Dev) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        Ok(rustix::fs::mknodat(
            &self.0,
            single(name)?,
            kind,
            mode,
            dev,
        )?)
    }

    /// Looks at something in this folder; a link itself, not what it names.
    ///
    /// # Errors
    /// What fstatat(2) says.
    pub fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(
            &self.0,
            single(name)?,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Looks at the folder itself.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn stat_self(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(&self.0)?)
    }

    /// Which mount the folder belongs to. Nested subvolumes of btrfs belong to the mount of their
    /// parent, although their device numbers differ.
    ///
    /// # Errors
    /// What statx(2) says.
    pub fn mount_id(&self) -> io::Result<u64> {
        let (flags, wanted) = (AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
        Ok(rustix::fs::statx(&self.0, c"", flags, wanted)?.stx_mnt_id)
    }

    /// File system and inode number: what tells folders apart.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        let stat = self.stat_self()?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Opens the folder above.
    ///
    /// # Errors
    /// What openat(2) says.
    pub fn open_parent(&self) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = rustix::fs::openat(&self.0, "..", flags, Mode::empty())?;
        Ok(Self(above))
    }

    /// Opens the folder above, which must be the one of that identity.
    ///
    /// # Errors
    /// `ESTALE` if this folder has been moved since: what is above it now is another one.
    pub fn return_to(&self, identity: (u64, u64)) -> io::Result<Self> {
        let above = self.open_parent()?;
        if above.identity()? == identity {
            Ok(above)
        } else {
            Err(Errno::STALE.into())
        }
    }

    /// Makes a file without a name on this folder's file system, open for reading and writing, mode
    /// 0600. It is gone with its last handle.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the file system has no such files; what openat(2) says.
    pub fn make_unnamed(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::openat(&self.0, ".", flags, mode)?)
    }

    /// Whether something has this name.
    #[must_use]
    pub fn exists(&self, name: &OsStr) -> bool {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// The names in this folder, sorted by their bytes, without `.` and `..`.
    ///
    /// # Errors
    /// What getdents64(2) says.
    pub fn entries(&self) -> io::Result<Vec<OsString>> {
        // Opened anew: the position of the handle is shared with its duplicates.
        let folder = self.reopen()?;
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); LIST_BYTES];
        let mut list = RawDir::new(&folder.0, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = list.next() {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a name that is no folder.
    ///
    /// # Errors
    /// What unlinkat(2) says.
    pub fn unlink(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.0,
            single(name)?,
            AtFlags::empty(),
        )?)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What unlinkat(2) says.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            &self.0,
            single(name)?,
            AtFlags::REMOVEDIR,
        )?)
    }

    /// Renames something, replacing what has the name.
    ///
    /// # Errors
    /// What renameat(2) says.
    pub fn rename(&self, name: &OsStr, other: &Dir, new_name: &OsStr) -> io::Result<()> {
        let (name, new_name) = (single(name)?, single(new_name)?);
        Ok(rustix::fs::renameat(&self.0, name, &other.0, new_name)?)
    }

    /// A handle of its own: its position is not shared.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn reopen(&self) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&self.0, ".", flags, Mode::empty())?;
        Ok(Self(folder))
    }

    /// A second handle.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Flushes the names in this folder to the disk.
    ///
    /// # Errors
    /// What fsync(2) says.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }
}

/// A name of one component. `.` and `..` would lead elsewhere.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(Errno::INVAL.into());
    }
    Ok(name)
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Dir {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> Self {
        dir.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn place() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        (place, dir)
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let (_place, dir) = place();
        for name in ["", ".", "..", "a/b", "/"] {
            let error = dir.make_dir(name.as_ref(), 0o700).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn links_are_not_followed_but_inside_a_root_they_are() {
        let (place, dir) = place();
        std::fs::create_dir_all(place.path().join("etc/real")).unwrap();
        symlink("/etc/real", place.path().join("link")).unwrap();
        assert!(dir.open_dir("link".as_ref()).is_err());
        dir.open_in_root("link".as_ref(), OFlags::DIRECTORY)
            .unwrap();
    }

    #[test]
    fn missing_parents_are_made_with_the_mode_asked_for() {
        let (place, _) = place();
        let path = place.path().join("a/b");
        Dir::create_all(&path, 0o700).unwrap();
        for folder in [place.path().join("a"), path] {
            let mode = folder.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o700);
        }
    }

    #[test]
    fn entries_are_sorted_bytes_and_can_be_read_twice() {
        let (place, dir) = place();
        for name in [&b"b"[..], b"a", b"\xff", b".h"] {
            std::fs::File::create(place.path().join(OsStr::from_bytes(name))).unwrap();
        }
        for _ in 0..2 {
            let names = dir.entries().unwrap();
            let names: Vec<_> = names.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(names, [&b".h"[..], b"a", b"b", b"\xff"]);
        }
    }
}
