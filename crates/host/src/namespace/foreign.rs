//! Trees that belong to ids which nobody has: the foreign range of systemd.
//!
//! A tree of a user that is meant for containers of changing ids belongs to these on the disk. Only
//! a privileged service can make a folder of them, and give a handle of one through which they are
//! the ids of a user namespace. In that namespace the caller has no id of their own: what is in the
//! tree is reached by its root, everything else by the caller as before.
//!
//! The one who asks the service is kept for the process, as the kernel keeps the namespace, until the
//! process gives up every way to the service; what is open by then stays usable.
//!
//! This module holds `unsafe`: the ids by which one thread reaches files.
//!
//! # Source
//! <https://systemd.io/UIDS-GIDS/>, setfsuid(2).

#![expect(unsafe_code, reason = "setfsuid and setfsgid have no safe wrapper")]

use crate::dir::Dir;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The first id of the range.
pub const FIRST: u32 = 0x7FFE_0000;
/// How many there are: as many as a container has.
pub const COUNT: u32 = 1 << 16;

/// Asks the service.
pub trait Keeper: Debug + Send + Sync {
    /// Makes an empty folder of the first foreign id.
    ///
    /// # Errors
    /// What the service says.
    fn make(&self, parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd>;

    /// A handle of a folder and all below, through which the foreign ids are those of the process's
    /// user namespace.
    ///
    /// # Errors
    /// What the service says.
    fn mount(&self, folder: BorrowedFd<'_>) -> io::Result<OwnedFd>;
}

/// Who is asked. Goes with the namespace, of which a process has one.
static KEEPER: Mutex<Option<Box<dyn Keeper>>> = Mutex::new(None);
/// Whether the process is in a namespace of foreign ids.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);
/// Folders that are open already, for the time when nobody can be asked any more.
static REMEMBERED: Mutex<Vec<Dir>> = Mutex::new(Vec::new());

/// Names who is asked from now on; the process is in their namespace.
pub fn entrust(keeper: Box<dyn Keeper>) {
    *lock(&KEEPER) = Some(keeper);
    IS_ENTERED.store(true, Ordering::Release);
}

/// Asks nobody from now on: only what is remembered can be opened.
pub fn dismiss() {
    lock(&KEEPER).take();
}

/// Whether the process is in a namespace of foreign ids.
pub fn is_entered() -> bool {
    IS_ENTERED.load(Ordering::Acquire)
}

/// Makes a folder, see [`Keeper::make`].
///
/// # Errors
/// `Unsupported` if there is nobody to ask; what the service says.
pub(crate) fn make(parent: &Dir, name: &OsStr) -> io::Result<Dir> {
    let keeper = lock(&KEEPER);
    let keeper = keeper.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    keeper.make(parent.as_fd(), name).map(Dir::from)
}

/// Keeps an open folder for [`open`].
///
/// # Errors
/// When no more descriptors can be had.
pub fn remember(opened: &Dir) -> io::Result<()> {
    let opened = opened.try_clone()?;
    lock(&REMEMBERED).push(opened);
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a number is one of the range, seen from outside.
#[must_use]
pub const fn is_foreign(uid: u32) -> bool {
    uid.wrapping_sub(FIRST) < COUNT
}

/// Runs something as the root of the namespace, in a thread of its own; threads that it starts are
/// root too.
///
/// # Errors
/// When no thread can be started, or the ids cannot be taken on.
pub fn as_root<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("root".into());
        let thread = thread.spawn_scoped(scope, || become_root().map(|()| work()))?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Opens a folder of foreign ids, as the root of the namespace.
///
/// # Errors
/// `Unsupported` if it is not remembered and there is nobody to ask; what the service and open(2) say.
pub fn open(folder: &Dir) -> io::Result<Dir> {
    let identity = folder.identity()?;
    for known in lock(&REMEMBERED).iter() {
        if known.identity()? == identity {
            return reopened(known.as_fd());
        }
    }
    let mounted = {
        let keeper = lock(&KEEPER);
        let keeper = keeper.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        keeper.mount(folder.as_fd())?
    };
    reopened(mounted.as_fd())
}

fn reopened(folder: BorrowedFd<'_>) -> io::Result<Dir> {
    as_root(|| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(folder, ".", flags, Mode::empty())?;
        Ok(Dir::from(opened))
    })?
}

/// The thread's files are reached as the root of its namespace from now on.
fn become_root() -> io::Result<()> {
    // SAFETY: changes the ids of this thread only, which is no other's business; no memory.
    unsafe { libc::setfsgid(0) };
    // SAFETY: as above.
    unsafe { libc::setfsuid(0) };
    // The calls do not say whether they worked; one that cannot work tells the id there is.
    // SAFETY: as above; the id that nobody can have changes nothing.
    let gid = unsafe { libc::setfsgid(u32::MAX) };
    // SAFETY: as above.
    let uid = unsafe { libc::setfsuid(u32::MAX) };
    match (uid, gid) {
        (0, 0) => Ok(()),
        _ => Err(Errno::PERM.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_begins_and_ends_where_it_should() {
        assert!(is_foreign(FIRST) && is_foreign(FIRST + 65535));
        assert!(!is_foreign(FIRST - 1) && !is_foreign(FIRST + 65536) && !is_foreign(0));
    }

    #[test]
    fn work_as_root_is_done_in_another_thread_and_its_result_comes_back() {
        let here = std::thread::current().id();
        if let Ok(there) = as_root(|| std::thread::current().id()) {
            assert_ne!(here, there);
        }
    }
}
