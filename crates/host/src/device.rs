//! Block devices.
//!
//! This module holds `unsafe`: the ioctl is defined here.
//!
//! # Source
//! linux/fs.h (BLKROSET), blockdev(8).

#![expect(unsafe_code, reason = "the ioctl is defined here")]

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use std::io;
use std::os::fd::BorrowedFd;

/// Takes a pointer to an `int`, although its number does not say so.
const BLKROSET: Opcode = opcode::none(0x12, 93);

/// Marks a block device read-only, until it is marked otherwise or goes away.
///
/// # Errors
/// `PermissionDenied` without CAP_SYS_ADMIN; `ENOTTY` for what is no block device.
pub fn set_read_only(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the opcode takes a pointer to an int, which Setter makes of its value.
    let call = unsafe { Setter::<BLKROSET, libc::c_int>::new(on) };
    // SAFETY: the int is read during the call only.
    Ok(unsafe { ioctl(fd, call) }?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_file_is_no_block_device() {
        let file = tempfile::tempfile().unwrap();
        let error = set_read_only(file.as_fd()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(25));
    }
}
