//! The signal by which services are asked for small things: SIGRTMIN+18, with a number that says what.
//!
//! It is blocked, and comes through a descriptor with its number; a handler could not be told that.
//!
//! This module holds `unsafe`: the signal mask and `signalfd` have no safe wrapper.
//!
//! # Source
//! signalfd(2), sigqueue(3); `SIGRTMIN+18` in systemd(1) for what the numbers mean.

#![expect(
    unsafe_code,
    reason = "the signal mask and signalfd have no safe wrapper"
)]

use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Which of the real-time signals it is.
const OFFSET: libc::c_int = 18;

/// Size of what is read for each signal, and where in it the number stands that came along
/// (`ssi_int` of signalfd(2), an `i32` in the machine's byte order).
const RECORD_BYTES: usize = size_of::<libc::signalfd_siginfo>();
const NUMBER_AT: usize = std::mem::offset_of!(libc::signalfd_siginfo, ssi_int);

/// The signals that have come.
#[derive(Debug)]
pub struct ControlSignals(OwnedFd);

/// The signal's number on this system.
#[must_use]
pub fn number() -> i32 {
    libc::SIGRTMIN() + OFFSET
}

impl ControlSignals {
    /// Blocks the signal for this thread and those that it starts from now on, and opens the way by
    /// which it comes. Must be called before other threads are started: the signal's usual effect
    /// is to end the process.
    ///
    /// # Errors
    /// When the mask cannot be set, or no more descriptors can be had.
    pub fn open() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `set` is writable memory for one signal set, which this call initialises.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: initialised by `sigemptyset` above.
        let mut set = unsafe { set.assume_init() };
        // SAFETY: `set` is an initialised signal set, borrowed exclusively for the call.
        unsafe { libc::sigaddset(&raw mut set, number()) };
        // SAFETY: `set` lives through the call; the old mask is not asked for.
        let result =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if result != 0 {
            return Err(io::Error::from_raw_os_error(result));
        }
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: `set` lives through the call; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const set, flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made by the kernel, and nobody else knows of it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The number that the next signal brought, 0 if none; `None` if no signal has come.
    ///
    /// # Errors
    /// What read(2) says.
    pub fn next(&self) -> io::Result<Option<i32>> {
        let mut record = [0; RECORD_BYTES];
        loop {
            match rustix::io::read(&self.0, &mut record) {
                Ok(RECORD_BYTES) => break,
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
        let mut number = [0; size_of::<i32>()];
        number.copy_from_slice(&record[NUMBER_AT..NUMBER_AT + size_of::<i32>()]);
        Ok(Some(i32::from_ne_bytes(number)))
    }
}

impl AsFd for ControlSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_bring_their_numbers() {
        let signals = ControlSignals::open().unwrap();
        assert_eq!(signals.next().unwrap(), None);
        for value in [0x107, 0] {
            let value = libc::sigval {
                sival_ptr: std::ptr::without_provenance_mut(value),
            };
            // SAFETY: has no preconditions.
            let thread = unsafe { libc::pthread_self() };
            // SAFETY: the signal is blocked in this thread, to which alone it is sent, and which
            // lives through the call.
            let sent = unsafe { libc::pthread_sigqueue(thread, number(), value) };
            assert_eq!(sent, 0);
        }
        assert_eq!(signals.next().unwrap(), Some(0x107));
        assert_eq!(signals.next().unwrap(), Some(0));
        assert_eq!(signals.next().unwrap(), None);
    }
}
