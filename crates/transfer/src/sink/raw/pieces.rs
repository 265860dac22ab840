//! A raw file or device is copied piece by piece on several threads, each piece to its own place.

use super::{PIECE_BYTES, threads};
use importd_host::cancel::Cancel;
use importd_host::canvas::Canvas;
use importd_host::copy;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Copies `size` bytes: holes are not read, blocks of zeros not written to a new file.
pub(crate) fn copy_pieces(
    source: BorrowedFd<'_>,
    size: u64,
    canvas: &Canvas,
    progress: &(dyn Fn(u64) + Sync),
    cancel: &Cancel,
) -> io::Result<()> {
    let pieces = Mutex::new(Pieces::new(copy::data_extents(source, size)?, size));
    let copied = AtomicU64::new(0);
    on_all_cores(&|| {
        let mut buffer = Vec::new();
        loop {
            cancel.check()?;
            let piece = pieces.lock().ok().and_then(|mut pieces| pieces.take());
            match piece {
                None => return Ok(()),
                Some(Piece::Hole { offset, length }) => canvas.zero(offset, length)?,
                Some(Piece::Data { offset, length }) => {
                    buffer.resize(usize::try_from(length).unwrap_or(0), 0);
                    // What is missing of a file that shrank is zeros.
                    let got = copy::read_at(source, &mut buffer, offset)?;
                    buffer[got..].fill(0);
                    canvas.paint(&buffer, offset)?;
                    copied.fetch_max(offset + length, Ordering::Relaxed);
                    progress(copied.load(Ordering::Relaxed));
                }
            }
        }
    })
}

/// Does the same work on several threads, of which the caller's is one; fails with the first
/// failure of any.
pub(super) fn on_all_cores<E: Send>(work: &(dyn Fn() -> Result<(), E> + Sync)) -> Result<(), E> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads()).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for other in others {
            let theirs = match other.join() {
                Ok(theirs) => theirs,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            result = result.and(theirs);
        }
        result
    })
}

/// One thread's next work.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Data { offset: u64, length: u64 },
    Hole { offset: u64, length: u64 },
}

/// What is left to copy. Data is cut into pieces that begin at whole pieces of the file.
struct Pieces {
    /// Stretches with data, the last one empty and at the end of the file.
    extents: Vec<(u64, u64)>,
    next: usize,
    position: u64,
}

impl Pieces {
    fn new(mut extents: Vec<(u64, u64)>, size: u64) -> Self {
        extents.push((size, 0));
        Self {
            extents,
            next: 0,
            position: 0,
        }
    }

    fn take(&mut self) -> Option<Piece> {
        loop {
            let (start, length) = *self.extents.get(self.next)?;
            let offset = self.position;
            if offset < start {
                self.position = start;
                let length = start - offset;
                return Some(Piece::Hole { offset, length });
            }
            let left = (start + length).saturating_sub(offset);
            if left == 0 {
                self.next += 1;
                continue;
            }
            let length = left.min(PIECE_BYTES - offset % PIECE_BYTES);
            self.position += length;
            return Some(Piece::Data { offset, length });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_file_without_gaps() {
        let extents = vec![(4096, 3 << 20), (5 << 20, 10)];
        let mut pieces = Pieces::new(extents, 6 << 20);
        let mut position = 0;
        let mut data = 0;
        while let Some(piece) = pieces.take() {
            let (offset, length) = match piece {
                Piece::Data { offset, length } => {
                    data += length;
                    (offset, length)
                }
                Piece::Hole { offset, length } => (offset, length),
            };
            assert_eq!(offset, position);
            assert!(length > 0);
            position += length;
        }
        assert_eq!((position, data), (6 << 20, (3 << 20) + 10));
    }
}
