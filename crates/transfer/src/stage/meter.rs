//! Counts what passes, reports progress, and ends a transfer that was cancelled.

use super::chunks::Chunks;
use bytes::Bytes;
use importd_host::cancel::Cancel;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes have passed; shared with whoever wants to know.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// The number of bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds bytes.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Told after each read how many bytes have passed in all.
pub type Observer = Box<dyn FnMut(u64) + Send>;

/// A source that is counted, and that fails once the transfer is cancelled.
pub struct Meter<R> {
    source: R,
    count: Count,
    cancel: Cancel,
    observer: Observer,
}

impl<R> std::fmt::Debug for Meter<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<R> Meter<R> {
    /// Counts a source.
    pub fn new(source: R, cancel: Cancel, observer: Observer) -> Self {
        Self {
            source,
            count: Count::default(),
            cancel,
            observer,
        }
    }

    /// The count, to be read from elsewhere.
    #[must_use]
    pub fn count(&self) -> Count {
        self.count.clone()
    }

    fn passed(&mut self, length: usize) {
        self.count.add(length as u64);
        (self.observer)(self.count.bytes());
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check()?;
        let length = self.source.read(buffer)?;
        self.passed(length);
        Ok(length)
    }
}

impl<C: Chunks> Chunks for Meter<C> {
    fn chunk(&mut self) -> io::Result<Bytes> {
        self.cancel.check()?;
        let chunk = self.source.chunk()?;
        self.passed(chunk.len());
        Ok(chunk)
    }
}

/// Whole percents of `part` in `whole`, 0 to 100; 100 of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> u8 {
    match u128::from(part.min(whole)) * 100 {
        _ if whole == 0 => 100,
        scaled => u8::try_from(scaled / u128::from(whole)).unwrap_or(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_stay_between_their_bounds() {
        for (part, whole, expected) in [
            (0, 10, 0),
            (9, 10, 90),
            (11, 10, 100),
            (0, 0, 100),
            (u64::MAX, u64::MAX, 100),
            (u64::MAX / 2, u64::MAX, 49),
        ] {
            assert_eq!(percent(part, whole), expected);
        }
    }
}
