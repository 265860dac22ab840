//! What is kept of unfinished downloads, for those who clean up.

use super::record::{RECORD_MAX, Record};
use importd_host::partial::{Claim, File, Key, Store};
use std::io::{self, Read};
use std::time::SystemTime;

/// An unfinished download that nobody works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pull) struct Unfinished {
    /// Names it in the folder.
    pub(in crate::pull) key: Key,
    /// Its address, without user and password; `None` if nothing is known of it.
    pub(in crate::pull) url: Option<String>,
    /// Bytes it takes on the disk.
    pub(in crate::pull) bytes: u64,
    /// When it was written to last.
    pub(in crate::pull) modified: SystemTime,
}

/// The unfinished downloads of a folder, but for those that somebody works on.
///
/// # Errors
/// When the folder cannot be read.
pub(in crate::pull) fn unfinished(store: &Store) -> io::Result<Vec<Unfinished>> {
    let mut all = Vec::new();
    for entry in store.entries()? {
        // Nothing but locks is left of those that were written to at the epoch.
        if entry.modified == SystemTime::UNIX_EPOCH {
            continue;
        }
        if let Some(claim) = store.claim(&entry.key)? {
            all.push(Unfinished {
                url: address(&claim).unwrap_or_default(),
                key: entry.key,
                bytes: entry.disk_bytes,
                modified: entry.modified,
            });
        }
    }
    Ok(all)
}

fn address(claim: &Claim) -> io::Result<Option<String>> {
    let Some(record) = claim.open_optional(File::Record)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    std::fs::File::from(record)
        .take(RECORD_MAX)
        .read_to_end(&mut bytes)?;
    Ok(Record::parse(&bytes).map(|record| record.head.url))
}
