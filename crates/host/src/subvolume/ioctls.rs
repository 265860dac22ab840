//! The calls into btrfs.
//!
//! This module holds `unsafe`: the ioctls are defined here.
//!
//! # Source
//! btrfs-ioctl(2) and the structures of linux/btrfs.h.

#![expect(unsafe_code, reason = "the ioctls of btrfs are defined here")]

use crate::dir::Dir;
use rustix::fs::{FileType, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, Setter, Updater, ioctl, opcode};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// File system type of btrfs, as statfs(2) reports it (linux/magic.h).
const BTRFS_MAGIC: u64 = 0x9123_683e;
/// Inode number of the top of every subvolume.
const SUBVOLUME_INODE: u64 = 256;
const BTRFS_IOCTL: u8 = 0x94;
const SUBVOL_RDONLY: u64 = 1 << 1;
const NAME_BYTES: usize = 4088;
const NAME_BYTES_2: usize = 4040;
/// Most children that one call lists (linux/btrfs.h, BTRFS_MAX_ROOTREF_BUFFER_NUM).
const CHILDREN_MAX: usize = 255;
/// Longest name of a subvolume and longest path that one call gives, in bytes with the end.
const CHILD_NAME_BYTES: usize = 256;
const CHILD_PATH_BYTES: usize = 3824;

/// `struct btrfs_ioctl_vol_args`
#[repr(C)]
struct VolumeArguments {
    fd: i64,
    name: [u8; NAME_BYTES],
}

/// `struct btrfs_ioctl_vol_args_v2`
#[repr(C)]
struct VolumeArguments2 {
    fd: i64,
    transaction: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; NAME_BYTES_2],
}

/// `struct btrfs_ioctl_get_subvol_info_args`
#[repr(C)]
struct InfoArguments {
    id: u64,
    name: [u8; CHILD_NAME_BYTES],
    parent_id: u64,
    folder: u64,
    generation: u64,
    flags: u64,
    uuid: [u8; 16],
    parent_uuid: [u8; 16],
    received_uuid: [u8; 16],
    transactions: [u64; 4],
    times: [[u64; 2]; 4],
    reserved: [u64; 8],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`
#[repr(C)]
struct ChildrenArguments {
    least_id: u64,
    children: [Child; CHILDREN_MAX],
    count: u8,
    padding: [u8; 7],
}

/// `struct btrfs_ioctl_ino_lookup_user_args`
#[repr(C)]
struct PlaceArguments {
    folder: u64,
    id: u64,
    name: [u8; CHILD_NAME_BYTES],
    path: [u8; CHILD_PATH_BYTES],
}

/// A subvolume within another one: its id, and the inode number of the folder it lies in.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Child {
    pub(super) id: u64,
    pub(super) folder: u64,
}

/// What tells a subvolume from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number in the file system.
    pub id: u64,
    /// The number of the subvolume it lies in; 0 for the top of the file system.
    pub parent_id: u64,
    uuid: [u8; 16],
    snapshot_of: [u8; 16],
}

impl Identity {
    /// What no other subvolume has, a copy of this one included.
    #[must_use]
    pub const fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// Whether this is a snapshot of the other one.
    #[must_use]
    pub fn is_snapshot_of(&self, other: &Self) -> bool {
        self.snapshot_of == other.uuid && self.snapshot_of != [0; 16]
    }
}

const SUBVOL_CREATE: Opcode = opcode::write::<VolumeArguments>(BTRFS_IOCTL, 14);
const SNAP_DESTROY: Opcode = opcode::write::<VolumeArguments>(BTRFS_IOCTL, 15);
const SNAP_CREATE_V2: Opcode = opcode::write::<VolumeArguments2>(BTRFS_IOCTL, 23);
const SUBVOL_GETFLAGS: Opcode = opcode::read::<u64>(BTRFS_IOCTL, 25);
const SUBVOL_SETFLAGS: Opcode = opcode::write::<u64>(BTRFS_IOCTL, 26);
const GET_SUBVOL_INFO: Opcode = opcode::read::<InfoArguments>(BTRFS_IOCTL, 60);
const GET_SUBVOL_ROOTREF: Opcode = opcode::read_write::<ChildrenArguments>(BTRFS_IOCTL, 61);
const INO_LOOKUP_USER: Opcode = opcode::read_write::<PlaceArguments>(BTRFS_IOCTL, 62);

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

/// Makes a snapshot of the subvolume that `source` is the top of. Subvolumes in it are empty folders
/// of the snapshot.
///
/// # Errors
/// `Unsupported` where the file system is not btrfs, `CrossesDevices` where it is another one,
/// `PermissionDenied` where the subvolume is somebody else's; what the ioctl says.
pub(super) fn snapshot_one(
    source: &Dir,
    parent: &Dir,
    name: &OsStr,
    read_only: bool,
) -> io::Result<()> {
    let mut arguments = VolumeArguments2 {
        fd: i64::from(source.as_fd().as_raw_fd()),
        transaction: 0,
        flags: if read_only { SUBVOL_RDONLY } else { 0 },
        unused: [0; 4],
        name: [0; NAME_BYTES_2],
    };
    fill_name(&mut arguments.name, name)?;
    // SAFETY: the opcode is defined for exactly this structure.
    let call = unsafe { Setter::<SNAP_CREATE_V2, VolumeArguments2>::new(arguments) };
    // SAFETY: the structure is read during the call only, and names a descriptor that is open.
    unsafe { ioctl(parent.as_fd(), call) }.map_err(unsupported_elsewhere)
}

/// Which subvolume an open file or folder belongs to.
///
/// # Errors
/// `Unsupported` on other file systems and before Linux 4.18.
pub fn identity(fd: impl AsFd) -> io::Result<Identity> {
    // SAFETY: the opcode is defined for exactly this structure, which any bytes make a valid one.
    let call = unsafe { Getter::<GET_SUBVOL_INFO, InfoArguments>::new() };
    // SAFETY: the kernel writes the whole structure if it says that it worked.
    let arguments = unsafe { ioctl(fd.as_fd(), call) }.map_err(unsupported_elsewhere)?;
    Ok(Identity {
        id: arguments.id,
        parent_id: arguments.parent_id,
        uuid: arguments.uuid,
        snapshot_of: arguments.parent_uuid,
    })
}

/// The subvolumes directly within the one that an open folder belongs to.
pub(super) fn children(fd: BorrowedFd<'_>) -> io::Result<Vec<Child>> {
    let mut found = Vec::new();
    let mut arguments = ChildrenArguments {
        least_id: 0,
        children: [Child::default(); CHILDREN_MAX],
        count: 0,
        padding: [0; 7],
    };
    loop {
        // SAFETY: the opcode is defined for exactly this structure.
        let call = unsafe { Updater::<GET_SUBVOL_ROOTREF, _>::new(&mut arguments) };
        // SAFETY: the structure is written during the call only and lives longer.
        let result = unsafe { ioctl(fd, call) };
        let is_all = match result {
            Ok(()) => true,
            // There are more, from the id on that it has put into the structure.
            Err(Errno::OVERFLOW) => false,
            Err(errno) => return Err(unsupported_elsewhere(errno)),
        };
        let count = usize::from(arguments.count).min(CHILDREN_MAX);
        found.extend_from_slice(&arguments.children[..count]);
        if is_all || count == 0 {
            return Ok(found);
        }
    }
}

/// Where a child lies: the path of its folder, below the folder `fd`, and its name.
pub(super) fn place_of(fd: BorrowedFd<'_>, child: Child) -> io::Result<(OsString, OsString)> {
    let mut arguments = PlaceArguments {
        folder: child.folder,
        id: child.id,
        name: [0; CHILD_NAME_BYTES],
        path: [0; CHILD_PATH_BYTES],
    };
    // SAFETY: the opcode is defined for exactly this structure.
    let call = unsafe { Updater::<INO_LOOKUP_USER, _>::new(&mut arguments) };
    // SAFETY: the structure is written during the call only and lives longer.
    unsafe { ioctl(fd, call) }.map_err(unsupported_elsewhere)?;
    Ok((text(&arguments.path), text(&arguments.name)))
}

/// The bytes before the zero at the end.
fn text(bytes: &[u8]) -> OsString {
    let end = bytes.iter().position(|byte| *byte == 0);
    OsString::from_vec(bytes[..end.unwrap_or(bytes.len())].to_vec())
}

/// Removes a subvolume that holds no other, with everything in it.
///
/// # Errors
/// `ENOTEMPTY` if it holds another one, `EROFS` or `EPERM` if it is read-only.
pub(super) fn destroy(parent: &Dir, name: &OsStr) -> io::Result<()> {
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
        let error = snapshot_one(&folder, &folder, "x".as_ref(), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let error = identity(&folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let error = children(folder.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let error = place_of(folder.as_fd(), Child::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let error = set_read_only(folder.as_fd(), true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn structures_have_the_kernels_size() {
        assert_eq!(size_of::<VolumeArguments>(), 4096);
        assert_eq!(size_of::<VolumeArguments2>(), 4096);
        assert_eq!(size_of::<InfoArguments>(), 504);
        assert_eq!(size_of::<ChildrenArguments>(), 4096);
        assert_eq!(size_of::<PlaceArguments>(), 4096);
    }
}
