//! A process that does nothing but hold a new user namespace until it is mapped.
//!
//! This module holds `unsafe`: fork, and what happens in the child.

#![expect(
    unsafe_code,
    reason = "fork and what happens in the child have no safe wrapper"
)]

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, WaitOptions};
use rustix::thread::UnshareFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A child in a user namespace of its own, which has no ids yet. It ends when this is dropped, or
/// this process is gone.
#[derive(Debug)]
pub struct Seed {
    pid: Pid,
    /// The child waits for its end.
    hold: Option<OwnedFd>,
}

impl Seed {
    /// Makes the child, and waits until its namespace is there.
    ///
    /// # Errors
    /// What fork(2) and unshare(2) say: `PermissionDenied` and `StorageFull` where this user may
    /// have no namespaces.
    pub fn new() -> io::Result<Self> {
        let (held, hold) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let (answer, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // SAFETY: the child calls nothing but system calls, in `wait_inside`, and never returns: it
        // takes no lock that another thread may have held.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            drop(hold);
            wait_inside(held.as_fd(), tell.as_fd());
        }
        drop((held, tell));
        let pid = match Pid::from_raw(forked) {
            Some(pid) if forked > 0 => pid,
            _ => return Err(io::Error::last_os_error()),
        };
        let seed = Self {
            pid,
            hold: Some(hold),
        };
        let mut errno = [0; size_of::<i32>()];
        File::from(answer).read_exact(&mut errno)?;
        match i32::from_ne_bytes(errno) {
            0 => Ok(seed),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// The child's number.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// A handle of the namespace, which keeps it.
    ///
    /// # Errors
    /// What open(2) says: `NotFound` where `/proc` is not mounted.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/{}/ns/user", self.pid.as_raw_nonzero());
        Ok(File::open(path)?.into())
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        drop(self.hold.take());
        // It has nothing left to do but to exit.
        while let Err(Errno::INTR) = rustix::process::waitpid(Some(self.pid), WaitOptions::empty())
        {
        }
    }
}

/// The whole life of the child: tells how the namespace came to be, and waits for the other end of
/// `held` to be closed.
fn wait_inside(held: BorrowedFd<'_>, tell: BorrowedFd<'_>) -> ! {
    // SAFETY: a new user namespace takes no descriptor or memory from anybody; there is one thread.
    let made = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) };
    let errno = made.map_or_else(Errno::raw_os_error, |()| 0);
    let told = rustix::io::write(tell, &errno.to_ne_bytes());
    if errno == 0 && told.is_ok() {
        let mut byte = [0];
        while let Err(Errno::INTR) = rustix::io::read(held, &mut byte) {}
    }
    // SAFETY: ends this process without running what the parent has registered for its own exit.
    unsafe { libc::_exit(0) }
}
