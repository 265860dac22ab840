//! btrfs quota groups: what a subvolume and all in it occupy, counted and limited together.
//!
//! A group is LEVEL/NUMBER. The file system keeps 0/ID for each subvolume ID; groups of higher levels
//! hold others. For images they are made as machined and importd have them: a pool 255/ROOT for the
//! image root, 254/ID in it for each image, with the image's own 0/ID in that, so that a limit on the
//! pool holds for all images and one on an image for what it has in it.
//!
//! This module holds `unsafe`: the ioctls are defined here.
//!
//! # Source
//! btrfs-ioctl(2), btrfs-quota(8), the structures of linux/btrfs.h and linux/btrfs_tree.h.

#![expect(unsafe_code, reason = "the ioctls of btrfs are defined here")]

use crate::subvolume;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, Updater, ioctl, opcode};
use std::io;
use std::os::fd::BorrowedFd;

const BTRFS_IOCTL: u8 = 0x94;
/// The tree of quota groups, and the kind of its items that say which group is in which
/// (linux/btrfs_tree.h).
const QUOTA_TREE: u64 = 8;
const RELATION: u32 = 246;
/// Bits of a group's number below its level (linux/btrfs_tree.h, BTRFS_QGROUP_LEVEL_SHIFT).
const LEVEL_SHIFT: u32 = 48;
/// The level of the first group above a subvolume that is in none.
const LEVEL_TOP: u64 = 255;
/// Room for the items that one search finds, in bytes: some hundred relations.
const SEARCH_BYTES: usize = 16 << 10;
/// Most relations of one group that are looked at. Ours are in one or two.
const RELATIONS_MAX: usize = 10_000;
/// Bytes of what stands before each item, and where the third number of its key stands in it.
const ITEM_HEADER_BYTES: usize = 32;
const ITEM_OFFSET_AT: usize = 16;
const ITEM_LENGTH_AT: usize = 28;

/// `struct btrfs_ioctl_search_key`
#[repr(C)]
#[derive(Clone, Copy)]
struct SearchKey {
    tree: u64,
    object: [u64; 2],
    offset: [u64; 2],
    transaction: [u64; 2],
    kind: [u32; 2],
    count: u32,
    unused: [u32; 9],
}

/// `struct btrfs_ioctl_search_args_v2`, without what is found
#[repr(C)]
struct SearchHead {
    key: SearchKey,
    bytes: u64,
}

/// The same, with room for what is found.
#[repr(C)]
struct Search {
    head: SearchHead,
    found: [u8; SEARCH_BYTES],
}

/// `struct btrfs_ioctl_qgroup_create_args`
#[repr(C)]
struct CreateArguments {
    create: u64,
    group: u64,
}

/// `struct btrfs_ioctl_qgroup_assign_args`
#[repr(C)]
struct AssignArguments {
    assign: u64,
    group: u64,
    parent: u64,
}

/// `struct btrfs_ioctl_quota_rescan_args`
#[repr(C)]
struct RescanArguments {
    flags: u64,
    progress: u64,
    reserved: [u64; 6],
}

const TREE_SEARCH_V2: Opcode = opcode::read_write::<SearchHead>(BTRFS_IOCTL, 17);
const QGROUP_ASSIGN: Opcode = opcode::write::<AssignArguments>(BTRFS_IOCTL, 41);
const QGROUP_CREATE: Opcode = opcode::write::<CreateArguments>(BTRFS_IOCTL, 42);
const QUOTA_RESCAN: Opcode = opcode::write::<RescanArguments>(BTRFS_IOCTL, 44);

/// What came of [`set_up`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// The subvolume is in a group of its own now.
    Made,
    /// It was in one already.
    Kept,
    /// It is no subvolume.
    NoSubvolume,
    /// Quota is not enabled on the file system.
    Disabled,
}

/// Puts the subvolume that an open folder is the top of into a group of its own, one level below
/// those of the subvolume around it, and that group into those.
///
/// # Errors
/// `ResourceBusy` if there is no level left; `PermissionDenied` without CAP_SYS_ADMIN; what the
/// ioctls say.
pub fn set_up(folder: BorrowedFd<'_>) -> io::Result<SetUp> {
    if !subvolume::is_subvolume(folder)? {
        return Ok(SetUp::NoSubvolume);
    }
    let identity = subvolume::identity(folder)?;
    let Some(groups) = parents(folder, identity.id)? else {
        return Ok(SetUp::Disabled);
    };
    if !groups.is_empty() {
        return Ok(SetUp::Kept);
    }
    let around = match identity.parent_id {
        0 => Vec::new(),
        around => parents(folder, around)?.unwrap_or_default(),
    };
    let level = match around.iter().map(|group| level(*group)).min() {
        None => LEVEL_TOP,
        Some(0 | 1) => return Err(Errno::BUSY.into()),
        Some(lowest) => lowest - 1,
    };
    let group = level << LEVEL_SHIFT | identity.id;
    create(folder, group)?;
    let mut stale = false;
    for parent in around {
        stale |= assign(folder, group, parent)?;
    }
    stale |= assign(folder, identity.id, group)?;
    if stale {
        rescan(folder)?;
    }
    Ok(SetUp::Made)
}

/// Removes the groups that are named for a subvolume that is gone.
///
/// # Errors
/// What the ioctls say; that of the subvolume itself may stay until the kernel has cleaned up.
pub fn forget(folder: BorrowedFd<'_>, id: u64) -> io::Result<()> {
    let mut group = id;
    let mut named = Vec::new();
    // Levels only grow: this ends.
    while let Some(parents) = parents(folder, group)? {
        for parent in &parents {
            unassign(folder, group, *parent)?;
        }
        let Some(above) = parents.into_iter().find(|parent| number(*parent) == id) else {
            break;
        };
        named.push(above);
        group = above;
    }
    for group in named {
        destroy(folder, group)?;
    }
    match destroy(folder, id) {
        // Newer kernels remove it themselves, when nothing of the subvolume is left.
        Err(Errno::NOENT | Errno::BUSY | Errno::NOTCONN) => Ok(()),
        other => Ok(other?),
    }
}

const fn level(group: u64) -> u64 {
    group >> LEVEL_SHIFT
}

const fn number(group: u64) -> u64 {
    group & ((1 << LEVEL_SHIFT) - 1)
}

/// The groups that a group is in; `None` if quota is not enabled.
fn parents(fd: BorrowedFd<'_>, group: u64) -> io::Result<Option<Vec<u64>>> {
    let mut found = Vec::new();
    let mut least = 0;
    while found.len() < RELATIONS_MAX {
        let others = match relations(fd, group, least) {
            Err(Errno::NOENT | Errno::NOTCONN) => return Ok(None),
            other => other?,
        };
        let Some(last) = others.last() else { break };
        let Some(next) = last.checked_add(1) else {
            break;
        };
        least = next;
        // Relations are kept in both directions.
        let above = others
            .into_iter()
            .filter(|other| level(*other) > level(group));
        found.extend(above);
    }
    Ok(Some(found))
}

/// The groups that this one has to do with, from the number `least` on; some of them at least.
fn relations(fd: BorrowedFd<'_>, group: u64, least: u64) -> Result<Vec<u64>, Errno> {
    let mut search = Box::new(Search {
        head: SearchHead {
            key: SearchKey {
                tree: QUOTA_TREE,
                object: [group; 2],
                offset: [least, u64::MAX],
                transaction: [0, u64::MAX],
                kind: [RELATION; 2],
                count: u32::MAX,
                unused: [0; 9],
            },
            bytes: SEARCH_BYTES as u64,
        },
        found: [0; SEARCH_BYTES],
    });
    // SAFETY: the opcode is defined for this structure with as much behind it as it says.
    let call = unsafe { Updater::<TREE_SEARCH_V2, Search>::new(&mut search) };
    // SAFETY: the structure is written during the call only and lives longer.
    unsafe { ioctl(fd, call) }?;
    let (mut found, mut at) = (Vec::new(), 0);
    for _ in 0..search.head.key.count {
        let Some(item) = search.found.get(at..at + ITEM_HEADER_BYTES) else {
            break;
        };
        found.push(number_at(item, ITEM_OFFSET_AT));
        let length = number_at(item, ITEM_LENGTH_AT - 4) >> 32;
        at += ITEM_HEADER_BYTES + usize::try_from(length).unwrap_or(SEARCH_BYTES);
    }
    Ok(found)
}

/// Eight bytes of an item's header, in the order of this machine.
fn number_at(item: &[u8], at: usize) -> u64 {
    let bytes = item.get(at..).and_then(|rest| rest.first_chunk());
    u64::from_ne_bytes(bytes.copied().unwrap_or_default())
}

fn create(fd: BorrowedFd<'_>, group: u64) -> io::Result<()> {
    match change(fd, group, true) {
        Err(Errno::EXIST) => Ok(()),
        other => Ok(other?),
    }
}

fn destroy(fd: BorrowedFd<'_>, group: u64) -> Result<(), Errno> {
    change(fd, group, false)
}

fn change(fd: BorrowedFd<'_>, group: u64, exists: bool) -> Result<(), Errno> {
    let arguments = CreateArguments {
        create: u64::from(exists),
        group,
    };
    // SAFETY: the opcode is defined for exactly this structure.
    let call = unsafe { Setter::<QGROUP_CREATE, CreateArguments>::new(arguments) };
    // SAFETY: the structure is read during the call only.
    unsafe { ioctl(fd, call) }
}

/// Puts a group into another one; says whether the numbers have to be counted anew.
fn assign(fd: BorrowedFd<'_>, group: u64, parent: u64) -> io::Result<bool> {
    match relate(fd, group, parent, true) {
        Err(Errno::EXIST) => Ok(false),
        other => Ok(other?),
    }
}

fn unassign(fd: BorrowedFd<'_>, group: u64, parent: u64) -> io::Result<()> {
    match relate(fd, group, parent, false) {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other.map(|_stale| ())?),
    }
}

fn relate(fd: BorrowedFd<'_>, group: u64, parent: u64, is_in: bool) -> Result<bool, Errno> {
    let call = Assign(AssignArguments {
        assign: u64::from(is_in),
        group,
        parent,
    });
    // SAFETY: the opcode is defined for exactly this structure, which is read during the call only.
    unsafe { ioctl(fd, call) }
}

fn rescan(fd: BorrowedFd<'_>) -> io::Result<()> {
    let arguments = RescanArguments {
        flags: 0,
        progress: 0,
        reserved: [0; 6],
    };
    // SAFETY: the opcode is defined for exactly this structure.
    let call = unsafe { Setter::<QUOTA_RESCAN, RescanArguments>::new(arguments) };
    // SAFETY: the structure is read during the call only.
    match unsafe { ioctl(fd, call) } {
        // One is going on.
        Ok(()) | Err(Errno::INPROGRESS | Errno::BUSY) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A call whose answer is in its result: above zero if the numbers have to be counted anew.
struct Assign(AssignArguments);

// SAFETY: opcode and pointer belong together, and the kernel writes nothing there.
unsafe impl rustix::ioctl::Ioctl for Assign {
    type Output = bool;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        QGROUP_ASSIGN
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        (&raw mut self.0).cast()
    }

    unsafe fn output_from_ptr(
        out: rustix::ioctl::IoctlOutput,
        _pointer: *mut std::ffi::c_void,
    ) -> Result<bool, Errno> {
        Ok(out > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn structures_have_the_kernels_size() {
        assert_eq!(size_of::<SearchKey>(), 104);
        assert_eq!(size_of::<SearchHead>(), 112);
        assert_eq!(size_of::<CreateArguments>(), 16);
        assert_eq!(size_of::<AssignArguments>(), 24);
        assert_eq!(size_of::<RescanArguments>(), 64);
    }

    #[test]
    fn elsewhere_than_on_btrfs_there_are_no_groups() {
        let place = tempfile::tempdir_in("/dev/shm").unwrap();
        let folder = crate::dir::Dir::open(place.path()).unwrap();
        let fd = folder.as_fd();
        assert_eq!(set_up(fd).unwrap(), SetUp::NoSubvolume);
        assert!(forget(fd, 256).is_err());
        assert!(relations(fd, 256, 0).is_err());
        assert!(relate(fd, 256, 257, true).is_err());
        assert!(change(fd, 256, true).is_err());
        assert!(rescan(fd).is_err());
    }

    #[test]
    fn groups_are_a_level_and_a_number() {
        let group = 254 << LEVEL_SHIFT | 300;
        assert_eq!((level(group), number(group)), (254, 300));
        assert_eq!((level(300), number(300)), (0, 300));
    }
}
