//! A writer that leaves holes where the bytes are zero.
//!
//! This module holds `unsafe`: `sync_file_range` has no safe wrapper.

#![expect(unsafe_code, reason = "sync_file_range has no safe wrapper")]

use crate::copy::write_at;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Zeros become holes in units of this many bytes, aligned to the file: the block size of common
/// file systems. Smaller runs gain nothing.
const BLOCK_BYTES: usize = 4096;
/// Written bytes after which writing back to the disk is started, so that the final flush has
/// little left.
const WRITEBACK_BYTES: u64 = 8 << 20;
/// Bytes that [`is_zero`] looks at before it decides again.
const LANE_BYTES: usize = 64;

/// Writes a fresh regular file from its start, in order; blocks of zeros become holes.
#[derive(Debug)]
pub struct SparseWriter {
    fd: OwnedFd,
    position: u64,
    written_back: u64,
}

impl SparseWriter {
    /// A writer for an empty file.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self {
            fd: fd.try_clone_to_owned()?,
            position: 0,
            written_back: 0,
        })
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// What pwrite(2) says: a full disk is `ENOSPC`.
    pub fn write_at_end(&mut self, data: &[u8]) -> io::Result<()> {
        let mut start = 0;
        while start < data.len() {
            let zero = is_zero(&data[start..self.block_end(data, start)]);
            let mut end = self.block_end(data, start);
            while end < data.len() && is_zero(&data[end..self.block_end(data, end)]) == zero {
                end = self.block_end(data, end);
            }
            if !zero {
                let offset = self.position + start as u64;
                write_at(self.as_fd(), &data[start..end], offset)?;
            }
            start = end;
        }
        self.position += data.len() as u64;
        if self.position - self.written_back >= WRITEBACK_BYTES {
            let length = self.position - self.written_back;
            start_writeback(self.as_fd(), self.written_back, length);
            self.written_back = self.position;
        }
        Ok(())
    }

    /// Gives the file its full length, which it has in bytes.
    ///
    /// # Errors
    /// What ftruncate(2) says.
    pub fn finish(self) -> io::Result<u64> {
        rustix::fs::ftruncate(&self.fd, self.position)?;
        Ok(self.position)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.fd)
    }

    /// The end, in `data`, of the file's block in which `start` lies.
    fn block_end(&self, data: &[u8], start: usize) -> usize {
        let block = BLOCK_BYTES as u64;
        let offset = (self.position + start as u64) % block;
        let left = usize::try_from(block - offset).unwrap_or(BLOCK_BYTES);
        data.len().min(start + left)
    }
}

/// Whether all bytes are zero.
#[must_use]
pub fn is_zero(data: &[u8]) -> bool {
    let (lanes, rest) = data.as_chunks::<LANE_BYTES>();
    // Whole lanes without a branch inside: the compiler makes wide compares of them.
    let lane_is_zero = |lane: &[u8; LANE_BYTES]| lane.iter().fold(0, |all, byte| all | byte) == 0;
    lanes.iter().all(lane_is_zero) && rest.iter().all(|byte| *byte == 0)
}

/// Lets the kernel begin to write a stretch of a file to the disk; best effort.
pub fn start_writeback(fd: BorrowedFd<'_>, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
        return;
    };
    // SAFETY: the call takes no pointers; the descriptor is borrowed and open.
    unsafe { libc::sync_file_range(fd.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn any_pattern_of_zeros_comes_out_as_it_went_in() {
        let mut data = vec![0u8; 3 << 20];
        for (index, at) in [0usize, 4095, 4096, 70_000, 1 << 20, (3 << 20) - 1]
            .into_iter()
            .enumerate()
        {
            data[at] = u8::try_from(index + 1).unwrap();
        }
        for step in [1000, 4096, 1 << 20] {
            let file = tempfile::tempfile_in("/var/tmp").unwrap();
            let mut writer = SparseWriter::new(file.as_fd()).unwrap();
            for piece in data.chunks(step) {
                writer.write_at_end(piece).unwrap();
            }
            assert_eq!(writer.finish().unwrap(), 3 << 20);
            let mut back = vec![1; 3 << 20];
            file.read_exact_at(&mut back, 0).unwrap();
            assert!(back == data, "step {step}");
            assert!(file.metadata().unwrap().blocks() * 512 <= 6 * 4096 * 2);
        }
    }

    #[test]
    fn zeros_are_told_from_the_rest_at_every_length() {
        for length in [0, 1, 63, 64, 65, 4096, 5000] {
            let mut data = vec![0; length];
            assert!(is_zero(&data));
            if let Some(last) = data.last_mut() {
                *last = 1;
                assert!(!is_zero(&data), "{length}");
            }
        }
    }
}
