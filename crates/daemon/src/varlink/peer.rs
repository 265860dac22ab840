//! Who is at the other end of a connection.
//!
//! The kernel says so: user and process that connected. Nothing of it is taken from what they send.

use importd_host::peer;
use rustix::net::sockopt::socket_peercred;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use zbus_polkit::policykit1::Subject;

/// The process that connected.
#[derive(Debug)]
pub struct Peer {
    /// Its effective user when it connected.
    pub uid: u32,
    /// Its number; may be another process's by now.
    pub pid: u32,
    /// Stands for just that process; `None` where the kernel cannot tell (before Linux 6.5).
    pub pidfd: Option<OwnedFd>,
}

impl Peer {
    /// Asks the kernel about a connection.
    ///
    /// # Errors
    /// When the kernel does not say who it is.
    pub fn of(connection: impl AsFd) -> io::Result<Self> {
        let credentials = socket_peercred(&connection)?;
        let pid = credentials.pid.as_raw_nonzero().get();
        let pidfd = match peer::pidfd(connection.as_fd()) {
            Ok(pidfd) => Some(pidfd),
            Err(error) => {
                tracing::debug!("No handle of process {pid} can be had: {error}");
                None
            }
        };
        Ok(Self {
            uid: credentials.uid.as_raw(),
            pid: u32::try_from(pid).unwrap_or_default(),
            pidfd,
        })
    }

    /// The process as polkit is asked about it: by its handle if there is one, else by its number
    /// and when it was started.
    ///
    /// # Errors
    /// When the process has gone.
    pub fn subject(&self) -> Result<Subject, zbus_polkit::Error> {
        match &self.pidfd {
            Some(pidfd) => Subject::new_for_owner(pidfd, self.uid),
            None => Subject::new_for_pid(self.pid, None, Some(self.uid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_kernel_says_who_it_is() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = Peer::of(&here).unwrap();
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(peer.pid, std::process::id());
        let by_handle = peer.subject().unwrap();
        let by_number = Peer {
            pidfd: None,
            ..peer
        };
        assert_eq!(by_handle.kind(), by_number.subject().unwrap().kind());
    }
}
