//! Descriptors that the service manager passes at the start.
//!
//! # Source
//! `sd_listen_fds(3)`.

use rustix::io::FdFlags;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of the first passed descriptor.
const FIRST: RawFd = 3;

/// Most descriptors taken. Our units pass one; more than some are a mistake in the environment.
const PASSED_MAX: RawFd = 64;

/// A passed descriptor.
#[derive(Debug)]
pub struct Passed {
    /// Its name, `FileDescriptorName=` of the unit; empty if there is none.
    pub name: String,
    /// The descriptor; closed on exec.
    pub fd: OwnedFd,
}

/// Takes the descriptors that are passed to this process; nothing the second time.
///
/// `variable` gives `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` of the environment. Must be called
/// before anything else opens descriptors.
#[must_use]
pub fn take(variable: impl Fn(&'static str) -> Option<String>) -> Vec<Passed> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let pid = variable("LISTEN_PID").and_then(|pid| pid.parse::<u32>().ok());
    if pid != Some(std::process::id()) || TAKEN.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    let count = variable("LISTEN_FDS").and_then(|count| count.parse::<RawFd>().ok());
    let count = count.unwrap_or(0).clamp(0, PASSED_MAX);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = Vec::new();
    for number in FIRST..FIRST.saturating_add(count) {
        let name = names.next().unwrap_or_default().to_owned();
        passed.extend(own(number).map(|fd| Passed { name, fd }));
    }
    passed
}

#[expect(unsafe_code, reason = "a number becomes a descriptor")]
fn own(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: fcntl takes any number and says whether it is a descriptor.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return None;
    }
    // SAFETY: it is open, as just found, and nobody else's: `take` runs once, at the start, and the
    // service manager says that these numbers are passed.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC).ok()?;
    Some(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_to_another_process_is_not_taken() {
        let of_another = |name| match name {
            "LISTEN_PID" => Some("1".to_owned()),
            "LISTEN_FDS" => Some("1".to_owned()),
            _ => None,
        };
        assert!(take(of_another).is_empty());
        assert!(take(|_| None).is_empty());
    }

    #[test]
    fn a_number_that_is_no_descriptor_is_none() {
        assert!(own(RawFd::MAX).is_none());
    }

    #[test]
    fn a_descriptor_is_owned_and_closed_on_exec() {
        use std::os::fd::IntoRawFd;
        let (mut read, write) = std::io::pipe().unwrap();
        let number = OwnedFd::from(write).into_raw_fd();
        let owned = own(number).unwrap();
        let flags = rustix::io::fcntl_getfd(&owned).unwrap();
        assert!(flags.contains(FdFlags::CLOEXEC));
        drop(owned);
        assert_eq!(std::io::Read::read(&mut read, &mut [0]).unwrap(), 0);
    }
}
