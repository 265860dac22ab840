//! What is kept for too long, or takes too much room.

use super::{Claim, File, Key, Store, free_bytes, open_sound, remove};
use crate::staging::{self, Lock};
use rustix::fs::FileType;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime};

/// How many bytes a block of stat(2) stands for.
const BLOCK_BYTES: u64 = 512;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of all downloads together.
    pub bytes: u64,
    /// Of the file system's room, free and taken by us, at most one part in so many is ours.
    pub share: u64,
    /// Most downloads.
    pub count: usize,
    /// How long after its last byte a download is kept.
    pub age: Duration,
}

impl Limits {
    /// The limits of workers and the daemon. 64 GiB are as much as a pull may be large by default,
    /// so that any one of them finds room; half of what is free, so that the image itself does too;
    /// 64 downloads, so that looking through them stays quick; seven days, within which who wants
    /// an image tries again.
    pub const USUAL: Self = Self {
        bytes: 64 << 30,
        share: 2,
        count: 64,
        age: Duration::from_secs(7 * 24 * 3600),
    };
}

/// One download that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names it.
    pub key: Key,
    /// Bytes that it takes on the disk.
    pub disk_bytes: u64,
    /// When it was written to last.
    pub modified: SystemTime,
}

impl Store {
    /// What is kept, those last that were written to last. Files without a name of ours are nobody's
    /// business.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut found: BTreeMap<Key, Entry> = BTreeMap::new();
        for name in self.folder.entries()? {
            let Some((key, file)) = name.to_str().and_then(parsed) else {
                continue;
            };
            let Ok(stat) = self.folder.stat(&name) else {
                continue;
            };
            let entry = found.entry(key.clone()).or_insert_with(|| Entry {
                key,
                disk_bytes: 0,
                modified: SystemTime::UNIX_EPOCH,
            });
            let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            if matches!(file, File::Part | File::Record) {
                entry.modified = entry.modified.max(modified);
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
                entry.disk_bytes += blocks * BLOCK_BYTES;
            }
        }
        let mut found: Vec<Entry> = found.into_values().collect();
        found.sort_by_key(|entry| entry.modified);
        Ok(found)
    }

    /// Removes what is too old, what is not whole, and, the oldest first, what there is no room for
    /// if `wanted` bytes more are to be kept for `own`, which stays. What somebody works on stays
    /// too. Says whether there is room, and how many were removed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(
        &self,
        limits: &Limits,
        own: Option<&Key>,
        wanted: u64,
    ) -> io::Result<(bool, usize)> {
        let entries = self.entries()?;
        let now = SystemTime::now();
        let mut taken: u64 = entries.iter().map(|entry| entry.disk_bytes).sum();
        let others = entries.iter().filter(|entry| own != Some(&entry.key));
        let mut count = others.clone().count();
        let most = (free_bytes(&self.folder)?.saturating_add(taken) / limits.share.max(1))
            .min(limits.bytes);
        let mut removed = 0;
        for entry in others {
            let is_old = now
                .duration_since(entry.modified)
                .is_ok_and(|age| age > limits.age);
            let is_crowded = taken.saturating_add(wanted) > most || count >= limits.count;
            let Some(claim) = self.claim(&entry.key)? else {
                continue;
            };
            if is_old || is_crowded || !claim.is_whole() {
                removed += usize::from(claim.clear().is_ok());
                taken = taken.saturating_sub(entry.disk_bytes);
                count = count.saturating_sub(1);
            }
        }
        Ok((
            taken.saturating_add(wanted) <= most && count < limits.count,
            removed,
        ))
    }

    /// Removes one download; `false` if somebody works on it.
    ///
    /// # Errors
    /// What unlinkat(2) says.
    pub fn remove(&self, key: &Key) -> io::Result<bool> {
        match self.claim(key)? {
            Some(claim) => claim.clear().map(|()| true),
            None => Ok(false),
        }
    }
}

impl Claim {
    fn is_whole(&self) -> bool {
        [File::Part, File::Record]
            .into_iter()
            .all(|file| matches!(open_sound(&self.folder, &self.key, file), Ok(Some(_))))
    }

    /// Removes all its files but the lock, which goes with the claim.
    fn clear(&self) -> io::Result<()> {
        self.forget()?;
        if let Some(waiting) = open_sound(&self.folder, &self.key, File::Wait)?
            && staging::lock(&waiting)? == Lock::Taken
        {
            remove(&self.folder, &self.key.file(File::Wait))?;
        }
        Ok(())
    }
}

/// The key and kind of a file of ours.
fn parsed(name: &str) -> Option<(Key, File)> {
    let (digits, suffix) = name.split_once('.')?;
    let file = File::ALL.into_iter().find(|file| file.suffix() == suffix)?;
    Some((Key::parse(digits)?, file))
}
