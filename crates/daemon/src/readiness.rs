//! Waiting until a descriptor can be read.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that can be waited on until there is something to read.
///
/// # Errors
/// When no more descriptors can be watched.
pub fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    watch_for(fd, Interest::READABLE)
}

/// As [`watch`], for readiness of another kind.
///
/// # Errors
/// As [`watch`].
#[expect(
    deprecated,
    reason = "what tokio wants instead is unsafe, for types whose as_raw_fd() might change; that \
              of an OwnedFd never does"
)]
pub fn watch_for(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}
