//! Contents of one regular file.

use super::facts::Facts;
use crate::copy::{copy_sparse, read_at, write_at};
use crate::sparse::start_writeback;
use rustix::fs::Stat;
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;

/// Files up to this many bytes without holes are read and written at once; for larger ones the
/// kernel copies by itself.
pub(super) const SMALL_BYTES: usize = 128 << 10;

/// Told how far in the file it is; its error ends the copy.
pub(super) type Tell<'a> = &'a mut dyn FnMut(u64) -> io::Result<()>;

/// Bytes that a file occupies, as far as it has contents for them.
pub(super) fn allocated(stat: &Stat) -> u64 {
    size(stat).min(crate::tree::allocated(stat))
}

pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Copies the contents of `from`, of which `stat` is known, into the empty file `to`. Says how many bytes
/// were written: none if the file system shares them.
pub(super) fn copy(
    (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
    stat: &Stat,
    facts: &Facts,
    buffer: &mut [u8],
    tell: Tell<'_>,
) -> io::Result<u64> {
    let size = size(stat);
    if size == 0 || (facts.may_clone() && clone(from, to, facts)?) {
        return Ok(0);
    }
    match usize::try_from(size) {
        Ok(small) if small <= buffer.len() && allocated(stat) >= size => {
            copy_small((from, to), &mut buffer[..small])?;
            Ok(size)
        }
        _ => {
            let mut written_back = 0;
            copy_sparse(from, to, size, &mut |position| {
                start_writeback(to, written_back, position.saturating_sub(written_back));
                written_back = position;
                tell(position)
            })
        }
    }
}

/// Shares the contents. `false` if that cannot be.
fn clone(from: BorrowedFd<'_>, to: BorrowedFd<'_>, facts: &Facts) -> io::Result<bool> {
    match rustix::fs::ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::NOSYS) => {
            facts.cannot_clone();
            Ok(false)
        }
        // This file cannot, another one may: marks differ, or it is a swap file.
        Err(Errno::INVAL | Errno::BADF | Errno::PERM | Errno::TXTBSY) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads all and writes all. A file that shrank meanwhile keeps its length, with a hole at the end.
fn copy_small((from, to): (BorrowedFd<'_>, BorrowedFd<'_>), buffer: &mut [u8]) -> io::Result<()> {
    let filled = read_at(from, buffer, 0)?;
    write_at(to, &buffer[..filled], 0)?;
    if filled < buffer.len() {
        rustix::fs::ftruncate(to, buffer.len() as u64)?;
    }
    Ok(())
}
