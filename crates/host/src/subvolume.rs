//! btrfs subvolumes.
//!
//! This module holds `unsafe`: the ioctls are defined here.
//!
//! # Source
//! btrfs-ioctl(2) and the structures of linux/btrfs.h.

#![expect(unsafe_code, reason = "the ioctls of btrfs are defined here")]

use crate::dir::Dir;
use rustix::fs::{FileType, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, Updater, ioctl, opcode};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

/// File system type of btrfs, as statfs(2) reports it (linux/magic.h).
const BTRFS_MAGIC: u64 = 0x9123_683e;
/// Inode number of the top of every subvolume.
const SUBVOLUME_INODE: u64 = 256;
const BTRFS_IOCTL: u8 = 0x94;
const SUBVOL_RDONLY: u64 = 1 << 1;
const NAME_BYTES: usize = 4088;

/// `struct btrfs_ioctl_vol_args`
#[repr(C)]
struct VolumeArguments {
    fd: i64,
    name: [u8; NAME_BYTES],
}

const SUBVOL_CREATE: Opcode = opcode::write::<VolumeArguments>(BTRFS_IOCTL, 14);
const SNAP_DESTROY: Opcode = opcode::write::<VolumeArguments>(BTRFS_IOCTL, 15);
const SUBVOL_GETFLAGS: Opcode = opcode::read::<u64>(BTRFS_IOCTL, 25);
const SUBVOL_SETFLAGS: Opcode = opcode::write::<u64>(BTRFS_IOCTL, 26);

/// Whether an open folder is the top of a subvolume.
///
/// # Errors
/// What fstat(2) and fstatfs(2) say.
pub fn is_subvolume(fd: impl AsFd) -> io::Result<bool> {
    let fd = fd.as_fd();
    let stat = rustix::fs::fstat(fd)?;
    if stat.st_ino != SUBVOLUME_INODE
        || FileType::from_raw_mode(stat.st_mode) != FileType::Directory
    {
        return Ok(false);
    }
    is_btrfs(fd)
}

/// Whether a file lies on btrfs.
///
/// # Errors
/// What fstatfs(2) says.
pub fn is_btrfs(fd: impl AsFd) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(fd)?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|kind| kind == BTRFS_MAGIC))
}

/// Makes an empty subvolume.
///
/// # Errors
/// `Unsupported` where the file system is not btrfs; what the ioctl says.
pub fn create(parent: &Dir, name: &OsStr) -> io::Result<()> {
    if !is_btrfs(parent.as_fd())? {
        return Err(io::ErrorKind::Unsupported.into());
    }
    volume_call::<SUBVOL_CREATE>(parent, name)
}

/// Removes a subvolume that holds no other, with everything in it.
///
/// # Errors
/// `ENOTEMPTY` if it holds another one, `EROFS` or `EPERM` if it is read-only.
pub fn destroy(parent: &Dir, name: &OsStr) -> io::Result<()> {
    volume_call::<SNAP_DESTROY>(parent, name)
}

/// Whether a subvolume is marked read-only.
///
/// # Errors
/// `Unsupported` for anything else.
pub fn is_read_only(fd: impl AsFd) -> io::Result<bool> {
    Ok(flags(fd.as_fd())? & SUBVOL_RDONLY != 0)
}

/// Marks a subvolume read-only, or not.
///
/// # Errors
/// `Unsupported` for anything else.
pub fn set_read_only(fd: BorrowedFd<'_>, read_only: bool) -> io::Result<()> {
    let old = flags(fd)?;
    let new = match read_only {
        true => old | SUBVOL_RDONLY,
        false => old & !SUBVOL_RDONLY,
    };
    if new == old {
        return Ok(());
    }
    // SAFETY: the opcode is defined for one 64-bit word of flags.
    let call = unsafe { Setter::<SUBVOL_SETFLAGS, u64>::new(new) };
    // SAFETY: the word is read during the call only.
    unsafe { ioctl(fd, call) }.map_err(unsupported_elsewhere)
}

/// Whether the file system can only be read.
///
/// # Errors
/// What fstatvfs(2) says.
pub fn is_on_read_only_file_system(fd: impl AsFd) -> io::Result<bool> {
    let flags = rustix::fs::fstatvfs(fd)?.f_flag;
    Ok(flags.contains(StatVfsMountFlags::RDONLY))
}

fn flags(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut flags = 0u64;
    // SAFETY: the opcode is defined for one 64-bit word of flags.
    let call = unsafe { Updater::<SUBVOL_GETFLAGS, u64>::new(&mut flags) };
    // SAFETY: the word is written during the call only and lives longer.
    unsafe { ioctl(fd, call) }.map_err(unsupported_elsewhere)?;
    Ok(flags)
}

fn volume_call<const OPCODE: Opcode>(parent: &Dir, name: &OsStr) -> io::Result<()> {
    let mut arguments = VolumeArguments {
        fd: 0,
        name: [0; NAME_BYTES],
    };
    fill_name(&mut arguments.name, name)?;
    // SAFETY: both opcodes this is called with are defined for exactly this structure.
    let call = unsafe { Setter::<OPCODE, VolumeArguments>::new(arguments) };
    // SAFETY: the structure is read during the call only.
    unsafe { ioctl(parent.as_fd(), call) }.map_err(unsupported_elsewhere)
}

/// One component, terminated by the zeros that are there.
fn fill_name(buffer: &mut [u8], name: &OsStr) -> io::Result<()> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > 255 || bytes.contains(&b'/') || bytes.contains(&0) {
        return Err(Errno::INVAL.into());
    }
    buffer[..bytes.len()].copy_from_slice(bytes);
    Ok(())
}

fn unsupported_elsewhere(errno: Errno) -> io::Error {
    match errno {
        Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS => io::ErrorKind::Unsupported.into(),
        errno => errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_than_on_btrfs_there_are_no_subvolumes() {
        let place = tempfile::tempdir_in("/dev/shm").unwrap();
        let folder = Dir::open(place.path()).unwrap();
        let error = create(&folder, "x".as_ref()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(!is_subvolume(folder.as_fd()).unwrap());
        let error = set_read_only(folder.as_fd(), true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn structures_have_the_kernels_size() {
        assert_eq!(size_of::<VolumeArguments>(), 4096);
    }
}
