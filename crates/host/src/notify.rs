//! The notify socket, both ends.
//!
//! # Source
//! sd_notify(3); unix(7) for credentials.

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Longest datagram that is read, in bytes; a worker's reports have some dozens.
pub const DATAGRAM_MAX: usize = 4096;
/// Room for the sender's credentials and for some descriptors, which are closed at once.
const ANCILLARY_BYTES: usize = 512;

/// Sends to the socket that `NOTIFY_SOCKET` names.
#[derive(Debug)]
pub struct Notifier {
    socket: OwnedFd,
    address: SocketAddrUnix,
}

impl Notifier {
    /// The socket of the environment, if there is one that can be addressed.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(name.as_os_str());
        let address = match bytes.split_first()? {
            (b'@', rest) => SocketAddrUnix::new_abstract_name(rest).ok()?,
            (b'/', _) => SocketAddrUnix::new(name.as_os_str()).ok()?,
            _ => return None,
        };
        Some(Self {
            socket: datagram_socket(SocketFlags::CLOEXEC).ok()?,
            address,
        })
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// What sendto(2) says: nobody listens, for one.
    pub fn send(&self, text: &str) -> io::Result<()> {
        let flags = SendFlags::NOSIGNAL;
        rustix::net::sendto(&self.socket, text.as_bytes(), flags, &self.address)?;
        Ok(())
    }
}

/// Receives reports of workers.
#[derive(Debug)]
pub struct Receiver(OwnedFd);

/// One report, and who sent it as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Number of the sending process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// What it says; bytes that are no text are replaced.
    pub text: String,
}

impl Receiver {
    /// A socket with a random abstract name, which is returned as `NOTIFY_SOCKET` wants it.
    ///
    /// # Errors
    /// What socket(2) and bind(2) say.
    pub fn bind_abstract() -> io::Result<(Self, String)> {
        let socket = datagram_socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        let mut random = [0u8; 8];
        rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())?;
        let name = u64::from_ne_bytes(random).to_string();
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        rustix::net::bind(&socket, &address)?;
        Ok((Self(socket), format!("@{name}")))
    }

    /// The next report; `None` if there is none now. Descriptors that came along are closed.
    ///
    /// # Errors
    /// What recvmsg(2) says.
    pub fn recv(&self) -> io::Result<Option<Datagram>> {
        loop {
            let mut bytes = [0u8; DATAGRAM_MAX];
            let mut space = [MaybeUninit::uninit(); ANCILLARY_BYTES];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let result = rustix::net::recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut ancillary,
                flags,
            );
            let length = match result {
                Ok(message) => message.bytes,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let sender = ancillary.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmCredentials(sender) => Some(sender),
                _ => None,
            });
            // Without credentials nobody can be held to it.
            let Some(sender) = sender else { continue };
            return Ok(Some(Datagram {
                pid: sender.pid.as_raw_nonzero().get(),
                uid: sender.uid.as_raw(),
                text: String::from_utf8_lossy(&bytes[..length]).into_owned(),
            }));
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn datagram_socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        flags,
        None,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_arrive_with_their_senders_number() {
        let (receiver, name) = Receiver::bind_abstract().unwrap();
        assert_eq!(receiver.recv().unwrap(), None);
        let address = SocketAddrUnix::new_abstract_name(&name.as_bytes()[1..]).unwrap();
        let notifier = Notifier {
            socket: datagram_socket(SocketFlags::CLOEXEC).unwrap(),
            address,
        };
        notifier.send("X_IMPORT_PROGRESS=7%").unwrap();
        let datagram = receiver.recv().unwrap().unwrap();
        assert_eq!(datagram.text, "X_IMPORT_PROGRESS=7%");
        assert_eq!(u32::try_from(datagram.pid), Ok(std::process::id()));
        assert_eq!(datagram.uid, rustix::process::getuid().as_raw());
    }
}
