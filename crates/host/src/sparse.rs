//! A writer that leaves holes where the bytes are zero.
//!
//! This module holds `unsafe`: `sync_file_range` has no safe wrapper.

#![expect(unsafe_code, reason = "sync_file_range has no safe wrapper")]

use crate::canvas::Canvas;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Written bytes after which writing back to the disk is started, so that the final flush has
/// little left.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// How much of what grows from its start is on its way to the disk.
#[derive(Debug, Default)]
pub struct Writeback {
    begun: u64,
}

impl Writeback {
    /// The stretch to be given to [`start_writeback`] now that all up to `end` is written: where it begins, and
    /// how long it is, both in bytes. `None` while it is short.
    pub fn due(&mut self, end: u64) -> Option<(u64, u64)> {
        let length = end.checked_sub(self.begun)?;
        (length >= WRITEBACK_BYTES).then(|| (std::mem::replace(&mut self.begun, end), length))
    }
}

/// Fills a canvas from its start, in order.
#[derive(Debug)]
pub struct SparseWriter<'a> {
    canvas: &'a Canvas,
    position: u64,
    writeback: Writeback,
}

impl<'a> SparseWriter<'a> {
    /// A writer from the start of a canvas.
    #[must_use]
    pub const fn new(canvas: &'a Canvas) -> Self {
        Self {
            canvas,
            position: 0,
            writeback: Writeback { begun: 0 },
        }
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// What pwrite(2) says: a full disk is `ENOSPC`.
    pub fn write_at_end(&mut self, data: &[u8]) -> io::Result<()> {
        self.canvas.paint(data, self.position)?;
        self.position += data.len() as u64;
        if let Some((offset, length)) = self.writeback.due(self.position) {
            // Holes at the end count: who goes on after a kill sees how far this came. First, as a new
            // length waits for the last page while that is on its way to the disk.
            self.canvas.finish(self.position)?;
            self.canvas.start_writeback(offset, length);
        }
        Ok(())
    }

    /// Gives a file its length; says how many bytes were written, holes counted.
    ///
    /// # Errors
    /// What ftruncate(2) says.
    pub fn finish(self) -> io::Result<u64> {
        self.canvas.finish(self.position)?;
        Ok(self.position)
    }
}

/// Whether all bytes are zero.
#[must_use]
pub fn is_zero(data: &[u8]) -> bool {
    // Each byte is the one before it: a compare of memory, which is wide whatever the profile.
    match data.split_first() {
        Some((first, rest)) => *first == 0 && data[..rest.len()] == *rest,
        None => true,
    }
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
            let canvas = Canvas::blank(file.as_fd()).unwrap();
            let mut writer = SparseWriter::new(&canvas);
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
