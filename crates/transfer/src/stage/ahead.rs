//! Reads ahead on a thread of its own.

use super::chunks::{Chunks, Copied, Flow};
use super::{QUEUE_DEPTH, Source};
use bytes::{Buf, Bytes};
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A source that is read by another thread, a bounded number of chunks in advance.
///
/// The thread ends at the end of the source, at its first error, or when this is dropped (after
/// the read that it is in).
#[derive(Debug)]
pub struct Ahead {
    from: From,
    current: Bytes,
    ended: bool,
}

enum From {
    Thread(Receiver<io::Result<Bytes>>),
    Flow(Flow),
}

impl Ahead {
    /// Starts reading.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(source: Source) -> io::Result<Self> {
        Self::of(Box::new(Copied::new(source)))
    }

    /// As [`Ahead::new`], of chunks, which are not copied.
    ///
    /// # Errors
    /// As [`Ahead::new`].
    pub fn of(flow: Flow) -> io::Result<Self> {
        let (full_in, full) = sync_channel(QUEUE_DEPTH);
        std::thread::Builder::new()
            .name("read-ahead".into())
            .spawn(move || read_all(flow, &full_in))?;
        Ok(Self::with(From::Thread(full)))
    }

    /// Takes chunks as they are asked for, of a flow with which somebody keeps ahead already.
    #[must_use]
    pub fn passing(flow: Flow) -> Self {
        Self::with(From::Flow(flow))
    }

    const fn with(from: From) -> Self {
        Self {
            from,
            current: Bytes::new(),
            ended: false,
        }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        self.current = Bytes::new();
        let chunk = match &mut self.from {
            From::Thread(full) => full
                .recv()
                .unwrap_or_else(|_lost| Err(io::Error::other("The reading thread ended"))),
            From::Flow(flow) => flow.chunk(),
        };
        self.ended = chunk.as_ref().map_or(true, Bytes::is_empty);
        self.current = chunk?;
        Ok(())
    }
}

impl std::fmt::Debug for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Thread(_) => "Thread",
            Self::Flow(_) => "Flow",
        })
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.ended {
            self.next_chunk()?;
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount.min(self.current.len()));
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

/// Reads until the end, an error, or until nobody listens. An empty chunk says the end.
fn read_all(mut flow: Flow, full: &SyncSender<io::Result<Bytes>>) {
    loop {
        let message = flow.chunk();
        let last = message.as_ref().map_or(true, Bytes::is_empty);
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
        let cursor = io::Cursor::new(data.clone());
        for mut ahead in [
            Ahead::new(Box::new(cursor.clone())).unwrap(),
            Ahead::passing(Box::new(Copied::new(cursor))),
        ] {
            let mut out = Vec::new();
            ahead.read_to_end(&mut out).unwrap();
            assert!(out == data);
            assert_eq!(ahead.read(&mut [0; 9]).unwrap(), 0);
        }
    }

    #[test]
    fn an_error_arrives_with_its_number_and_then_the_end() {
        for mut ahead in [
            Ahead::new(Box::new(Failing(3 << 20))).unwrap(),
            Ahead::passing(Box::new(Copied::new(Failing(3 << 20)))),
        ] {
            let error = io::copy(&mut ahead, &mut io::sink()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(5));
            assert_eq!(ahead.read(&mut [0; 9]).unwrap(), 0);
        }
    }

    #[test]
    fn a_dropped_stage_does_not_wait_for_its_source() {
        let ahead = Ahead::new(Box::new(io::repeat(1))).unwrap();
        drop(ahead);
    }
}
