//! The threads that copy what the walk hands out, and what all of them share.

use super::dress::{self, Naked};
use super::facts::Facts;
use super::folder::Folder;
use super::names::FirstNames;
use super::place::Place;
use super::report::{CopyError, CopyProgress, CopyReport, Tell};
use super::{content, count};
use crate::dir::Dir;
use crate::flush::Flusher;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries handed over at once.
pub(super) const BATCH: usize = 8;
/// Batches waiting for a thread. Each may keep a folder open that the walk has left: this bounds
/// the descriptors.
pub(super) const QUEUE_DEPTH: usize = 32;
/// Fewest threads: while some wait for the disk another can work.
const THREADS_MIN: usize = 3;
/// Most threads: more only contend for the locks of the file systems.
const THREADS_MAX: usize = 8;

/// Entries of one folder that are no folders.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) folder: Arc<Folder>,
    pub(super) entries: Vec<(OsString, FileType)>,
}

/// How many threads to start.
pub(super) fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(THREADS_MIN, usize::from);
    cores.clamp(THREADS_MIN, THREADS_MAX)
}

/// What the threads of one copy share.
pub(super) struct Shared<'a> {
    pub(super) top: &'a Dir,
    pub(super) facts: Facts,
    pub(super) names: FirstNames,
    flusher: Option<Mutex<Flusher>>,
    tell: Tell<'a>,
    entries: AtomicU64,
    bytes: AtomicU64,
    work: AtomicU64,
    /// 0 until it is known.
    total: AtomicU64,
    lost: AtomicU64,
    lost_example: Mutex<Option<(PathBuf, String)>>,
    is_over: AtomicBool,
    has_failed: AtomicBool,
    failure: Mutex<Option<CopyError>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(source: &Dir, top: &'a Dir, flush: bool, tell: Tell<'a>) -> Self {
        // A help only: whoever wants the copy on the disk flushes it at the end.
        let flusher = flush.then(|| Flusher::new(top).ok()).flatten();
        Self {
            top,
            facts: Facts::learn(source, top),
            names: FirstNames::default(),
            flusher: flusher.map(Mutex::new),
            tell,
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            work: AtomicU64::new(0),
            total: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            lost_example: Mutex::new(None),
            is_over: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Copies batches until there are no more. After a failure the rest is only taken off the queue:
    /// the copy is worth nothing.
    pub(super) fn copy_all(&self, batches: &Mutex<Receiver<Batch>>) {
        let mut buffer = vec![0; content::SMALL_BYTES];
        loop {
            let next = lock(batches).recv();
            let Ok(batch) = next else { return };
            for (name, kind) in &batch.entries {
                if self.has_failed() {
                    break;
                }
                if let Err(error) = self.inode(&batch.folder, (name, *kind), &mut buffer) {
                    self.fail(&batch.folder.place, name, error);
                }
            }
            self.let_go(batch.folder);
        }
    }

    /// Gives a folder back; dresses it if nobody else has it and nothing will be put into it.
    pub(super) fn let_go(&self, folder: Arc<Folder>) {
        let Some(folder) = Arc::into_inner(folder) else {
            return;
        };
        if self.has_failed() || !folder.is_complete.load(Ordering::Acquire) {
            return;
        }
        let is_top = folder.place.names().is_empty();
        let naked = Naked {
            fd: folder.target.as_fd(),
            // Folders may have inherited the mark that hands groups down, and the top is anybody's.
            mode: (!is_top && self.hands_no_group_down()).then_some(super::walk::NEW_FOLDER_MODE),
        };
        let dressed = dress::open(
            folder.source.as_fd(),
            naked,
            &folder.stat,
            &self.facts,
            &mut |what| self.lose(&folder.place, OsStr::new(""), what),
        );
        if let Err(error) = dressed {
            self.fail(&folder.place, OsStr::new(""), error);
        }
    }

    /// Whether a new folder has the mode it was made with, and no more.
    fn hands_no_group_down(&self) -> bool {
        self.facts.new.is_some_and(|new| !new.hands_group_down)
    }

    pub(super) fn tell(&self, place: &Place, name: &OsStr, position: u64) -> io::Result<()> {
        if self.has_failed() {
            return Err(Errno::CANCELED.into());
        }
        (self.tell)(&CopyProgress {
            place,
            name,
            work: self.work.load(Ordering::Relaxed),
            total: Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0),
            bytes: self.bytes.load(Ordering::Relaxed) + position,
            entries: self.entries.load(Ordering::Relaxed),
        })
    }

    pub(super) fn count_entry(&self) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.count_work(count::ENTRY_WORK);
    }

    pub(super) fn count_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that so many bytes were written to a file.
    pub(super) fn wrote(&self, bytes: u64) {
        if let Some(flusher) = &self.flusher {
            lock(flusher).wrote(bytes);
        }
    }

    pub(super) fn count_work(&self, bytes: u64) {
        self.work.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Says that all is handed out: how much there was does not matter any more.
    pub(super) fn stop_counting(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Whether counting is worth while.
    pub(super) fn counts(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed) && !self.has_failed()
    }

    /// Notes something that the target cannot hold.
    pub(super) fn lose(&self, place: &Place, name: &OsStr, what: &str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        lock(&self.lost_example).get_or_insert_with(|| (place.path_of(name), what.to_owned()));
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Notes a failure: the first one is reported.
    pub(super) fn fail(&self, place: &Place, name: &OsStr, source: io::Error) {
        lock(&self.failure).get_or_insert_with(|| CopyError {
            path: place.path_of(name),
            source,
        });
        self.has_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn finish(self) -> Result<CopyReport, CopyError> {
        if let Some(failure) = lock(&self.failure).take() {
            return Err(failure);
        }
        Ok(CopyReport {
            entries: self.entries.into_inner(),
            bytes: self.bytes.into_inner(),
            early_flushes: self.flusher.map_or(0, |it| lock(&it).begun()),
            lost: self.lost.into_inner(),
            lost_example: lock(&self.lost_example).take(),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
