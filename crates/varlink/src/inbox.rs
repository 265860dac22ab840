//! What has arrived on a connection: messages, each with the descriptors that came with it.
//!
//! The kernel hands descriptors over with the last bytes of the piece they were sent with, and ends
//! a read there. So they belong to the message that the last byte of the read is part of.

use crate::frame::{self, Splitter, TooLong};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Why nothing more can be taken from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A message is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A message brings more descriptors than it may.
    #[error("A message comes with more than {limit} descriptors")]
    TooManyDescriptors {
        /// The most it may bring.
        limit: usize,
    },
}

/// A message and what came with it.
#[derive(Debug)]
pub struct Delivery {
    /// The message, without its end.
    pub message: Vec<u8>,
    /// Its descriptors, in the order in which they were sent.
    pub descriptors: Vec<OwnedFd>,
}

/// The messages of one connection that have not been taken yet.
#[derive(Debug)]
pub struct Inbox {
    splitter: Splitter,
    /// Descriptors, each with the number of its message.
    descriptors: VecDeque<(u64, OwnedFd)>,
    descriptors_max: usize,
    /// Number of the message that the next byte is part of.
    arriving: u64,
    /// Number of the message that is taken next.
    next: u64,
}

impl Inbox {
    /// An empty one, for messages of at most `bytes_max` bytes with at most `descriptors_max`
    /// descriptors.
    #[must_use]
    pub const fn new(bytes_max: usize, descriptors_max: usize) -> Self {
        Self {
            splitter: Splitter::new(bytes_max),
            descriptors: VecDeque::new(),
            descriptors_max,
            arriving: 0,
            next: 0,
        }
    }

    /// Bytes that are held.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.splitter.held()
    }

    /// Whether a whole message waits to be taken.
    #[must_use]
    pub const fn has_message(&self) -> bool {
        self.next < self.arriving
    }

    /// Adds what one read brought. Without any bytes there is no message to belong to, and
    /// descriptors are closed.
    ///
    /// # Errors
    /// [`Refused::TooManyDescriptors`]; the descriptors of this read are closed then.
    pub fn push(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) -> Result<(), Refused> {
        let Some(last) = bytes.last() else {
            return Ok(());
        };
        let mut rest = bytes;
        while let Some(end) = frame::end(rest) {
            self.arriving = self.arriving.saturating_add(1);
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        }
        self.splitter.push(bytes);
        let owner = match last {
            0 => self.arriving.saturating_sub(1),
            _ => self.arriving,
        };
        let there = self.descriptors.iter().filter(|(of, _)| *of == owner);
        if there.count().saturating_add(descriptors.len()) > self.descriptors_max {
            let limit = self.descriptors_max;
            return Err(Refused::TooManyDescriptors { limit });
        }
        let owned = descriptors.into_iter().map(|fd| (owner, fd));
        self.descriptors.extend(owned);
        Ok(())
    }

    /// Takes the next message; `None` if it is not complete yet.
    ///
    /// # Errors
    /// [`Refused::TooLong`].
    pub fn take(&mut self) -> Result<Option<Delivery>, Refused> {
        let Some(message) = self.splitter.next_message()? else {
            return Ok(None);
        };
        let mut descriptors = Vec::new();
        while self
            .descriptors
            .front()
            .is_some_and(|(of, _)| *of == self.next)
        {
            descriptors.extend(self.descriptors.pop_front().map(|(_, fd)| fd));
        }
        self.next = self.next.saturating_add(1);
        Ok(Some(Delivery {
            message,
            descriptors,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn descriptors(count: usize) -> Vec<OwnedFd> {
        (0..count)
            .map(|_| File::open("/dev/null").unwrap().into())
            .collect()
    }

    fn taken(inbox: &mut Inbox) -> Vec<(Vec<u8>, usize)> {
        std::iter::from_fn(|| inbox.take().unwrap())
            .map(|it| (it.message, it.descriptors.len()))
            .collect()
    }

    #[test]
    fn descriptors_belong_to_the_message_of_the_last_byte() {
        let mut inbox = Inbox::new(100, 2);
        inbox.push(b"a\0b\0", descriptors(1)).unwrap();
        inbox.push(b"c", descriptors(2)).unwrap();
        inbox.push(b"c\0d\0", Vec::new()).unwrap();
        assert!(inbox.has_message());
        let expected = [
            (b"a".to_vec(), 0),
            (b"b".to_vec(), 1),
            (b"cc".to_vec(), 2),
            (b"d".to_vec(), 0),
        ];
        assert_eq!(taken(&mut inbox), expected);
        assert!(!inbox.has_message());
        assert_eq!(inbox.held(), 0);
    }

    #[test]
    fn a_message_brings_so_many_descriptors_however_they_are_sent() {
        let mut inbox = Inbox::new(100, 2);
        inbox.push(b"a", descriptors(1)).unwrap();
        inbox.push(b"a", descriptors(1)).unwrap();
        let refused = inbox.push(b"a", descriptors(1));
        assert_eq!(refused, Err(Refused::TooManyDescriptors { limit: 2 }));
    }

    #[test]
    fn descriptors_without_a_byte_are_closed() {
        let (read, write) = std::io::pipe().unwrap();
        let mut inbox = Inbox::new(100, 2);
        inbox.push(b"", vec![write.into()]).unwrap();
        let mut read = read;
        assert_eq!(std::io::Read::read(&mut read, &mut [0]).unwrap(), 0);
    }
}
