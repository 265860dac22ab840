//! A few threads that write small files.
//!
//! The parser hands over whole contents; paths on their way are known, so that a later entry that
//! needs one of them (a hard link, a second entry of the same name) waits for it.

use super::dress::{Inode, Wardrobe};
use super::inode;
use super::places::Components;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::tar::Entry;
use importd_host::dir::Dir;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Files of an image that wait for a writer. With [`super::SMALL_FILE_BYTES`] this bounds the queue's
/// memory to 16 MiB; most files are far smaller.
pub(super) const IMAGE_QUEUE_DEPTH: usize = 64;
/// The same of a layer, of which there are several at once.
pub(super) const LAYER_QUEUE_DEPTH: usize = 8;
/// Most writers: more only contend for the parent folder's lock.
const WRITERS_MAX: usize = 4;

/// One small file on its way.
#[derive(Debug)]
pub(super) struct SmallFile {
    pub(super) parent: Arc<Dir>,
    pub(super) path: Components,
    pub(super) entry: Entry,
    pub(super) content: Vec<u8>,
}

/// The threads and what they are at.
#[derive(Debug)]
pub(super) struct Pool {
    queue: Option<SyncSender<SmallFile>>,
    spare: Receiver<Vec<u8>>,
    state: Arc<State>,
    writers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    on_their_way: Mutex<HashSet<Components>>,
    arrived: Condvar,
    failure: Mutex<Option<Error>>,
}

impl Pool {
    pub(super) fn start(wardrobe: &Wardrobe, depth: usize) -> Result<Self> {
        let (queue, files) = sync_channel::<SmallFile>(depth);
        let (spare_in, spare) = sync_channel(depth);
        let files = Arc::new(Mutex::new(files));
        let state = Arc::new(State::default());
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let writers = (0..cores.clamp(2, WRITERS_MAX))
            .map(|_| {
                let (files, state) = (Arc::clone(&files), Arc::clone(&state));
                let (spare, wardrobe) = (spare_in.clone(), wardrobe.clone());
                std::thread::Builder::new()
                    .name("write-files".into())
                    .spawn(move || write_all(&files, &spare, &state, &wardrobe))
            })
            .collect::<io::Result<Vec<_>>>()
            .doing(|| "Failed to start a writing thread".into())?;
        Ok(Self {
            queue: Some(queue),
            spare,
            state,
            writers,
        })
    }

    /// An empty buffer, reused where there is one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.spare.try_recv().unwrap_or_default()
    }

    /// Hands a file over. Fails with the first failure of any file before it.
    pub(super) fn submit(&self, file: SmallFile) -> Result<()> {
        self.wait_for(&file.path)?;
        lock(&self.state.on_their_way).insert(file.path.clone());
        match &self.queue {
            Some(queue) => queue.send(file).map_err(|_gone| self.failure()),
            None => Err(self.failure()),
        }
    }

    /// Waits until the file of this path, if it is on its way, is written.
    pub(super) fn wait_for(&self, path: &Components) -> Result<()> {
        let mut waiting = lock(&self.state.on_their_way);
        while waiting.contains(path) {
            waiting = self
                .state
                .arrived
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(waiting);
        match lock(&self.state.failure).take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Waits for all files.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.queue = None;
        for writer in self.writers.drain(..) {
            if writer.join().is_err() {
                return Err(Error::new(Kind::Io, "A writing thread died"));
            }
        }
        match lock(&self.state.failure).take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn failure(&self) -> Error {
        lock(&self.state.failure)
            .take()
            .unwrap_or_else(|| Error::new(Kind::Io, "The writing threads ended"))
    }
}

impl Drop for Pool {
    /// Waits for the threads: the hidden tree is about to be removed, and must not grow meanwhile.
    fn drop(&mut self) {
        self.queue = None;
        for writer in self.writers.drain(..) {
            writer.join().unwrap_or(());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_all(
    files: &Mutex<Receiver<SmallFile>>,
    spare: &SyncSender<Vec<u8>>,
    state: &State,
    wardrobe: &Wardrobe,
) {
    loop {
        let next = lock(files).recv();
        let Ok(mut file) = next else { return };
        // After a failure the rest is only taken off the queue: the tree will be removed.
        let failed = lock(&state.failure).is_some();
        if !failed && let Err(error) = write(&file, wardrobe) {
            lock(&state.failure).get_or_insert(error);
        }
        lock(&state.on_their_way).remove(&file.path);
        state.arrived.notify_all();
        file.content.clear();
        spare
            .try_send(std::mem::take(&mut file.content))
            .unwrap_or(());
    }
}

fn write(file: &SmallFile, wardrobe: &Wardrobe) -> Result<()> {
    let Some(name) = file.path.last() else {
        return Err(Error::new(Kind::Archive, "A file without a name"));
    };
    let entry = &file.entry;
    let failed = || {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        format!("Failed to create regular file '{path}'")
    };
    let fd = inode::file(&file.parent, OsStr::from_bytes(name), entry.mode).doing(failed)?;
    wardrobe.prepare(fd.as_fd(), entry)?;
    write_content(fd.as_fd(), &file.content).doing(failed)?;
    wardrobe.dress(Inode::Open(fd.as_fd()), entry, made_mode(entry))
}

/// The mode a file has after [`inode::file`].
pub(super) fn made_mode(entry: &Entry) -> u32 {
    entry.mode & 0o777 | 0o200
}

fn write_content(fd: BorrowedFd<'_>, mut content: &[u8]) -> io::Result<()> {
    while !content.is_empty() {
        match rustix::io::write(fd, content) {
            Ok(0) => return Err(rustix::io::Errno::NOSPC.into()),
            Ok(length) => content = &content[length..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
