//! Counts what a walk will write, ahead of it on a thread of its own: percentages need a whole.
//!
//! Looking at all inodes takes a small part of the time that packing takes, and the walk finds them
//! in the kernel's caches then. Where something cannot be counted there are no percentages; the walk
//! itself says what is wrong.

use super::levels::Levels;
use crate::stage::meter::{Count, percent};
use importd_host::dir::Dir;
use importd_host::tree::allocated;
use rustix::fs::{FileType, Stat};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What an entry costs beside its contents, in bytes of a file: headers, and the calls for them.
const ENTRY_WEIGHT: u64 = 4096;

/// How much there is to write, as soon as it is known, and how much was written.
#[derive(Debug)]
pub(super) struct Total {
    whole: Count,
    done: u64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Total {
    /// Begins to count a tree.
    pub(super) fn start(tree: &Dir) -> io::Result<Self> {
        let (tree, whole) = (tree.try_clone()?, Count::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (found, stopped) = (whole.clone(), Arc::clone(&stop));
        let count = move || {
            if let Some(weight) = weight(tree, &stopped) {
                found.add(weight);
            }
        };
        let thread = std::thread::Builder::new()
            .name("count".into())
            .spawn(count)?;
        Ok(Self {
            whole,
            done: 0,
            stop,
            thread: Some(thread),
        })
    }

    /// Notes an entry.
    pub(super) fn add_entry(&mut self) {
        self.done = self.done.saturating_add(ENTRY_WEIGHT);
    }

    /// Notes bytes of contents.
    pub(super) fn add_bytes(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
    }

    /// How much is written, and of how much if that is known; entries count beside their contents.
    pub(super) fn figures(&self) -> (u64, Option<u64>) {
        let whole = Some(self.whole.bytes()).filter(|whole| *whole > 0);
        (self.done, whole)
    }

    /// How much is written, if the whole is known; below 100, which is for the very end.
    pub(super) fn percent(&self) -> Option<u8> {
        match self.whole.bytes() {
            0 => None,
            whole => Some(percent(self.done, whole).min(99)),
        }
    }
}

impl Drop for Total {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or(());
        }
    }
}

/// The weight of a tree; `None` where it cannot be told, or nobody waits for it any more.
fn weight(tree: Dir, stop: &AtomicBool) -> Option<u64> {
    let mount = tree.mount_id().ok()?;
    let stat = tree.stat_self().ok()?;
    let mut levels = Levels::default();
    levels.enter(tree, b"./", &stat).ok()?;
    let mut weight = ENTRY_WEIGHT;
    while let Some((folder, name)) = levels.next().ok()? {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let stat = folder.stat(&name).ok()?;
        weight = weight.saturating_add(weight_of(&stat));
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let child = folder.open_dir(&name).ok()?;
            if child.mount_id().ok()? == mount {
                let path = levels.path_of(&name).ok()?;
                levels.enter(child, &path, &stat).ok()?;
            }
        }
    }
    Some(weight)
}

fn weight_of(stat: &Stat) -> u64 {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return ENTRY_WEIGHT;
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    // Holes are not written, and of several names of a file only one brings its contents.
    let stored = size.min(allocated(stat)) / stat.st_nlink.max(1);
    stored.saturating_add(ENTRY_WEIGHT)
}
