//! Writes behind on a thread of its own.

use super::{BUFFER_BYTES, QUEUE_DEPTH};
use importd_host::cancel::Cancel;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How often a wait for the sink looks whether the transfer was cancelled.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A sink that is written to by another thread, a bounded number of buffers later.
///
/// An error of the sink is returned by a later `write`, or by [`Behind::finish`], which must be
/// called: only then has everything been written.
///
/// # Cancellation
/// A sink that takes nothing more, such as a pipe that nobody reads, does not keep a cancelled
/// transfer: every write fails then, and the thread is left to the end of the process.
#[derive(Debug)]
pub struct Behind<W> {
    full: Option<Sender<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    end: Receiver<io::Result<W>>,
    current: Vec<u8>,
    /// Buffers that may still be made; after that one has to come back first.
    unmade: usize,
    cancel: Cancel,
}

impl<W: Write + Send + 'static> Behind<W> {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(sink: W, cancel: Cancel) -> io::Result<Self> {
        let (full, full_out) = channel::<Vec<u8>>();
        let (empty_in, empty) = channel();
        let (end_in, end) = channel();
        std::thread::Builder::new()
            .name("write-behind".into())
            .spawn(move || {
                // Whoever wanted to know may be gone.
                end_in
                    .send(write_all(sink, &full_out, &empty_in))
                    .unwrap_or(());
            })?;
        Ok(Self {
            full: Some(full),
            empty,
            end,
            current: Vec::with_capacity(BUFFER_BYTES),
            unmade: QUEUE_DEPTH,
            cancel,
        })
    }

    /// Writes what is left and waits for it.
    ///
    /// # Errors
    /// The first error of the sink.
    pub fn finish(mut self) -> io::Result<W> {
        self.send()?;
        self.full = None;
        self.end()
    }

    fn send(&mut self) -> io::Result<()> {
        self.cancel.check()?;
        if self.current.is_empty() {
            return Ok(());
        }
        let next = self.next_buffer()?;
        let buffer = std::mem::replace(&mut self.current, next);
        match self.full.as_ref().map(|full| full.send(buffer)) {
            Some(Ok(())) => Ok(()),
            // The writer ends early only with an error: get it.
            Some(Err(_)) | None => self.end().map(drop),
        }
    }

    fn next_buffer(&mut self) -> io::Result<Vec<u8>> {
        if let Ok(buffer) = self.empty.try_recv() {
            return Ok(buffer);
        }
        if let Some(left) = self.unmade.checked_sub(1) {
            self.unmade = left;
            return Ok(Vec::with_capacity(BUFFER_BYTES));
        }
        match patiently(&self.empty, &self.cancel)? {
            Some(buffer) => Ok(buffer),
            None => self.end().map(|_| Vec::new()),
        }
    }

    /// Waits for the end of the writing thread.
    fn end(&mut self) -> io::Result<W> {
        patiently(&self.end, &self.cancel)?
            .unwrap_or_else(|| Err(io::Error::other("The writing thread ended")))
    }
}

fn write_all<W: Write>(
    mut sink: W,
    full: &Receiver<Vec<u8>>,
    empty: &Sender<Vec<u8>>,
) -> io::Result<W> {
    for mut buffer in full {
        sink.write_all(&buffer)?;
        buffer.clear();
        // At the end nobody waits for buffers any more.
        empty.send(buffer).unwrap_or(());
    }
    sink.flush()?;
    Ok(sink)
}

/// The next thing from a thread that may hang; `None` if the thread has ended.
fn patiently<T>(source: &Receiver<T>, cancel: &Cancel) -> io::Result<Option<T>> {
    loop {
        match source.recv_timeout(LOOK_INTERVAL) {
            Ok(thing) => return Ok(Some(thing)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => cancel.check()?,
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
    use importd_host::cancel::Cancelled;

    #[test]
    fn everything_arrives_in_order() {
        let data: Vec<u8> = (0..5_000_000u32).map(|i| (i % 253) as u8).collect();
        let mut behind = Behind::new(Vec::new(), Cancel::new().unwrap()).unwrap();
        behind.write_all(&data).unwrap();
        assert!(behind.finish().unwrap() == data);
    }

    #[test]
    fn an_error_of_the_sink_comes_back_with_its_number() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut behind = Behind::new(full, Cancel::new().unwrap()).unwrap();
        let result = io::copy(&mut io::repeat(1), &mut behind);
        assert_eq!(result.unwrap_err().raw_os_error(), Some(28));
    }

    #[test]
    fn a_sink_that_takes_nothing_more_does_not_keep_a_cancelled_transfer() {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let cancel = Cancel::new().unwrap();
        let mut behind = Behind::new(std::fs::File::from(writer), cancel.clone()).unwrap();
        let worker = std::thread::spawn(move || io::copy(&mut io::repeat(1), &mut behind));
        cancel.cancel();
        let error = worker.join().unwrap().unwrap_err();
        assert!(Cancelled::is(&error), "{error}");
    }
}
