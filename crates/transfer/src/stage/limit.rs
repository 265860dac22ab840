//! Ends a source that is longer than it may be, or far longer than what it was unpacked from.

use super::chunks::Chunks;
use super::meter::Count;
use crate::error::{Error, Result};
use bytes::Bytes;
use importd_api::failure::Kind;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

/// Unpacked bytes from which on the ratio counts: little is lost before, and short files of little
/// content are packed to almost nothing.
const RATIO_FROM_BYTES: u64 = 64 << 20;

/// How many bytes something packed may become; shared by whoever takes from it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: Option<u64>,
    ratio: u64,
    packed: Option<Count>,
    taken: Count,
}

impl Budget {
    /// Bytes up to `most`, and up to `ratio` times the `packed` bytes that were read, where those
    /// are counted.
    #[must_use]
    pub fn new(most: Option<u64>, ratio: u64, packed: Option<Count>) -> Self {
        Self(Arc::new(Inner {
            most,
            ratio,
            packed,
            taken: Count::default(),
        }))
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// [`Kind::SizeLimit`] if that is more than is left, with the option that sets the limit.
    pub fn take(&self, bytes: u64) -> Result<()> {
        let inner = &self.0;
        inner.taken.add(bytes);
        let taken = inner.taken.bytes();
        if let Some(most) = inner.most.filter(|most| taken > *most) {
            return Err(too_large(most));
        }
        let Some(packed) = &inner.packed else {
            return Ok(());
        };
        let fair = packed.bytes().saturating_mul(inner.ratio);
        if taken > RATIO_FROM_BYTES && taken > fair {
            let text = format!(
                "The image is more than {} times as large as its packed form; --ratio-max= sets \
                 another limit",
                inner.ratio
            );
            return Err(Error::new(Kind::SizeLimit, text));
        }
        Ok(())
    }
}

/// A source whose bytes are taken from a budget.
#[derive(Debug)]
pub struct Limit<R> {
    source: R,
    budget: Budget,
    /// Bytes in the source's buffer that are taken already.
    taken: usize,
}

impl<R> Limit<R> {
    /// Lets bytes through as long as the budget lasts.
    pub const fn new(source: R, budget: Budget) -> Self {
        Self {
            source,
            budget,
            taken: 0,
        }
    }
}

impl<R: BufRead> BufRead for Limit<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.source.fill_buf()?;
        let more = bytes.len().saturating_sub(self.taken);
        self.taken += more;
        self.budget.take(more as u64).map_err(Error::into_io)?;
        Ok(bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.taken = self.taken.saturating_sub(amount);
        self.source.consume(amount);
    }
}

impl<R: BufRead> Read for Limit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<C: Chunks> Chunks for Limit<C> {
    fn chunk(&mut self) -> io::Result<Bytes> {
        let chunk = self.source.chunk()?;
        self.budget
            .take(chunk.len() as u64)
            .map_err(Error::into_io)?;
        Ok(chunk)
    }
}

/// What is said of an image that is too large.
pub fn too_large(most: u64) -> Error {
    let text =
        format!("The image is larger than {most} bytes unpacked; --size-max= sets another limit");
    Error::new(Kind::SizeLimit, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bytes_pass_as_may_and_not_one_more() {
        let limited = |most| Limit::new(&b"12345"[..], Budget::new(Some(most), 1, None));
        let mut out = Vec::new();
        limited(5).read_to_end(&mut out).unwrap();
        assert_eq!(out, b"12345");
        let error = limited(4).read_to_end(&mut out);
        let error = Error::io("Reading", error.unwrap_err());
        assert_eq!(error.kind, Kind::SizeLimit);
    }

    #[test]
    fn bytes_that_are_looked_at_again_count_once() {
        let mut limited = Limit::new(&b"12345"[..], Budget::new(Some(5), 1, None));
        for left in (0..=5).rev() {
            assert_eq!(limited.fill_buf().unwrap().len(), left);
            assert_eq!(limited.fill_buf().unwrap().len(), left);
            limited.consume(1.min(left));
        }
        let more = io::BufReader::with_capacity(2, &b"12345"[..]);
        let mut limited = Limit::new(more, Budget::new(Some(4), 1, None));
        limited.read_exact(&mut [0; 4]).unwrap();
        limited.fill_buf().unwrap_err();
    }

    #[test]
    fn a_ratio_counts_only_after_the_start() {
        let packed = Count::default();
        packed.add(1 << 20);
        let budget = Budget::new(None, 100, Some(packed.clone()));
        budget.take(100 << 20).unwrap();
        let error = budget.take(1).unwrap_err();
        assert!(error.doing.contains("--ratio-max="), "{}", error.doing);
        packed.add(1);
        budget.take(1).unwrap();
        let small = Budget::new(None, 1, Some(Count::default()));
        small.take(RATIO_FROM_BYTES).unwrap();
        assert_eq!(small.take(1).unwrap_err().kind, Kind::SizeLimit);
    }
}
