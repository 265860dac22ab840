//! What a copy says: while it runs, when it is done, when it fails.

use super::place::Place;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

/// Where a copy is.
#[derive(Clone, Copy, Debug)]
pub struct CopyProgress<'a> {
    pub(super) place: &'a Place,
    pub(super) name: &'a OsStr,
    pub(super) work: u64,
    pub(super) total: Option<u64>,
    /// Bytes of contents so far, holes counted.
    pub bytes: u64,
    /// Entries so far.
    pub entries: u64,
}

impl CopyProgress<'_> {
    /// The entry it is at, below the top.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.place.path_of(self.name)
    }

    /// How much of the work is done, and of how much if that is known, in bytes; entries count beside
    /// their contents.
    #[must_use]
    pub const fn work(&self) -> (u64, Option<u64>) {
        (self.work, self.total)
    }

    /// How much of the work is done, 0 to 99; `None` while nobody knows how much there is.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let total = u128::from(self.total?);
        let done = u128::from(self.work) * 100 / total.max(1);
        // The tree may grow while it is copied; it is done when all is done.
        Some(u8::try_from(done).map_or(99, |percent| percent.min(99)))
    }
}

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Entries copied, the top not counted.
    pub entries: u64,
    /// Bytes of contents, holes counted.
    pub bytes: u64,
    /// How often what was written was flushed meanwhile.
    pub early_flushes: u32,
    /// Attributes, flags and project numbers that the target's file system cannot hold, or that we
    /// may not set.
    pub lost: u64,
    /// One of those: the entry, and what it lost.
    pub lost_example: Option<(PathBuf, String)>,
}

/// A copy that failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("'{}'", path.display())]
pub struct CopyError {
    /// The entry, below the top.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub source: io::Error,
}

/// Told before each entry and within large files, from several threads; its error ends the copy.
pub type Tell<'a> = &'a (dyn Fn(&CopyProgress<'_>) -> io::Result<()> + Sync);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_stops_short_of_the_end() {
        let place = Place::default();
        for (work, total, percent) in [
            (0, None, None),
            (0, Some(0), Some(0)),
            (1, Some(2), Some(50)),
            (7, Some(2), Some(99)),
            (u64::MAX, Some(u64::MAX), Some(99)),
        ] {
            let progress = CopyProgress {
                place: &place,
                name: "x".as_ref(),
                work,
                total,
                bytes: 0,
                entries: 0,
            };
            assert_eq!(progress.percent(), percent, "{work} of {total:?}");
        }
    }
}
