//! A few threads that write small files.
//!
//! The parser hands over whole contents; paths on their way are known, so that a later entry that
//! needs one of them (a hard link, a second entry of the same name) waits for it.

use super::dress::{Inode, Wardrobe};
use super::inode;
use super::places::Components;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::tar::{self, Entry};
use importd_host::dir::Dir;
use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Most writers: more only contend for the parent folder's lock.
const WRITERS_MAX: usize = 4;

/// How much of a tree on its way is in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Most files that wait for a writer; a few more are read and written.
    files: usize,
    /// Files of up to this many bytes are small: read whole, and handed to the pool.
    small_bytes: u64,
}

impl Room {
    /// A tree of its own: at most 18 MiB. Most files are far smaller.
    pub(super) const IMAGE: Self = Self {
        files: 64,
        small_bytes: 256 << 10,
    };
    /// A layer, of which there are several at once: at most 1 MiB.
    pub(super) const LAYER: Self = Self {
        files: 8,
        small_bytes: 64 << 10,
    };
}

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
    state: Arc<State>,
    writers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    room: Room,
    shared: Mutex<Shared>,
    /// There is a file to write, or nothing will come any more.
    submitted: Condvar,
    /// What the parser waits for has happened.
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Shared {
    queue: VecDeque<SmallFile>,
    on_their_way: HashSet<Components>,
    spare: Vec<Vec<u8>>,
    failure: Option<Error>,
    closed: bool,
    /// Writers that wait for files: nobody is woken who does not sleep.
    idle: usize,
    awaited: Awaited,
}

/// What the parser waits for.
#[derive(Debug, Default, PartialEq, Eq)]
enum Awaited {
    #[default]
    Nothing,
    /// Half of the queue is free: woken for each place, it would sleep again for the next.
    Room,
    /// This file is written.
    File(Components),
}

impl Pool {
    pub(super) fn start(wardrobe: &Wardrobe, room: Room) -> Result<Self> {
        let state = State {
            room,
            shared: Mutex::default(),
            submitted: Condvar::new(),
            arrived: Condvar::new(),
        };
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let mut pool = Self {
            state: Arc::new(state),
            writers: Vec::new(),
        };
        for _ in 0..cores.clamp(2, WRITERS_MAX) {
            let (state, wardrobe) = (Arc::clone(&pool.state), wardrobe.clone());
            let writer = std::thread::Builder::new()
                .name("write-files".into())
                .spawn(move || write_all(&state, &wardrobe))
                .doing(|| "Failed to start a writing thread".into())?;
            pool.writers.push(writer);
        }
        Ok(pool)
    }

    /// Whether a file is for the pool: a small one, without holes.
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let is_plain = entry.kind == tar::Kind::File && !entry.sparse;
        is_plain && entry.size <= self.state.room.small_bytes
    }

    /// An empty buffer, which is used again where there is one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.state.lock().spare.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Hands a file over. Fails with the first failure of any file before it.
    pub(super) fn submit(&self, file: SmallFile) -> Result<()> {
        let mut shared = self.state.without(&file.path)?;
        if shared.queue.len() >= self.state.room.files {
            shared.awaited = Awaited::Room;
            shared = self.state.wait_for_it(shared);
        }
        shared.on_their_way.insert(file.path.clone());
        shared.queue.push_back(file);
        let sleeps = shared.idle > 0;
        drop(shared);
        if sleeps {
            self.state.submitted.notify_one();
        }
        Ok(())
    }

    /// Waits until the file of this path, if it is on its way, is written.
    pub(super) fn wait_for(&self, path: &Components) -> Result<()> {
        self.state.without(path).map(drop)
    }

    /// Waits for all files.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut died = false;
        self.close();
        for writer in self.writers.drain(..) {
            died |= writer.join().is_err();
        }
        match self.state.lock().failure.take() {
            Some(failure) => Err(failure),
            None if died => Err(Error::new(Kind::Io, "A writing thread died")),
            None => Ok(()),
        }
    }

    fn close(&self) {
        self.state.lock().closed = true;
        self.state.submitted.notify_all();
    }
}

impl Drop for Pool {
    /// Waits for the threads: the hidden tree is about to be removed, and must not grow meanwhile.
    fn drop(&mut self) {
        self.close();
        for writer in self.writers.drain(..) {
            writer.join().unwrap_or(());
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no file of this path is on its way. Fails with the first failure of any file.
    fn without(&self, path: &Components) -> Result<MutexGuard<'_, Shared>> {
        let mut shared = self.lock();
        if shared.on_their_way.contains(path) {
            shared.awaited = Awaited::File(path.clone());
            shared = self.wait_for_it(shared);
        }
        match shared.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(shared),
        }
    }

    /// Waits until what is awaited has happened.
    fn wait_for_it<'a>(&self, shared: MutexGuard<'a, Shared>) -> MutexGuard<'a, Shared> {
        self.arrived
            .wait_while(shared, |shared| shared.awaited != Awaited::Nothing)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The next file, and whether one before it has failed; `None` when nothing will come any more.
    fn next(&self) -> Option<(SmallFile, bool)> {
        let mut shared = self.lock();
        shared.idle += 1;
        let mut shared = self
            .submitted
            .wait_while(shared, |shared| shared.queue.is_empty() && !shared.closed)
            .unwrap_or_else(PoisonError::into_inner);
        shared.idle -= 1;
        let has_failed = shared.failure.is_some();
        Some((shared.queue.pop_front()?, has_failed))
    }

    /// Notes what has become of a file, and wakes the parser if it waits for that.
    fn note(&self, file: SmallFile, written: Result<()>) {
        let mut shared = self.lock();
        if let Err(error) = written {
            shared.failure.get_or_insert(error);
        }
        shared.on_their_way.remove(&file.path);
        let has_come = match &shared.awaited {
            Awaited::Nothing => false,
            Awaited::Room => shared.queue.len() <= self.room.files / 2,
            Awaited::File(path) => *path == file.path,
        };
        if shared.spare.len() < self.room.files {
            shared.spare.push(file.content);
        }
        if has_come {
            shared.awaited = Awaited::Nothing;
            drop(shared);
            self.arrived.notify_one();
        }
    }
}

fn write_all(state: &State, wardrobe: &Wardrobe) {
    while let Some((file, has_failed)) = state.next() {
        // After a failure the rest is only taken off the queue: the tree will be removed.
        let written = match has_failed {
            true => Ok(()),
            false => write(&file, wardrobe),
        };
        state.note(file, written);
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
