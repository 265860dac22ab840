//! Trees that belong to ids which nobody has: the foreign range of systemd.
//!
//! A tree of a user that is meant for containers of changing ids belongs to these on the disk. Only
//! a privileged service can make a folder of them, and give a handle of one through which they are
//! the ids of a user namespace. In that namespace the caller has no id of their own: what is in the
//! tree is reached by its root, everything else by the caller as before.
//!
//! The one who asks the service is kept for the whole process, as the kernel keeps the namespace.
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
use std::sync::OnceLock;

/// The first id of the range.
pub const FIRST: u32 = 0x7FFE_0000;
/// How many there are: as many as a container has.
pub const COUNT: u32 = 1 << 16;

/// Asks the service.
pub trait Keeper: Debug + Send + Sync {
    /// Makes an empty folder of the first foreign id, which all may read.
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

static KEEPER: OnceLock<Box<dyn Keeper>> = OnceLock::new();

/// Names who is asked from now on; the first one stays.
pub fn entrust(keeper: Box<dyn Keeper>) {
    // There is one namespace, and so one keeper; a second one changes nothing.
    KEEPER.set(keeper).unwrap_or(());
}

/// Who is asked, if somebody is.
pub fn keeper() -> Option<&'static dyn Keeper> {
    KEEPER.get().map(AsRef::as_ref)
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
/// `Unsupported` without a keeper; what the keeper and open(2) say.
pub fn open(folder: &Dir) -> io::Result<Dir> {
    let keeper = keeper().ok_or(io::ErrorKind::Unsupported)?;
    let mounted = keeper.mount(folder.as_fd())?;
    as_root(|| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&mounted, ".", flags, Mode::empty())?;
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
