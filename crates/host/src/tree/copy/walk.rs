//! The walk: folders in order, everything else handed out.

use super::folder::{Closed, Folder, inode, open_quietly};
use super::list::Lister;
use super::place::Place;
use super::pool::{BATCH, Batch, QUEUE_DEPTH, Shared, threads};
use super::report::{CopyError, CopyReport, Tell};
use super::{DEPTH_MAX, OPEN_MAX};
use crate::dir::Dir;
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};

/// Mode of a folder until it is dressed: nobody else looks in.
pub(super) const NEW_FOLDER_MODE: u32 = 0o700;

/// Copies what is in `source`, and what is known of it, into the existing empty folder `target`. If
/// `target` lies in `source` itself, it is left out. With `flush` what is written goes to the disk while
/// more is copied; whoever wants all of it there flushes at the end.
///
/// # Errors
/// [`CopyError`] at the first entry that fails; the target is then half made.
pub fn copy(
    source: &Dir,
    target: &Dir,
    flush: bool,
    tell: Tell<'_>,
) -> Result<CopyReport, CopyError> {
    let shared = Shared::new(source, target, flush, tell);
    let top = Arc::new(Place::default());
    if let Err(error) = with_threads(&shared, source, target, &top) {
        shared.fail(&top, OsStr::new(""), error);
    }
    shared.finish()
}

fn with_threads(
    shared: &Shared<'_>,
    source: &Dir,
    target: &Dir,
    place: &Arc<Place>,
) -> io::Result<()> {
    let (queue, batches) = sync_channel(QUEUE_DEPTH);
    let batches = &Mutex::new(batches);
    let mount = source.mount_id()?;
    let top = Folder {
        source: source.reopen()?,
        target: target.try_clone()?,
        place: Arc::clone(place),
        stat: source.stat_self()?,
        is_complete: AtomicBool::new(false),
    };
    let itself = inode(&target.stat_self()?);
    // The queue moves in: it closes, and so ends the threads, however this ends.
    std::thread::scope(move |scope| {
        for _ in 0..threads() {
            let thread = std::thread::Builder::new().name("copy-files".into());
            thread.spawn_scoped(scope, move || shared.copy_all(batches))?;
        }
        let thread = std::thread::Builder::new().name("count-files".into());
        thread.spawn_scoped(scope, move || shared.count(source, mount))?;
        let mut walk = Walk {
            shared,
            queue,
            mount,
            itself,
            lister: Lister::new(),
            stack: Vec::new(),
        };
        walk.run(top);
        shared.stop_counting();
        Ok(())
    })
}

/// A folder on the way from the top to where the walk is.
struct Level {
    handle: Handle,
    place: Arc<Place>,
    stat: Stat,
    subfolders: Vec<OsString>,
}

enum Handle {
    Open(Arc<Folder>),
    /// Closed here; it may still be open where something is copied into it.
    Closed(Weak<Folder>, Closed),
}

struct Walk<'a> {
    shared: &'a Shared<'a>,
    queue: SyncSender<Batch>,
    mount: u64,
    /// The top of the target.
    itself: (u64, u64),
    lister: Lister,
    /// The last one is open, always.
    stack: Vec<Level>,
}

impl Walk<'_> {
    fn run(&mut self, top: Folder) {
        let place = Arc::clone(&top.place);
        if let Err(error) = self.enter(top, true) {
            self.shared.fail(&place, OsStr::new(""), error);
        }
        while !self.shared.has_failed()
            && let Some(level) = self.stack.last_mut()
        {
            let place = Arc::clone(&level.place);
            let (name, step) = match level.subfolders.pop() {
                Some(name) => {
                    let step = self.subfolder(&place, &name);
                    (name, step)
                }
                None => (OsString::new(), self.leave()),
            };
            if let Err(error) = step {
                self.shared.fail(&place, &name, error);
            }
        }
    }

    fn subfolder(&mut self, place: &Arc<Place>, name: &OsStr) -> io::Result<()> {
        let Some(Level {
            handle: Handle::Open(parent),
            ..
        }) = self.stack.last()
        else {
            return Err(Errno::STALE.into());
        };
        self.shared.tell(place, name, 0)?;
        let source = match open_quietly(&parent.source, name, OFlags::DIRECTORY) {
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => Dir::from(other?),
        };
        let stat = source.stat_self()?;
        if inode(&stat) == self.itself {
            return Ok(());
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        self.shared.count_entry();
        parent.target.make_dir(name, NEW_FOLDER_MODE)?;
        let target = parent.target.open_dir(name)?;
        let is_here = source.mount_id()? == self.mount;
        let folder = Folder {
            source,
            target,
            place: Place::below(place, name),
            stat,
            is_complete: AtomicBool::new(false),
        };
        self.enter(folder, is_here)
    }

    /// Hands out what is in a folder, unless something is mounted on it, and remembers its folders.
    fn enter(&mut self, folder: Folder, is_here: bool) -> io::Result<()> {
        let folder = Arc::new(folder);
        let mut subfolders = Vec::new();
        let mut batch = Vec::new();
        if is_here {
            let queue = &self.queue;
            self.lister.read(&folder.source, |name, kind| {
                if kind == FileType::Directory {
                    subfolders.push(name.to_owned());
                    return Ok(());
                }
                batch.push((name.to_owned(), kind));
                if batch.len() >= BATCH {
                    send(queue, &folder, std::mem::take(&mut batch))?;
                }
                Ok(())
            })?;
            if !batch.is_empty() {
                send(queue, &folder, batch)?;
            }
        }
        self.stack.push(Level {
            place: Arc::clone(&folder.place),
            stat: folder.stat,
            handle: Handle::Open(folder),
            subfolders,
        });
        self.close_one()
    }

    /// Closes the folder that lies so far up that it would be one open too many.
    fn close_one(&mut self) -> io::Result<()> {
        let Some(above) = self.stack.len().checked_sub(OPEN_MAX + 1) else {
            return Ok(());
        };
        if let Some(level) = self.stack.get_mut(above)
            && let Handle::Open(folder) = &level.handle
        {
            let closed = folder.close()?;
            level.handle = Handle::Closed(Arc::downgrade(folder), closed);
        }
        Ok(())
    }

    /// Leaves a folder: nothing will be put into it any more. Its parent is opened again first, since
    /// only a way up leads there.
    fn leave(&mut self) -> io::Result<()> {
        let Some(level) = self.stack.pop() else {
            return Ok(());
        };
        let Handle::Open(folder) = level.handle else {
            return Err(Errno::STALE.into());
        };
        if let Some(above) = self.stack.last_mut()
            && let Handle::Closed(still_open, closed) = &above.handle
        {
            let parent = match still_open.upgrade() {
                Some(parent) => parent,
                None => Arc::new(folder.reopen_parent(*closed, &above.place, above.stat)?),
            };
            above.handle = Handle::Open(parent);
        }
        folder.is_complete.store(true, Ordering::Release);
        self.shared.let_go(folder);
        Ok(())
    }
}

fn send(
    queue: &SyncSender<Batch>,
    folder: &Arc<Folder>,
    entries: Vec<(OsString, FileType)>,
) -> io::Result<()> {
    let batch = Batch {
        folder: Arc::clone(folder),
        entries,
    };
    // All threads are gone only if the copy is over.
    queue.send(batch).map_err(|_unsent| Errno::CANCELED.into())
}
