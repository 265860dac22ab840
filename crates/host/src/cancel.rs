//! The end by SIGTERM and SIGINT, noticed everywhere.
//!
//! A [`Cancel`] is a flag and a pipe: loops ask the flag, waits poll the descriptor. No signal
//! handler runs: a thread takes the blocked signals.
//!
//! This module holds `unsafe`: the signal mask and `sigwait` have no safe wrapper.

#![expect(
    unsafe_code,
    reason = "the signal mask and sigwait have no safe wrapper"
)]

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest pause: what is longer is no pause, and a time so far ahead cannot be told.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The signals that call the work off.
const SIGNALS: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGINT];

/// Whether the work has been called off. Clones share it.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cancelled: AtomicBool,
    /// Readable once the work is called off; nothing is ever read from it.
    reader: OwnedFd,
    writer: OwnedFd,
}

/// The payload of the `io::Error` with which cancelled reads and waits end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The transfer was cancelled")]
pub struct Cancelled;

impl Cancelled {
    /// Whether an error is the cancel.
    #[must_use]
    pub fn is(error: &io::Error) -> bool {
        error
            .get_ref()
            .is_some_and(|payload| payload.is::<Cancelled>())
    }
}

impl Cancel {
    /// A cancel that only [`Cancel::cancel`] sets.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner {
            cancelled: AtomicBool::new(false),
            reader,
            writer,
        })))
    }

    /// Blocks SIGTERM and SIGINT, which [`Cancel::listen`] then takes, and ignores SIGPIPE. Must be
    /// called before other threads are started, so that none of them is killed by the signals.
    ///
    /// # Errors
    /// When the mask cannot be set.
    pub fn on_signals() -> io::Result<Self> {
        block(&SIGNALS)?;
        ignore(libc::SIGPIPE)?;
        Self::new()
    }

    /// Starts the thread that takes the signals; those that came meanwhile are pending. Called
    /// after [`crate::sandbox::enter`], which only binds the calling thread and its children.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn listen(&self) -> io::Result<()> {
        let signals = block(&SIGNALS)?;
        let setter = self.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                while wait(&signals).is_ok() {
                    setter.cancel();
                }
            })?;
        Ok(())
    }

    /// Before [`Cancel::listen`]: waits for a signal for at most that long, and takes it. For what has
    /// to be tried again and again until somebody else is ready, such as the reader of a fifo.
    ///
    /// # Errors
    /// An error with [`Cancelled`] in it once the work has been called off.
    pub fn wait_signal(&self, longest: Duration) -> io::Result<()> {
        if wait_for(&block(&SIGNALS)?, longest) {
            self.cancel();
        }
        self.check()
    }

    /// Waits for that long, or until the work is called off.
    ///
    /// # Errors
    /// An error with [`Cancelled`] in it once the work has been called off.
    pub fn pause(&self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time.min(PAUSE_MAX);
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut watched = [PollFd::from_borrowed_fd(self.fd(), PollFlags::IN)];
            match rustix::event::poll(&mut watched, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Calls the work off.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        // A pipe that is full is readable too.
        rustix::io::write(&self.0.writer, &[0]).unwrap_or(0);
    }

    /// Whether the work has been called off.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Fails once the work has been called off.
    ///
    /// # Errors
    /// An error with [`Cancelled`] in it.
    pub fn check(&self) -> io::Result<()> {
        if self.is_cancelled() {
            return Err(io::Error::other(Cancelled));
        }
        Ok(())
    }

    /// The end of a pipe that becomes readable when the work is called off, and stays so as long
    /// as nobody reads from it.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.reader.as_fd()
    }
}

/// Waits until a descriptor can be read, or has ended.
///
/// # Errors
/// An error with [`Cancelled`] in it once the work has been called off.
pub fn wait_readable(fd: BorrowedFd<'_>, cancel: &Cancel) -> io::Result<()> {
    wait_ready(fd, PollFlags::IN, cancel)
}

/// Waits until a descriptor can be written to, or has ended.
///
/// # Errors
/// An error with [`Cancelled`] in it once the work has been called off.
pub fn wait_writable(fd: BorrowedFd<'_>, cancel: &Cancel) -> io::Result<()> {
    wait_ready(fd, PollFlags::OUT, cancel)
}

fn wait_ready(fd: BorrowedFd<'_>, wanted: PollFlags, cancel: &Cancel) -> io::Result<()> {
    loop {
        let mut both = [
            PollFd::from_borrowed_fd(fd, wanted),
            PollFd::from_borrowed_fd(cancel.fd(), PollFlags::IN),
        ];
        match rustix::event::poll(&mut both, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        cancel.check()?;
        if !both[0].revents().is_empty() {
            return Ok(());
        }
    }
}

fn block(numbers: &[libc::c_int]) -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is writable memory for one signal set, which this call initialises.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by `sigemptyset` above.
    let mut set = unsafe { set.assume_init() };
    for number in numbers {
        // SAFETY: `set` is an initialised signal set, borrowed exclusively for the call.
        unsafe { libc::sigaddset(&raw mut set, *number) };
    }
    // SAFETY: `set` lives through the call; the old mask is not asked for.
    let result =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    match result {
        0 => Ok(set),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn ignore(number: libc::c_int) -> io::Result<()> {
    // SAFETY: ignoring a signal installs no handler and so runs no code of ours.
    if unsafe { libc::signal(number, libc::SIG_IGN) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn wait(set: &libc::sigset_t) -> io::Result<libc::c_int> {
    let mut number = 0;
    // SAFETY: both pointers are to live values of the right types for the length of the call.
    match unsafe { libc::sigwait(set, &raw mut number) } {
        0 => Ok(number),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Whether one of the signals came in time.
fn wait_for(set: &libc::sigset_t, longest: Duration) -> bool {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(longest.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(longest.subsec_nanos().cast_signed()),
    };
    // SAFETY: the set and the time live through the call; what is known of the signal is not asked for.
    unsafe { libc::sigtimedwait(set, std::ptr::null_mut(), &raw const timeout) > 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_wakes_a_wait_on_a_silent_pipe() {
        let cancel = Cancel::new().unwrap();
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || wait_readable(reader.as_fd(), &other));
        cancel.cancel();
        let error = waiter.join().unwrap().unwrap_err();
        assert!(Cancelled::is(&error));
        assert!(Cancelled::is(&cancel.check().unwrap_err()));
    }

    #[test]
    fn a_pause_ends_in_time_or_with_the_cancel() {
        let cancel = Cancel::new().unwrap();
        let started = Instant::now();
        cancel.pause(Duration::from_millis(5)).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(5));
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || other.pause(Duration::MAX));
        cancel.cancel();
        assert!(Cancelled::is(&waiter.join().unwrap().unwrap_err()));
    }

    #[test]
    fn the_end_of_a_pipe_is_readable() {
        let cancel = Cancel::new().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(writer);
        wait_readable(reader.as_fd(), &cancel).unwrap();
    }
}
