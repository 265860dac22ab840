//! Chunks on their way to another thread, several at once.
//!
//! A thread that is as fast as its source is woken for each chunk, and asleep again before the next: that
//! costs more than it looks. Woken for some MiB it works for a millisecond, and leaves its processor
//! to others for as long (decision 22).

use bytes::Bytes;
use std::time::{Duration, Instant};

/// Longest that chunks of a slow source wait for others.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// Most chunks of a batch: tiny ones cost memory by their number.
const CHUNKS_MAX: usize = 1024;

/// How much waits between two threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Bytes that go together.
    pub batch_bytes: usize,
    /// Batches that wait; as many as two more are in work on either side.
    pub batches: usize,
}

impl Queue {
    /// For a source that is alone in its process.
    pub const ALONE: Self = Self {
        batch_bytes: 2 << 20,
        batches: 3,
    };
    /// For one of several sources.
    pub const ONE_OF_MANY: Self = Self {
        batch_bytes: 512 << 10,
        batches: 2,
    };
}

/// Gathers chunks until there are enough, or until the first has waited long enough.
#[derive(Debug)]
pub struct Batch {
    full: usize,
    chunks: Vec<Bytes>,
    bytes: usize,
    since: Option<Instant>,
}

impl Batch {
    /// An empty one, for so many bytes.
    #[must_use]
    pub const fn new(full: usize) -> Self {
        Self {
            full,
            chunks: Vec::new(),
            bytes: 0,
            since: None,
        }
    }

    /// Adds a chunk; gives all that were added since it last did, if they are to go on.
    pub fn add(&mut self, chunk: Bytes) -> Option<Vec<Bytes>> {
        self.bytes += chunk.len();
        self.chunks.push(chunk);
        let since = *self.since.get_or_insert_with(Instant::now);
        let goes = self.bytes >= self.full
            || self.chunks.len() >= CHUNKS_MAX
            || since.elapsed() >= LONGEST_WAIT;
        goes.then(|| self.take())
    }

    /// All that is there: nothing more comes.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        self.since = None;
        std::mem::take(&mut self.chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_go_on_when_there_are_enough_of_them() {
        let mut batch = Batch::new(5);
        let chunk = Bytes::from_static(b"ab");
        let mut given = Vec::new();
        for _ in 0..7 {
            given.extend(batch.add(chunk.clone()));
        }
        // Others may have had their turn for long enough meanwhile: then they go sooner.
        assert!(given.iter().all(|it| (1..=3).contains(&it.len())));
        let rest = batch.take();
        let count = given.iter().map(Vec::len).sum::<usize>() + rest.len();
        assert_eq!(count, 7);
        assert!(batch.take().is_empty());
    }

    #[test]
    fn no_batch_holds_more_than_so_many_tiny_chunks() {
        let mut batch = Batch::new(1 << 20);
        let given = (0..3 * CHUNKS_MAX).filter_map(|_| batch.add(Bytes::from_static(b"a")));
        let lengths: Vec<usize> = given.map(|it| it.len()).collect();
        assert!(lengths.len() >= 3 && lengths.iter().all(|it| *it <= CHUNKS_MAX));
    }

    #[test]
    fn chunks_of_a_slow_source_do_not_wait_for_the_rest_of_a_batch() {
        let mut batch = Batch::new(1 << 20);
        let chunk = Bytes::from_static(b"a");
        let first = batch.add(chunk.clone());
        // The time that passes is what is tested: no event marks it.
        std::thread::sleep(LONGEST_WAIT);
        let second = batch.add(chunk);
        // Others may have had their turn for long enough meanwhile: then the first went alone.
        let both = second.is_some_and(|it| it.len() == 2);
        assert!(both || first.is_some());
    }
}
