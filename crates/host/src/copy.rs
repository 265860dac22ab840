//! Contents of one file into another, without reading holes and, where possible, without copying.
//!
//! This module holds `unsafe`: the ioctl that clones a range is defined here.
//!
//! # Source
//! ioctl_ficlone(2), ioctl_ficlonerange(2), copy_file_range(2), lseek(2) (SEEK_DATA, SEEK_HOLE).

#![expect(unsafe_code, reason = "the ioctl that clones a range is defined here")]

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct file_clone_range` of linux/fs.h.
#[repr(C)]
struct CloneRange {
    source_fd: i64,
    source_offset: u64,
    source_length: u64,
    target_offset: u64,
}

const FICLONERANGE: Opcode = opcode::write::<CloneRange>(0x94, 13);

/// Most bytes copied by one system call, so that progress and cancel are seen in between.
const STEP_BYTES: u64 = 16 << 20;
/// Size of the buffer where the kernel cannot copy by itself, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Makes `to` share all data of `from`. `false` if the file systems cannot: nothing has changed.
///
/// # Errors
/// What the ioctl says otherwise: no space, for one.
pub fn clone_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<bool> {
    is_shared(rustix::fs::ioctl_ficlone(to, from))
}

fn is_shared(result: Result<(), Errno>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(
            Errno::OPNOTSUPP
            | Errno::XDEV
            | Errno::INVAL
            | Errno::NOTTY
            | Errno::NOSYS
            | Errno::BADF
            | Errno::PERM
            | Errno::TXTBSY,
        ) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes a stretch of `to` share the data of one of `from`: `length` bytes, from its `offset` on.
/// `false` if the file systems cannot: nothing has changed.
///
/// # Errors
/// As [`clone_file`].
pub fn clone_range(
    from: BorrowedFd<'_>,
    from_offset: u64,
    to: BorrowedFd<'_>,
    (offset, length): (u64, u64),
) -> io::Result<bool> {
    let range = CloneRange {
        source_fd: i64::from(from.as_raw_fd()),
        source_offset: from_offset,
        source_length: length,
        target_offset: offset,
    };
    // SAFETY: FICLONERANGE is defined for exactly this structure.
    let call = unsafe { Setter::<FICLONERANGE, CloneRange>::new(range) };
    // SAFETY: the structure is read during the call only; both descriptors are borrowed and open.
    is_shared(unsafe { ioctl(to, call) })
}

/// Where a file of `size` bytes has data: `(offset, length)` in order. The whole file where the
/// file system does not say.
///
/// The position of the descriptor is moved; readers use positions of their own.
///
/// # Errors
/// What lseek(2) says.
pub fn data_extents(fd: BorrowedFd<'_>, size: u64) -> io::Result<Vec<(u64, u64)>> {
    let mut extents = Vec::new();
    let before = rustix::fs::tell(fd).unwrap_or(0);
    let mut position = 0;
    while position < size {
        let start = match rustix::fs::seek(fd, SeekFrom::Data(position)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                extents = vec![(0, size)];
                break;
            }
            Err(errno) => return Err(errno.into()),
        };
        if start >= size {
            break;
        }
        let end = match rustix::fs::seek(fd, SeekFrom::Hole(start)) {
            Ok(end) => end.min(size),
            // Cut off since: what is left is a hole.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        extents.push((start, end - start));
        position = end;
    }
    match rustix::fs::seek(fd, SeekFrom::Start(before)) {
        Ok(_) | Err(Errno::SPIPE) => Ok(extents),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives the empty file `to` all bytes of `from`: shared where the file systems can, else copied, with
/// its holes. `check` may end it.
///
/// # Errors
/// As [`clone_file`] and [`copy_sparse`].
pub fn duplicate(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    check: &dyn Fn() -> io::Result<()>,
) -> io::Result<()> {
    if clone_file(from, to)? {
        return Ok(());
    }
    let length = u64::try_from(rustix::fs::fstat(from)?.st_size).unwrap_or(0);
    copy_sparse(from, to, length, &mut |_position| check()).map(drop)
}

/// Copies the first `length` bytes of `from` into the empty file `to`; holes stay holes. `tell` is
/// told how far it is and may end it.
///
/// # Errors
/// What reading and writing say, and what `tell` says.
pub fn copy_sparse(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    length: u64,
    tell: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<u64> {
    let mut by_kernel = true;
    let mut copied = 0;
    for (offset, extent) in data_extents(from, length)? {
        let end = offset + extent;
        let mut position = offset;
        while position < end {
            let step = STEP_BYTES.min(end - position);
            let now = copy_step(from, to, (position, step), &mut by_kernel)?;
            if now == 0 {
                // The file shrank: what is missing stays a hole.
                break;
            }
            position += now;
            copied += now;
            tell(position)?;
        }
    }
    rustix::fs::ftruncate(to, length)?;
    Ok(copied)
}

fn copy_step(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    (offset, length): (u64, u64),
    by_kernel: &mut bool,
) -> io::Result<u64> {
    if *by_kernel {
        let (mut source, mut target) = (offset, offset);
        let most = usize::try_from(length).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), most) {
            Ok(copied) => return Ok(copied as u64),
            Err(
                Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::BADF,
            ) => *by_kernel = false,
            Err(Errno::INTR) => return copy_step(from, to, (offset, length), by_kernel),
            Err(errno) => return Err(errno.into()),
        }
    }
    let most = usize::try_from(length).map_or(BUFFER_BYTES, |length| length.min(BUFFER_BYTES));
    let mut buffer = vec![0; most];
    let got = rustix::io::pread(from, &mut buffer, offset)?;
    write_at(to, &buffer[..got], offset)?;
    Ok(got as u64)
}

/// Reads at `offset` until the buffer is full or the file ends; says how much that was.
///
/// # Errors
/// What pread(2) says.
pub fn read_at(fd: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match rustix::io::pread(fd, &mut buffer[length..], offset + length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(length)
}

/// Writes all of `data` at `offset`.
///
/// # Errors
/// What pwrite(2) says; a write of nothing is a full disk.
pub fn write_at(fd: BorrowedFd<'_>, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        match rustix::io::pwrite(fd, data, offset) {
            Ok(0) => return Err(Errno::NOSPC.into()),
            Ok(length) => {
                data = &data[length..];
                offset += length as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn data_and_holes_are_copied_as_such() {
        let from = tempfile::tempfile_in("/var/tmp").unwrap();
        from.set_len(8 << 20).unwrap();
        from.write_all_at(b"one", 0).unwrap();
        from.write_all_at(b"two", 5 << 20).unwrap();
        let extents = data_extents(from.as_fd(), 8 << 20).unwrap();
        assert_eq!(extents.len(), 2, "{extents:?}");
        assert_eq!(extents[0].0, 0);
        let to = tempfile::tempfile_in("/var/tmp").unwrap();
        let mut told = 0;
        copy_sparse(from.as_fd(), to.as_fd(), 8 << 20, &mut |position| {
            told = position;
            Ok(())
        })
        .unwrap();
        assert!(told > 5 << 20);
        assert_eq!(to.metadata().unwrap().len(), 8 << 20);
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
        let mut three = [0; 3];
        to.read_exact_at(&mut three, 5 << 20).unwrap();
        assert_eq!(&three, b"two");
    }

    #[test]
    fn a_range_is_shared_where_the_file_system_can_and_only_then() {
        assert_eq!(size_of::<CloneRange>(), 32);
        let from = tempfile::tempfile_in("/var/tmp").unwrap();
        from.write_all_at(&[7; 8192], 0).unwrap();
        let to = tempfile::tempfile_in("/var/tmp").unwrap();
        let shared = clone_range(from.as_fd(), 4096, to.as_fd(), (8192, 4096)).unwrap();
        let expected = if shared { 12288 } else { 0 };
        assert_eq!(to.metadata().unwrap().len(), expected);
    }

    #[test]
    fn a_full_disk_is_told_by_its_number() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let error = write_at(full.as_fd(), b"x", 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28));
    }
}
