//! What is written goes to the disk while more of it comes.
//!
//! # Source
//! syncfs(2).

use crate::dir::Dir;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Written bytes after which a flush begins: about what is left for the last one.
const DUE_BYTES: u64 = 96 << 20;
/// A flush that takes longer is the last one. A process cannot be ended while it waits for a disk: a
/// slow one must not hold up who cancels a transfer more than once.
const SLOW: Duration = Duration::from_secs(2);

/// Flushes the file system of a folder now and then, on a thread of its own: many small files in one
/// go, which costs the kernel less than one by one, and beside the work of unpacking them.
///
/// It is a help only. A flush that failed is not told of: the last one, through another handle, is told
/// the same again.
#[derive(Debug)]
pub struct Flusher {
    /// Opened anew, as errors are told once to each open file description.
    folder: Arc<Dir>,
    /// Bytes that were written since a flush began.
    unflushed: u64,
    begun: u32,
    running: Option<JoinHandle<()>>,
    is_slow: Arc<AtomicBool>,
}

impl Flusher {
    /// Flushes nothing yet.
    ///
    /// # Errors
    /// What open(2) says.
    pub fn new(folder: &Dir) -> io::Result<Self> {
        Ok(Self {
            folder: Arc::new(folder.reopen()?),
            unflushed: 0,
            begun: 0,
            running: None,
            is_slow: Arc::default(),
        })
    }

    /// Notes that so many bytes more were written to files. Begins a flush when they are many, the last
    /// one is over, and none was slow.
    pub fn wrote(&mut self, bytes: u64) {
        self.unflushed = self.unflushed.saturating_add(bytes);
        let folder = Arc::clone(&self.folder);
        self.begin_if_due(move || rustix::fs::syncfs(&*folder).unwrap_or(()), SLOW);
    }

    fn begin_if_due(&mut self, flush: impl FnOnce() + Send + 'static, slow: Duration) {
        let is_busy = self.running.as_ref().is_some_and(|it| !it.is_finished());
        if self.unflushed < DUE_BYTES || is_busy || self.is_slow.load(Ordering::Relaxed) {
            return;
        }
        let is_slow = Arc::clone(&self.is_slow);
        let thread = std::thread::Builder::new().name("flush".into());
        let started = thread.spawn(move || {
            let start = Instant::now();
            flush();
            is_slow.store(start.elapsed() > slow, Ordering::Relaxed);
        });
        if let Ok(running) = started {
            self.running = Some(running);
            self.unflushed = 0;
            self.begun = self.begun.saturating_add(1);
        }
    }

    /// How many flushes have begun.
    #[must_use]
    pub const fn begun(&self) -> u32 {
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const NEVER: Duration = Duration::MAX;

    fn flusher() -> Flusher {
        let folder = tempfile::tempdir().unwrap();
        Flusher::new(&Dir::open(folder.path()).unwrap()).unwrap()
    }

    fn wait(flusher: &mut Flusher) {
        flusher.running.take().unwrap().join().unwrap();
    }

    #[test]
    fn a_flush_begins_when_enough_is_written_and_no_other_runs() {
        let mut flusher = flusher();
        flusher.unflushed = DUE_BYTES - 1;
        flusher.begin_if_due(|| panic!("too early"), NEVER);
        assert!(flusher.running.is_none());

        flusher.unflushed += 1;
        let (end, ended) = channel();
        flusher.begin_if_due(move || ended.recv().unwrap(), NEVER);
        assert_eq!(flusher.unflushed, 0);
        flusher.unflushed = DUE_BYTES;
        flusher.begin_if_due(|| panic!("two at once"), NEVER);
        assert_eq!(flusher.unflushed, DUE_BYTES);
        end.send(()).unwrap();
        wait(&mut flusher);

        // What came meanwhile is not forgotten.
        flusher.wrote(0);
        wait(&mut flusher);
        assert_eq!((flusher.unflushed, flusher.begun()), (0, 2));
    }

    #[test]
    fn after_a_slow_flush_there_is_no_other() {
        let mut flusher = flusher();
        flusher.unflushed = DUE_BYTES;
        let moment = Duration::from_millis(1);
        flusher.begin_if_due(move || std::thread::sleep(moment * 2), moment);
        wait(&mut flusher);
        flusher.wrote(DUE_BYTES);
        assert!(flusher.running.is_none());
    }
}
