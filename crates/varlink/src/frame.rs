//! A stream of bytes, cut into messages.
//!
//! ```text
//! { … } NUL { … } NUL { …
//! └ message ┘         └ not complete yet
//! ```
//!
//! Does no I/O: bytes are pushed in as they come, whole messages are taken out.

use std::ffi::CStr;
use std::mem;

/// Most bytes of one message, its end not counted; as the reference's Varlink library.
pub const MESSAGE_MAX: usize = 16 << 20;

/// Room that a splitter keeps when it is empty. One that once held a large message gives the rest
/// back, since a connection may live for long.
const KEPT_MAX: usize = 4096;

/// A message is longer than allowed. Nothing more can be read from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A message is longer than {limit} bytes")]
pub struct TooLong {
    /// The most bytes a message may have.
    pub limit: usize,
}

/// Where the first message in these bytes ends.
pub(crate) fn end(bytes: &[u8]) -> Option<usize> {
    // The fastest search for a byte 0 that the standard library has.
    CStr::from_bytes_until_nul(bytes)
        .ok()
        .map(CStr::count_bytes)
}

/// Cuts a stream into messages.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the message that is taken next begins.
    start: usize,
    /// How far the bytes have been looked at: no end of a message is between `start` and here.
    scanned: usize,
    limit: usize,
}

impl Splitter {
    /// An empty one whose messages have at most `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            limit,
        }
    }

    /// Bytes that are held, those of complete messages too.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// Adds the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next message, without its end; `None` if it is not complete yet.
    ///
    /// # Errors
    /// [`TooLong`], also for a message that is not complete yet; from then on for ever.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        let end = end(fresh).map(|offset| self.scanned.saturating_add(offset));
        let until = end.unwrap_or(self.buffer.len());
        if until.saturating_sub(self.start) > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        let Some(end) = end else {
            self.scanned = until;
            return Ok(None);
        };
        let message = self.buffer.get(self.start..end).unwrap_or_default();
        let message = message.to_vec();
        self.start = end.saturating_add(1);
        self.scanned = self.start;
        if self.held() == 0 {
            self.empty();
        }
        Ok(Some(message))
    }

    fn empty(&mut self) {
        let mut buffer = mem::take(&mut self.buffer);
        buffer.clear();
        buffer.shrink_to(KEPT_MAX);
        self.buffer = buffer;
        self.start = 0;
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(splitter: &mut Splitter) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| splitter.next_message().unwrap()).collect()
    }

    #[test]
    fn messages_end_with_nul_and_may_be_empty() {
        let mut splitter = Splitter::new(16);
        splitter.push(b"{}\0\0{\"a\"");
        assert_eq!(taken(&mut splitter), [b"{}".to_vec(), Vec::new()]);
        assert_eq!(splitter.held(), 4);
        splitter.push(b":1}\0");
        assert_eq!(taken(&mut splitter), [b"{\"a\":1}".to_vec()]);
        assert_eq!(splitter.held(), 0);
    }

    #[test]
    fn the_limit_counts_before_the_message_is_complete() {
        let mut splitter = Splitter::new(4);
        splitter.push(b"1234\0");
        assert_eq!(taken(&mut splitter), [b"1234".to_vec()]);
        for message in [&b"12345"[..], b"12345\0"] {
            let mut splitter = Splitter::new(4);
            splitter.push(message);
            assert_eq!(splitter.next_message(), Err(TooLong { limit: 4 }));
            assert_eq!(splitter.next_message(), Err(TooLong { limit: 4 }));
        }
    }

    #[test]
    fn what_a_large_message_took_is_given_back() {
        let mut splitter = Splitter::new(MESSAGE_MAX);
        splitter.push(&vec![b'x'; 1 << 20]);
        splitter.push(b"\0");
        assert_eq!(taken(&mut splitter).len(), 1);
        assert!(splitter.buffer.capacity() <= KEPT_MAX);
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_messages(
            messages in proptest::collection::vec(
                proptest::collection::vec(1u8..=255, 0..40), 0..8),
            cut in 1usize..20,
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                stream.extend_from_slice(message);
                stream.push(0);
            }
            let mut splitter = Splitter::new(40);
            let mut got = Vec::new();
            for piece in stream.chunks(cut) {
                splitter.push(piece);
                got.extend(taken(&mut splitter));
            }
            prop_assert_eq!(got, messages);
            prop_assert_eq!(splitter.held(), 0);
        }
    }
}
