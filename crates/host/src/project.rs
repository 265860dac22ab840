//! Project numbers of inodes, by which ext4 and XFS count and limit what a tree uses.
//!
//! This module holds `unsafe`: the ioctls are defined here.
//!
//! # Source
//! ioctl_fsxattr(2), linux/fs.h (`struct fsxattr`).

#![expect(unsafe_code, reason = "the ioctls are defined here")]

use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, Setter, ioctl, opcode};
use std::io;
use std::os::fd::BorrowedFd;

/// `struct fsxattr`
#[repr(C)]
#[derive(Clone, Copy)]
struct Attributes {
    xflags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_on_write_extent_size: u32,
    padding: [u8; 8],
}

const GET: Opcode = opcode::read::<Attributes>(b'X', 31);
const SET: Opcode = opcode::write::<Attributes>(b'X', 32);

/// The project of an open file or folder; 0 is none.
///
/// # Errors
/// `Unsupported` where the file system has none; what the ioctl says otherwise.
pub fn get(fd: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(read(fd)?.project)
}

/// Puts an open file or folder into a project.
///
/// # Errors
/// `Unsupported` where the file system cannot hold it, `PermissionDenied` where we may not.
pub fn set(fd: BorrowedFd<'_>, project: u32) -> io::Result<()> {
    let mut attributes = read(fd)?;
    attributes.project = project;
    // SAFETY: the opcode is defined for exactly this structure.
    let call = unsafe { Setter::<SET, Attributes>::new(attributes) };
    // SAFETY: the structure is read during the call only.
    unsafe { ioctl(fd, call) }.map_err(unsupported)
}

fn read(fd: BorrowedFd<'_>) -> io::Result<Attributes> {
    // SAFETY: the opcode is defined for exactly this structure, which any bytes make a valid one.
    let call = unsafe { Getter::<GET, Attributes>::new() };
    // SAFETY: the kernel writes the whole structure if it says that it worked.
    unsafe { ioctl(fd, call) }.map_err(unsupported)
}

fn unsupported(errno: Errno) -> io::Error {
    match errno {
        Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL => {
            io::ErrorKind::Unsupported.into()
        }
        errno => errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_structure_has_the_kernels_size() {
        assert_eq!(size_of::<Attributes>(), 28);
    }

    #[test]
    fn a_project_is_read_where_there_are_any_and_told_missing_elsewhere() {
        let file = tempfile::tempfile_in("/var/tmp").unwrap();
        match get(file.as_fd()) {
            Ok(project) => match set(file.as_fd(), project) {
                Ok(()) => assert_eq!(get(file.as_fd()).unwrap(), project),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
            },
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let error = get(reader.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let error = set(reader.as_fd(), 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
