//! Extended attributes, inode flags and the time of birth.
//!
//! # Source
//! xattr(7), ioctl_iflags(2), statx(2).

use crate::dir::Dir;
use rustix::fs::{AtFlags, IFlags, Stat, StatxFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Longest list of names and longest value, in bytes: the kernel's own limits (limits.h,
/// XATTR_LIST_MAX and XATTR_SIZE_MAX).
const XATTR_MAX: usize = 65536;
/// Where the kernel shows a process its descriptors, proc_pid_fd(5).
const DESCRIPTORS: &str = "/proc/self/fd";
/// Where systemd notes a time of birth: 8 bytes, little-endian microseconds since 1970.
const CRTIME: &str = "user.crtime_usec";

/// How the names begin under which XFS shows the access lists a second time, as it keeps them. On
/// other file systems they would be attributes like others, that mean nothing.
const XFS_LISTS: &[u8] = b"trusted.SGI_ACL_";

/// The inode flags that copies, archives and imports restore, as bits of ioctl_iflags(2): sync,
/// nodump, noatime, dirsync, nocow, project inheritance.
pub const RESTORABLE_FLAGS: u32 =
    0x0000_0008 | 0x0000_0040 | 0x0000_0080 | 0x0001_0000 | 0x0080_0000 | 0x2000_0000;

/// The names of an open file's attributes.
///
/// # Errors
/// `Unsupported` where the file system has none; what flistxattr(2) says.
pub fn list(fd: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    read_all(|buffer| rustix::fs::flistxattr(fd, buffer)).map(|names| split(&names))
}

/// The names of the attributes of something in a folder, a link itself included.
///
/// # Errors
/// As [`list`].
pub fn list_at(folder: &Dir, name: &OsStr) -> io::Result<Vec<OsString>> {
    let names = at(folder, name, |path| {
        read_all(|buffer| rustix::fs::llistxattr(path, buffer))
    })?;
    Ok(split(&names))
}

/// The value of an open file's attribute.
///
/// # Errors
/// `ENODATA` if there is none; what fgetxattr(2) says.
pub fn get(fd: BorrowedFd<'_>, attribute: &OsStr) -> io::Result<Vec<u8>> {
    read_all(|buffer| rustix::fs::fgetxattr(fd, attribute, buffer))
}

/// The value of an attribute of something in a folder, a link itself included.
///
/// # Errors
/// As [`get`].
pub fn get_at(folder: &Dir, name: &OsStr, attribute: &OsStr) -> io::Result<Vec<u8>> {
    at(folder, name, |path| {
        read_all(|buffer| rustix::fs::lgetxattr(path, attribute, buffer))
    })
}

/// Sets an attribute of an open file.
///
/// # Errors
/// What fsetxattr(2) says.
pub fn set(fd: BorrowedFd<'_>, attribute: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(
        fd,
        attribute,
        value,
        XattrFlags::empty(),
    )?)
}

/// Sets an attribute of something in a folder, of a link itself included.
///
/// # Errors
/// What lsetxattr(2) says.
pub fn set_at(folder: &Dir, name: &OsStr, attribute: &OsStr, value: &[u8]) -> io::Result<()> {
    at(folder, name, |path| {
        Ok(rustix::fs::lsetxattr(
            path,
            attribute,
            value,
            XattrFlags::empty(),
        )?)
    })
}

/// Removes an attribute of an open file; not there is fine.
///
/// # Errors
/// What fremovexattr(2) says; not where the file system has none.
pub fn remove(fd: BorrowedFd<'_>, attribute: &OsStr) -> io::Result<()> {
    match rustix::fs::fremovexattr(fd, attribute) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Names a thing by its folder's descriptor: the last component is not followed by the `l…` calls,
/// and none stands between.
fn at<T>(folder: &Dir, name: &OsStr, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = Path::new(DESCRIPTORS)
        .join(folder.as_fd().as_raw_fd().to_string())
        .join(name);
    call(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if !Path::new(DESCRIPTORS).exists() => {
            io::Error::other("/proc is not mounted here")
        }
        _ => error,
    })
}

fn read_all(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 512];
    loop {
        match call(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < XATTR_MAX => buffer.resize(XATTR_MAX, 0),
            Err(Errno::OPNOTSUPP) => return Err(io::ErrorKind::Unsupported.into()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn split(names: &[u8]) -> Vec<OsString> {
    names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && !name.starts_with(XFS_LISTS))
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect()
}

/// The restorable inode flags of an open file; none where the file system has none.
///
/// # Errors
/// What the ioctl says otherwise.
pub fn flags(fd: BorrowedFd<'_>) -> io::Result<u32> {
    match rustix::fs::ioctl_getflags(fd) {
        Ok(flags) => Ok(flags.bits() & RESTORABLE_FLAGS),
        Err(errno) if is_unsupported(errno) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// Adds restorable inode flags to an open file; others are ignored.
///
/// # Errors
/// `Unsupported` where the file system cannot hold them.
pub fn set_flags(fd: BorrowedFd<'_>, wanted: u32) -> io::Result<()> {
    match wanted & RESTORABLE_FLAGS {
        0 => Ok(()),
        wanted => change_flags(fd, wanted, 0),
    }
}

/// Sets or clears the immutable mark.
///
/// # Errors
/// `Unsupported` where the file system has none; `PermissionDenied` without CAP_LINUX_IMMUTABLE.
pub fn set_immutable(fd: BorrowedFd<'_>, immutable: bool) -> io::Result<()> {
    let bit = IFlags::IMMUTABLE.bits();
    match immutable {
        true => change_flags(fd, bit, 0),
        false => change_flags(fd, 0, bit),
    }
}

/// Whether the immutable mark is set; not where the file system has none.
///
/// # Errors
/// What the ioctl says.
pub fn is_immutable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    match rustix::fs::ioctl_getflags(fd) {
        Ok(flags) => Ok(flags.contains(IFlags::IMMUTABLE)),
        Err(errno) if is_unsupported(errno) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes the access lists of an open file or folder, inherited ones.
///
/// # Errors
/// What fremovexattr(2) says; not where there is none, or the file system has none.
pub fn remove_access_lists(fd: BorrowedFd<'_>) -> io::Result<()> {
    for name in [c"system.posix_acl_access", c"system.posix_acl_default"] {
        match rustix::fs::fremovexattr(fd, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Clears the marks that keep a file or folder from being changed or removed.
///
/// # Errors
/// As [`set_immutable`].
pub fn clear_protection(fd: BorrowedFd<'_>) -> io::Result<()> {
    change_flags(fd, 0, IFlags::IMMUTABLE.bits() | IFlags::APPEND.bits())
}

/// The flag of [`set_no_copy_on_write`], among those of [`flags`].
pub const NO_COPY_ON_WRITE: u32 = IFlags::NOCOW.bits();

/// Marks a new, empty file to be overwritten in place on btrfs.
///
/// # Errors
/// `Unsupported` on other file systems.
pub fn set_no_copy_on_write(fd: BorrowedFd<'_>) -> io::Result<()> {
    change_flags(fd, IFlags::NOCOW.bits(), 0)
}

fn change_flags(fd: BorrowedFd<'_>, set: u32, clear: u32) -> io::Result<()> {
    let change = || {
        let old = rustix::fs::ioctl_getflags(fd)?.bits();
        let new = (old | set) & !clear;
        if new == old {
            return Ok(());
        }
        rustix::fs::ioctl_setflags(fd, IFlags::from_bits_retain(new))
    };
    change().map_err(|errno| match is_unsupported(errno) {
        true => io::ErrorKind::Unsupported.into(),
        false => errno.into(),
    })
}

fn is_unsupported(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL
    )
}

/// When a file was made, if the file system knows.
///
/// # Errors
/// What statx(2) says.
pub fn birth_time(fd: BorrowedFd<'_>) -> io::Result<Option<SystemTime>> {
    let stat = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?;
    if stat.stx_mask & StatxFlags::BTIME.bits() == 0 {
        return Ok(None);
    }
    let seconds = u64::try_from(stat.stx_btime.tv_sec).unwrap_or(0);
    let since = Duration::new(seconds, stat.stx_btime.tv_nsec);
    Ok(Some(SystemTime::UNIX_EPOCH + since))
}

/// The times of access and of change of contents, to be given to another inode.
#[must_use]
pub fn times(stat: &Stat) -> Timestamps {
    let time = |tv_sec, nanoseconds| Timespec {
        tv_sec,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Notes a time of birth in the attribute where systemd looks for it.
///
/// # Errors
/// As [`set`].
pub fn set_crtime(fd: BorrowedFd<'_>, birth: SystemTime) -> io::Result<()> {
    let since = birth
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let microseconds = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    set(fd, OsStr::new(CRTIME), &microseconds.to_le_bytes())
}

/// The time of birth noted in the attribute, in microseconds since 1970.
#[must_use]
pub fn crtime(fd: BorrowedFd<'_>) -> Option<u64> {
    let value = get(fd, OsStr::new(CRTIME)).ok()?;
    Some(u64::from_le_bytes(value.try_into().ok()?)).filter(|time| *time != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_round_trip_by_descriptor_and_by_name() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let folder = Dir::open(place.path()).unwrap();
        let file = std::fs::File::create(place.path().join("f")).unwrap();
        let long = vec![7; 3000];
        set(file.as_fd(), "user.long".as_ref(), &long).unwrap();
        set_at(&folder, "f".as_ref(), "user.b".as_ref(), b"").unwrap();
        assert_eq!(
            get_at(&folder, "f".as_ref(), "user.long".as_ref()).unwrap(),
            long
        );
        let mut names = list_at(&folder, "f".as_ref()).unwrap();
        names.sort();
        assert_eq!(names, ["user.b", "user.long"]);
        let error = get(file.as_fd(), "user.none".as_ref()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NODATA.raw_os_error()));
    }

    #[test]
    fn names_are_split_and_what_xfs_shows_twice_is_left_out() {
        let names = split(b"user.a\0trusted.SGI_ACL_FILE\0system.posix_acl_access\0");
        assert_eq!(names, ["user.a", "system.posix_acl_access"]);
        assert!(split(b"").is_empty());
    }

    #[test]
    fn the_time_of_birth_is_noted_and_found() {
        let file = tempfile::tempfile_in("/var/tmp").unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        set_crtime(file.as_fd(), time).unwrap();
        assert_eq!(crtime(file.as_fd()), Some(1_700_000_000_123_456));
        assert!(birth_time(file.as_fd()).unwrap().is_some());
    }
}
