//! Writes down what comes, while it is hashed.
//!
//! Zeros become holes, so that a disk image takes no more room here than as an image. Nothing is
//! flushed: see [`super`].

use super::record;
use crate::report::Report;
use crate::stage::digest::Follower;
use bytes::Bytes;
use importd_host::copy;
use importd_host::partial::Claim;
use importd_host::sparse::is_zero;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

/// Bytes between two marks: what a killed worker may lose of what it had written.
const MARK_BYTES: u64 = 4 << 20;
/// Runs of zeros of this length become holes.
const HOLE_BYTES: usize = 64 << 10;
/// When the file system has less room than this, what is kept is given back: the image is to have
/// it. An image can grow by as much while a few MiB of packed bytes come.
pub(super) const RESERVE_BYTES: u64 = 256 << 20;

/// The files that are written; `None` once nothing is kept any more.
pub(super) type Shared = Arc<Mutex<Option<Files>>>;

/// What is kept of a download, open.
pub(super) struct Files {
    pub(super) claim: Arc<Claim>,
    /// A copy of what comes; `None` where the image that grows is kept, which others write.
    pub(super) part: Option<OwnedFd>,
    /// Positioned at its end.
    pub(super) record: File,
    /// Nothing of the download was here before.
    pub(super) is_new: bool,
    /// How many bytes are written.
    pub(super) kept: u64,
    /// How many of them the last mark covers.
    pub(super) marked: u64,
}

/// Follows a download and keeps it.
pub(super) struct Writer {
    files: Shared,
    /// How many bytes have been seen.
    seen: u64,
    report: Report,
    /// Dropped with the writer: who waits for it knows then that all is written.
    _done: SyncSender<()>,
}

impl Writer {
    pub(super) fn new(files: Shared, report: Report, done: SyncSender<()>) -> Self {
        Self {
            files,
            seen: 0,
            report,
            _done: done,
        }
    }
}

impl Follower for Writer {
    fn follow(&mut self, pieces: &[Bytes], so_far: &dyn Fn() -> [u8; 32]) {
        let Ok(mut shared) = self.files.lock() else {
            return;
        };
        let mut start = self.seen;
        self.seen += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let Some(files) = shared.as_mut() else {
            return;
        };
        let mut add = || {
            for piece in pieces {
                files.add(piece, start)?;
                start += piece.len() as u64;
            }
            files.mark_if_due(so_far)
        };
        if let Err(error) = add() {
            self.give_up(&mut shared, &error);
        }
    }

    fn end(&mut self, so_far: &dyn Fn() -> [u8; 32]) {
        let Ok(mut shared) = self.files.lock() else {
            return;
        };
        if let Some(files) = shared.as_mut().filter(|files| files.kept > files.marked)
            && let Err(error) = files.mark(so_far)
        {
            self.give_up(&mut shared, &error);
        }
    }
}

impl Writer {
    /// Gives the room back.
    fn give_up(&self, files: &mut Option<Files>, error: &io::Error) {
        self.report
            .debug(format!("The download is not kept any longer: {error}"));
        if let Some(files) = files.take() {
            let forgotten = match files.part {
                Some(_) => files.claim.forget(),
                // The image goes on, and comes back in the end.
                None => files.claim.forget_record(),
            };
            // Nothing can be done about files that cannot be removed; the next sweep tries.
            forgotten.unwrap_or(());
        }
    }
}

/// How many bytes there are up to the next multiple of [`HOLE_BYTES`]: holes are whole blocks.
fn to_border(offset: u64) -> usize {
    let over = usize::try_from(offset % (HOLE_BYTES as u64)).unwrap_or(0);
    HOLE_BYTES - over
}

fn write_sparse(part: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let (stretch, rest) = bytes.split_at(to_border(offset).min(bytes.len()));
        if !is_zero(stretch) {
            copy::write_at(part, stretch, offset)?;
        }
        offset += stretch.len() as u64;
        bytes = rest;
    }
    Ok(())
}

impl Files {
    /// Adds bytes that begin at `start`, as far as they are new: what is read from the files themselves
    /// comes by here too.
    fn add(&mut self, bytes: &[u8], start: u64) -> io::Result<()> {
        let known = usize::try_from(self.kept.saturating_sub(start)).unwrap_or(usize::MAX);
        let new = bytes.get(known..).unwrap_or(&[]);
        if let Some(part) = &self.part {
            write_sparse(part.as_fd(), new, self.kept)?;
        }
        self.kept += new.len() as u64;
        Ok(())
    }

    fn mark_if_due(&mut self, so_far: &dyn Fn() -> [u8; 32]) -> io::Result<()> {
        match self.kept - self.marked < MARK_BYTES {
            true => Ok(()),
            false => self.mark(so_far),
        }
    }

    fn mark(&mut self, so_far: &dyn Fn() -> [u8; 32]) -> io::Result<()> {
        if let Some(part) = &self.part {
            if self.claim.free_bytes()? < RESERVE_BYTES {
                return Err(io::Error::other("the disk is nearly full"));
            }
            // Holes at the end are no bytes yet.
            rustix::fs::ftruncate(part, self.kept)?;
        }
        self.record
            .write_all(record::mark_line(self.kept, &so_far()).as_bytes())?;
        self.marked = self.kept;
        Ok(())
    }
}
