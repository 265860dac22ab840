//! Reads ahead on a thread of its own.

use super::{BUFFER_BYTES, QUEUE_DEPTH, Source};
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A source that is read by another thread, a bounded number of buffers in advance.
///
/// The thread ends at the end of the source, at its first error, or when this is dropped (after
/// the read that it is in). Buffers are reused.
#[derive(Debug)]
pub struct Ahead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    position: usize,
    ended: bool,
}

impl Ahead {
    /// Starts reading.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(source: Source) -> io::Result<Self> {
        let (full_in, full) = sync_channel(QUEUE_DEPTH);
        let (empty, empty_out) = sync_channel(QUEUE_DEPTH + 2);
        std::thread::Builder::new()
            .name("read-ahead".into())
            .spawn(move || read_all(source, &full_in, &empty_out))?;
        Ok(Self {
            full,
            empty,
            current: Vec::new(),
            position: 0,
            ended: false,
        })
    }

    fn next_buffer(&mut self) -> io::Result<()> {
        let used = std::mem::take(&mut self.current);
        if used.capacity() > 0 {
            // A reader that has ended needs no buffers.
            self.empty.try_send(used).unwrap_or(());
        }
        self.position = 0;
        match self.full.recv() {
            Ok(Ok(buffer)) => {
                self.ended = buffer.is_empty();
                self.current = buffer;
                Ok(())
            }
            Ok(Err(error)) => {
                self.ended = true;
                Err(error)
            }
            Err(std::sync::mpsc::RecvError) => Err(io::Error::other("The reading thread ended")),
        }
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position >= self.current.len() && !self.ended {
            self.next_buffer()?;
        }
        Ok(self.current.get(self.position..).unwrap_or(&[]))
    }

    fn consume(&mut self, amount: usize) {
        self.position = self.position.saturating_add(amount).min(self.current.len());
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// Reads until the end, an error, or until nobody listens. An empty buffer says the end.
fn read_all(mut source: Source, full: &SyncSender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut buffer = empty
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(BUFFER_BYTES));
        buffer.resize(BUFFER_BYTES, 0);
        let message = fill(source.as_mut(), &mut buffer).map(|length| {
            buffer.truncate(length);
            buffer
        });
        let last = match &message {
            Ok(buffer) => buffer.is_empty(),
            Err(_) => true,
        };
        if full.send(message).is_err() || last {
            return;
        }
    }
}

/// Reads until the buffer is full or the source ends. An error after some bytes is met again, or
/// replaced by the next one, at the next call: bytes that came are never lost.
pub(crate) fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::from_raw_os_error(5));
            }
            let length = self.0.min(buffer.len());
            self.0 -= length;
            buffer[..length].fill(7);
            Ok(length)
        }
    }

    #[test]
    fn bytes_come_through_unchanged_and_the_end_is_seen_again_and_again() {
        let data: Vec<u8> = (0..5_000_000u32).map(|i| (i % 251) as u8).collect();
        let mut ahead = Ahead::new(Box::new(io::Cursor::new(data.clone()))).unwrap();
        let mut out = Vec::new();
        ahead.read_to_end(&mut out).unwrap();
        assert!(out == data);
        assert_eq!(ahead.read(&mut [0; 9]).unwrap(), 0);
    }

    #[test]
    fn an_error_arrives_with_its_number_and_then_the_end() {
        let mut ahead = Ahead::new(Box::new(Failing(3 << 20))).unwrap();
        let error = io::copy(&mut ahead, &mut io::sink()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5));
        assert_eq!(ahead.read(&mut [0; 9]).unwrap(), 0);
    }

    #[test]
    fn a_dropped_stage_does_not_wait_for_its_source() {
        let ahead = Ahead::new(Box::new(io::repeat(1))).unwrap();
        drop(ahead);
    }
}
