//! A stretch of a file or device that is filled in any order, by several threads.
//!
//! On a new file blocks of zeros are left out and become holes. Over something that is there
//! already zeros are made by the kernel where it can (a hole in a file, zeroed blocks of a device)
//! and written where it cannot.
//!
//! # Source
//! fallocate(2), ioctl_ficlonerange(2), pwrite(2).

use crate::copy::{self, write_at};
use crate::sparse::{self, is_zero};
use rustix::fs::{FallocateFlags, FileType};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Zeros are looked for in units of this many bytes, aligned to the file: the block size of common
/// file systems. Smaller runs gain nothing.
const BLOCK_BYTES: u64 = 4096;
/// Over what is there already, shorter runs of zeros are written with their neighbours: a call of
/// its own would cost more than it saves.
const ZEROS_BYTES_MIN: u64 = 64 << 10;
/// How many zeros are written at once where the kernel cannot make them, in bytes.
const WRITE_BYTES: usize = 1 << 20;

/// What lies under a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// A new file: all of it reads as zeros.
    Blank,
    /// A file with contents.
    File,
    /// A block device.
    Device,
}

/// A stretch to fill; offsets begin at its start.
#[derive(Debug)]
pub struct Canvas {
    fd: OwnedFd,
    start: u64,
    ground: Ground,
    /// Whether ranges of other files may be shared instead of copied; off after the first refusal.
    shares: AtomicBool,
    /// End of what was touched so far.
    reached: AtomicU64,
}

impl Canvas {
    /// A new, empty file.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn blank(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Self::new(fd, 0, Ground::Blank)
    }

    /// What lies in a file or on a block device from `start` on, in bytes.
    ///
    /// # Errors
    /// What fstat(2) says; when no more descriptors can be had.
    pub fn over(fd: BorrowedFd<'_>, start: u64) -> io::Result<Self> {
        let mode = rustix::fs::fstat(fd)?.st_mode;
        match FileType::from_raw_mode(mode) {
            FileType::BlockDevice => Self::new(fd, start, Ground::Device),
            _ => Self::new(fd, start, Ground::File),
        }
    }

    fn new(fd: BorrowedFd<'_>, start: u64, ground: Ground) -> io::Result<Self> {
        Ok(Self {
            fd: fd.try_clone_to_owned()?,
            start,
            ground,
            shares: AtomicBool::new(true),
            reached: AtomicU64::new(0),
        })
    }

    /// The file or device.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether this is a new file, all of which reads as zeros until it is written.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.ground == Ground::Blank
    }

    /// How far what was there has been touched, in bytes from the start; 0 if it was not.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }

    /// Puts bytes at `offset`.
    ///
    /// # Errors
    /// What pwrite(2) says: a full disk or device is `ENOSPC`.
    pub fn paint(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.touch(offset + data.len() as u64);
        let least = match self.ground {
            Ground::Blank => 0,
            Ground::File | Ground::Device => ZEROS_BYTES_MIN,
        };
        // The stretch that is not written yet, up to where the scan is.
        let mut pending = 0;
        let mut position = 0;
        while position < data.len() {
            let (end, zero) = self.run(data, position, offset);
            let length = (end - position) as u64;
            if zero && length >= least {
                self.write(&data[pending..position], offset + pending as u64)?;
                self.zero(offset + position as u64, length)?;
                pending = end;
            }
            position = end;
        }
        self.write(&data[pending..], offset + pending as u64)
    }

    /// Makes a stretch read as zeros. A file does not grow by it.
    ///
    /// # Errors
    /// As [`Canvas::paint`].
    pub fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        self.touch(offset + length);
        let start = self.start + offset;
        match self.ground {
            Ground::Blank => Ok(()),
            Ground::File => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                self.allocate_or_write(flags, start, length)
            }
            Ground::Device => {
                // Whole blocks only; the edges are written.
                let end = start + length;
                let (first, last) = (start.next_multiple_of(BLOCK_BYTES), end - end % BLOCK_BYTES);
                if first >= last {
                    return self.write_zeros(start, length);
                }
                self.write_zeros(start, first - start)?;
                let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
                self.allocate_or_write(flags, first, last - first)?;
                self.write_zeros(last, end - last)
            }
        }
    }

    /// Takes over a stretch of another file, shared where the file systems can. `false` if they
    /// cannot: nothing has changed then.
    ///
    /// # Errors
    /// What the ioctl says otherwise: no space, for one.
    pub fn share(
        &self,
        source: BorrowedFd<'_>,
        source_offset: u64,
        (offset, length): (u64, u64),
    ) -> io::Result<bool> {
        let target = self.start + offset;
        let is_aligned = (source_offset | target | length).is_multiple_of(BLOCK_BYTES);
        if !is_aligned || self.ground == Ground::Device || !self.shares.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let shared = copy::clone_range(source, source_offset, self.fd(), (target, length))?;
        match shared {
            true => self.touch(offset + length),
            false => self.shares.store(false, Ordering::Relaxed),
        }
        Ok(shared)
    }

    /// Gives a file at least the length that a stretch of `length` bytes needs: exactly that, for a
    /// new file. A device stays as it is.
    ///
    /// # Errors
    /// What ftruncate(2) says.
    pub fn finish(&self, length: u64) -> io::Result<()> {
        let end = self.start + length;
        let now = u64::try_from(rustix::fs::fstat(&self.fd)?.st_size).unwrap_or(0);
        match self.ground {
            Ground::Device => Ok(()),
            Ground::File if now >= end => Ok(()),
            Ground::Blank if now == end => Ok(()),
            Ground::Blank | Ground::File => Ok(rustix::fs::ftruncate(&self.fd, end)?),
        }
    }

    /// Lets the kernel begin to write a stretch to the disk; best effort.
    pub fn start_writeback(&self, offset: u64, length: u64) {
        sparse::start_writeback(self.fd(), self.start + offset, length);
    }

    /// The end of the run of blocks that are all zero, or all not, like the one at `from`.
    fn run(&self, data: &[u8], from: usize, offset: u64) -> (usize, bool) {
        let block_end = |at: usize| {
            let into = (self.start + offset + at as u64) % BLOCK_BYTES;
            let left = usize::try_from(BLOCK_BYTES - into).unwrap_or(usize::MAX);
            data.len().min(at.saturating_add(left))
        };
        let mut end = block_end(from);
        let zero = is_zero(&data[from..end]);
        while end < data.len() && is_zero(&data[end..block_end(end)]) == zero {
            end = block_end(end);
        }
        (end, zero)
    }

    fn touch(&self, end: u64) {
        self.reached.fetch_max(end, Ordering::Relaxed);
    }

    fn write(&self, data: &[u8], offset: u64) -> io::Result<()> {
        write_at(self.fd(), data, self.start + offset)
    }

    fn allocate_or_write(&self, flags: FallocateFlags, start: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.fd, flags, start, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.write_zeros(start, length),
            other => Ok(other?),
        }
    }

    fn write_zeros(&self, start: u64, length: u64) -> io::Result<()> {
        let most = usize::try_from(length).map_or(WRITE_BYTES, |length| length.min(WRITE_BYTES));
        let zeros = vec![0; most];
        let mut done = 0;
        while done < length {
            let now = usize::try_from(length - done).map_or(most, |left| left.min(most));
            write_at(self.fd(), &zeros[..now], start + done)?;
            done += now as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    fn file_of(byte: u8, length: usize) -> std::fs::File {
        let file = tempfile::tempfile_in("/var/tmp").unwrap();
        file.write_all_at(&vec![byte; length], 0).unwrap();
        file
    }

    #[test]
    fn over_contents_every_byte_is_what_was_painted_and_its_neighbours_stay() {
        let file = file_of(9, 1 << 20);
        let canvas = Canvas::over(file.as_fd(), 1000).unwrap();
        let mut data = vec![0; 300_000];
        data[0] = 1;
        data[200_000] = 2;
        canvas.paint(&data, 24).unwrap();
        canvas.finish(300_024).unwrap();
        let mut expected = vec![9; 1 << 20];
        expected[1024..301_024].copy_from_slice(&data);
        let mut back = vec![0; 1 << 20];
        file.read_exact_at(&mut back, 0).unwrap();
        assert!(back == expected);
        assert!(file.metadata().unwrap().blocks() * 512 < 900 << 10);
    }

    #[test]
    fn a_file_grows_to_what_is_painted_even_if_that_ends_in_zeros() {
        let file = file_of(9, 10);
        let canvas = Canvas::over(file.as_fd(), 10).unwrap();
        canvas.paint(&vec![0; 100_000], 0).unwrap();
        canvas.finish(100_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 100_010);
        let mut back = vec![1; 100_010];
        file.read_exact_at(&mut back, 0).unwrap();
        assert!(back[10..].iter().all(|byte| *byte == 0) && back[..10] == [9; 10]);
    }

    #[test]
    fn a_new_file_keeps_holes_for_blocks_of_zeros() {
        let file = tempfile::tempfile_in("/var/tmp").unwrap();
        let canvas = Canvas::blank(file.as_fd()).unwrap();
        let mut data = vec![0; 1 << 20];
        data[5000] = 1;
        canvas.paint(&data, 0).unwrap();
        canvas.paint(&data, 8 << 20).unwrap();
        canvas.finish(9 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 9 << 20);
        assert!(file.metadata().unwrap().blocks() * 512 <= 4 * 4096);
    }
}
