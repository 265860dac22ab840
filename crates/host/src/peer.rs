//! The process at the other end of a connection.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Number of the option, which libc does not know yet (`include/uapi/asm-generic/socket.h`).
const SO_PEERPIDFD: libc::c_int = 77;

/// A descriptor that stands for the process that connected, however its number is used later.
///
/// # Errors
/// `InvalidInput` or `Unsupported` (`ENOPROTOOPT`) before Linux 6.5; when the process has gone.
///
/// # Source
/// unix(7), `SO_PEERPIDFD`.
#[expect(unsafe_code, reason = "rustix does not know the option")]
pub fn pidfd(connection: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut number: RawFd = -1;
    let size = libc::socklen_t::try_from(mem::size_of::<RawFd>());
    let mut length = size.map_err(|_large| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel writes at most `length` bytes to `number`, which has so many.
    let status = unsafe {
        libc::getsockopt(
            connection.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut number).cast(),
            &raw mut length,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it for us, and succeeded.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn our_own_process_is_at_the_other_end_of_a_pair() {
        let (here, _there) = UnixStream::pair().unwrap();
        match pidfd(here.as_fd()) {
            Ok(pidfd) => {
                let info = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
                let info = std::fs::read_to_string(info).unwrap();
                let line = format!("Pid:\t{}", std::process::id());
                assert!(info.lines().any(|it| it == line), "{info}");
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT)),
        }
    }
}
