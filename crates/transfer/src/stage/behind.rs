//! Writes behind on a thread of its own.

use super::{BUFFER_BYTES, QUEUE_DEPTH};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// A sink that is written to by another thread, a bounded number of buffers later.
///
/// An error of the sink is returned by a later `write`, or by [`Behind::finish`], which must be
/// called: only then has everything been written.
#[derive(Debug)]
pub struct Behind<W> {
    full: Option<SyncSender<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    current: Vec<u8>,
    writer: Option<JoinHandle<io::Result<W>>>,
}

impl<W: Write + Send + 'static> Behind<W> {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(mut sink: W) -> io::Result<Self> {
        let (full, full_out) = sync_channel::<Vec<u8>>(QUEUE_DEPTH);
        let (empty_in, empty) = sync_channel(QUEUE_DEPTH + 2);
        let writer = std::thread::Builder::new()
            .name("write-behind".into())
            .spawn(move || {
                for mut buffer in full_out {
                    sink.write_all(&buffer)?;
                    buffer.clear();
                    match empty_in.try_send(buffer) {
                        Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
                    }
                }
                sink.flush()?;
                Ok(sink)
            })?;
        Ok(Self {
            full: Some(full),
            empty,
            current: Vec::with_capacity(BUFFER_BYTES),
            writer: Some(writer),
        })
    }

    /// Writes what is left and waits for it.
    ///
    /// # Errors
    /// The first error of the sink.
    pub fn finish(mut self) -> io::Result<W> {
        self.send()?;
        self.join()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.current.is_empty() {
            return Ok(());
        }
        let next = self
            .empty
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(BUFFER_BYTES));
        let buffer = std::mem::replace(&mut self.current, next);
        let sent = self.full.as_ref().map(|full| full.send(buffer));
        match sent {
            Some(Ok(())) => Ok(()),
            // The writer ends early only with an error: get it.
            Some(Err(_)) | None => self.join().map(|_| ()),
        }
    }

    fn join(&mut self) -> io::Result<W> {
        self.full = None;
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(io::Error::other("The writing thread ended")),
        }
    }
}

impl<W: Write + Send + 'static> Write for Behind<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = BUFFER_BYTES - self.current.len();
        let length = room.min(data.len());
        self.current.extend_from_slice(&data[..length]);
        if self.current.len() == BUFFER_BYTES {
            self.send()?;
        }
        Ok(length)
    }

    /// Hands over what is buffered; it need not be written yet.
    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order() {
        let data: Vec<u8> = (0..5_000_000u32).map(|i| (i % 253) as u8).collect();
        let mut behind = Behind::new(Vec::new()).unwrap();
        behind.write_all(&data).unwrap();
        assert!(behind.finish().unwrap() == data);
    }

    #[test]
    fn an_error_of_the_sink_comes_back_with_its_number() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut behind = Behind::new(full).unwrap();
        let result = io::copy(&mut io::repeat(1), &mut behind);
        assert_eq!(result.unwrap_err().raw_os_error(), Some(28));
    }
}
