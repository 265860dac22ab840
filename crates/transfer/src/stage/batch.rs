//! Chunks on their way to another thread, several at once.
//!
//! A thread that is as fast as its source is woken for each chunk, and asleep again before the next: that
//! costs more than it looks. Woken for some MiB it works for a millisecond, and leaves its processor
//! to others for as long (decision 22).

use bytes::Bytes;

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

/// Gathers chunks until there are enough. Whoever waits for them may [take](Self::take) fewer.
#[derive(Debug)]
pub struct Batch {
    full: usize,
    chunks: Vec<Bytes>,
    bytes: usize,
}

impl Batch {
    /// An empty one, for so many bytes.
    #[must_use]
    pub const fn new(full: usize) -> Self {
        Self {
            full,
            chunks: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds a chunk; gives all that were added since it last did, if they are to go on.
    pub fn add(&mut self, chunk: Bytes) -> Option<Vec<Bytes>> {
        self.bytes += chunk.len();
        self.chunks.push(chunk);
        let goes = self.bytes >= self.full || self.chunks.len() >= CHUNKS_MAX;
        goes.then(|| self.take())
    }

    /// All that is there, be it enough or not.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
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
        let given: Vec<usize> = (0..7)
            .filter_map(|_| batch.add(chunk.clone()).map(|it| it.len()))
            .collect();
        assert_eq!(given, [3, 3]);
        assert_eq!(batch.take().len(), 1);
        assert!(batch.take().is_empty());
    }

    #[test]
    fn no_batch_holds_more_than_so_many_tiny_chunks() {
        let mut batch = Batch::new(1 << 20);
        let given = (0..3 * CHUNKS_MAX).filter_map(|_| batch.add(Bytes::from_static(b"a")));
        let lengths: Vec<usize> = given.map(|it| it.len()).collect();
        assert_eq!(lengths, [CHUNKS_MAX; 3]);
    }
}
