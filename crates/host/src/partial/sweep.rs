//! What is kept for too long, or takes too much room.

use super::{Claim, File, Key, Store, free_bytes, open_sound, remove};
use crate::staging::{self, Lock};
use crate::tree::allocated;
use rustix::fs::FileType;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime};

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
    /// When it was written to last; the epoch if nothing but locks is left of it.
    pub modified: SystemTime,
    /// Whether there are bytes, and what is known of them.
    is_whole: bool,
}

impl Store {
    /// What is kept, those last that were written to last. Files without a name of ours are nobody's
    /// business.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut found: BTreeMap<Key, (Entry, usize)> = BTreeMap::new();
        for name in self.folder.entries()? {
            let Some((key, file)) = name.to_str().and_then(parsed) else {
                continue;
            };
            let Ok(stat) = self.folder.stat(&name) else {
                continue;
            };
            let (entry, parts) = found.entry(key.clone()).or_insert_with(|| {
                let entry = Entry {
                    key,
                    disk_bytes: 0,
                    modified: SystemTime::UNIX_EPOCH,
                    is_whole: false,
                };
                (entry, 0)
            });
            if matches!(file, File::Part | File::Record) {
                let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
                let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
                entry.modified = entry.modified.max(modified);
                *parts += 1;
                entry.is_whole = *parts == 2;
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                entry.disk_bytes += allocated(&stat);
            }
        }
        let mut found: Vec<Entry> = found.into_values().map(|(entry, _)| entry).collect();
        found.sort_by_key(|entry| entry.modified);
        Ok(found)
    }

    /// Removes what is too old, what is not whole, and, the oldest first, what there is no room for
    /// if `wanted` bytes more are to be kept for `own`, which stays. What somebody works on stays
    /// too. Says whether there is room, and how many downloads were removed.
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
        // For what has no room by itself nothing else has to go.
        let wanted = (wanted <= most).then_some(wanted);
        let is_crowded = |taken: u64, count: usize| {
            wanted.is_some_and(|wanted| taken.saturating_add(wanted) > most)
                || count >= limits.count
        };
        let mut removed = 0;
        for entry in others {
            let age = now.duration_since(entry.modified).unwrap_or_default();
            if age <= limits.age && entry.is_whole && !is_crowded(taken, count) {
                continue;
            }
            if let Some(claim) = self.claim(&entry.key)?
                && claim.clear().is_ok()
            {
                removed += usize::from(entry.modified != SystemTime::UNIX_EPOCH);
                taken = taken.saturating_sub(entry.disk_bytes);
                count = count.saturating_sub(1);
            }
        }
        Ok((wanted.is_some() && !is_crowded(taken, count), removed))
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
