//! Writes down what comes, while it is hashed.
//!
//! Zeros become holes, so that a disk image takes no more room here than as an image. Nothing is
//! flushed: see [`super`].

use super::record;
use crate::report::Report;
use crate::stage::digest::Follower;
use importd_host::copy;
use importd_host::partial::Claim;
use importd_host::sparse::is_zero;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
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
    pub(super) part: OwnedFd,
    /// Positioned at its end.
    pub(super) record: File,
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
    fn follow(&mut self, bytes: &[u8], so_far: &dyn Fn() -> [u8; 32]) {
        let start = self.seen;
        self.seen += bytes.len() as u64;
        let Ok(mut shared) = self.files.lock() else {
            return;
        };
        let Some(files) = shared.as_mut() else {
            return;
        };
        // What is read from the files themselves comes by here too.
        let known = usize::try_from(files.kept.saturating_sub(start)).unwrap_or(usize::MAX);
        let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) else {
            return;
        };
        if let Err(error) = files.add(new, so_far) {
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
            // Nothing can be done about files that cannot be removed; the next sweep tries.
            files.claim.forget().unwrap_or(());
        }
    }
}

/// How many bytes there are up to the next multiple of [`HOLE_BYTES`]: holes are whole blocks.
fn to_border(offset: u64) -> usize {
    let over = usize::try_from(offset % (HOLE_BYTES as u64)).unwrap_or(0);
    HOLE_BYTES - over
}

impl Files {
    fn add(&mut self, bytes: &[u8], so_far: &dyn Fn() -> [u8; 32]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let (stretch, rest) = left.split_at(to_border(self.kept).min(left.len()));
            if !is_zero(stretch) {
                copy::write_at(self.part.as_fd(), stretch, self.kept)?;
            }
            self.kept += stretch.len() as u64;
            left = rest;
        }
        if self.kept - self.marked < MARK_BYTES {
            return Ok(());
        }
        self.mark(so_far)
    }

    fn mark(&mut self, so_far: &dyn Fn() -> [u8; 32]) -> io::Result<()> {
        if self.claim.free_bytes()? < RESERVE_BYTES {
            return Err(io::Error::other("the disk is nearly full"));
        }
        // Holes at the end are no bytes yet.
        rustix::fs::ftruncate(&self.part, self.kept)?;
        self.record
            .write_all(record::mark_line(self.kept, &so_far()).as_bytes())?;
        self.marked = self.kept;
        Ok(())
    }
}
