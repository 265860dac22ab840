//! The notify socket, both ends.
//!
//! # Source
//! sd_notify(3); unix(7) for credentials.

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags,
    SocketAddrUnix, SocketFlags, SocketType, UCred,
};
use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Longest datagram that is read, in bytes; a worker's reports have some dozens.
pub const DATAGRAM_MAX: usize = 4096;
/// Room for the sender's credentials, which come first, and for nothing else: what else is sent
/// along, descriptors above all, the kernel throws away (unix(7), MSG_CTRUNC).
const ANCILLARY_BYTES: usize = rustix::cmsg_space!(ScmCredentials(1));

/// Longest wait for room in the socket's queue (`net.unix.max_dgram_qlen`, 10 datagrams or more):
/// whoever does not read for so long has stopped, and must not stop us.
pub const SEND_WAIT_MAX: Duration = Duration::from_secs(5);

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
        Self::to(&std::env::var_os("NOTIFY_SOCKET")?)
    }

    /// The socket of a name as it stands in `NOTIFY_SOCKET`, if that can be addressed.
    #[must_use]
    pub fn to(name: &OsStr) -> Option<Self> {
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(name);
        let address = match bytes.split_first()? {
            (b'@', rest) => SocketAddrUnix::new_abstract_name(rest).ok()?,
            (b'/', _) => SocketAddrUnix::new(name).ok()?,
            _ => return None,
        };
        let socket = datagram_socket(SocketFlags::CLOEXEC).ok()?;
        set_socket_timeout(&socket, Timeout::Send, Some(SEND_WAIT_MAX)).ok()?;
        Some(Self { socket, address })
    }

    /// Sends one datagram; waits for room at most [`SEND_WAIT_MAX`].
    ///
    /// # Errors
    /// `WouldBlock` if there was no room; what sendto(2) says: nobody listens, for one.
    pub fn send(&self, text: &str) -> io::Result<()> {
        self.send_with(text, SendFlags::empty())
    }

    /// Sends one datagram if there is room for it now.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn try_send(&self, text: &str) -> io::Result<()> {
        self.send_with(text, SendFlags::DONTWAIT)
    }

    fn send_with(&self, text: &str, flags: SendFlags) -> io::Result<()> {
        let flags = flags | SendFlags::NOSIGNAL;
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

    /// The next report; `None` if there is none now. Descriptors that were sent along never reach
    /// this process.
    ///
    /// # Errors
    /// What recvmsg(2) says.
    pub fn recv(&self) -> io::Result<Option<Datagram>> {
        loop {
            let mut bytes = [0u8; DATAGRAM_MAX];
            let received = match self.receive(&mut bytes) {
                Ok(received) => received,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            // Without credentials nobody can be held to it.
            let Some(sender) = received.sender else {
                continue;
            };
            return Ok(Some(Datagram {
                pid: sender.pid.as_raw_nonzero().get(),
                uid: sender.uid.as_raw(),
                text: String::from_utf8_lossy(&bytes[..received.length]).into_owned(),
            }));
        }
    }

    fn receive(&self, bytes: &mut [u8]) -> Result<Received, Errno> {
        let mut space = [MaybeUninit::uninit(); ANCILLARY_BYTES];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let message = rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, flags)?;
        let sender = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(sender) => Some(sender),
            _ => None,
        });
        Ok(Received {
            length: message.bytes,
            flags: message.flags,
            sender,
        })
    }
}

/// What recvmsg(2) returned beside the bytes.
struct Received {
    length: usize,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests see what was thrown away")
    )]
    flags: ReturnFlags,
    sender: Option<UCred>,
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
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage};
    use std::io::{IoSlice, Read};

    #[test]
    fn reports_arrive_with_their_senders_number() {
        let (receiver, name) = Receiver::bind_abstract().unwrap();
        assert_eq!(receiver.recv().unwrap(), None);
        let notifier = Notifier::to(OsStr::new(&name)).unwrap();
        notifier.send("X_IMPORT_PROGRESS=7%").unwrap();
        let datagram = receiver.recv().unwrap().unwrap();
        assert_eq!(datagram.text, "X_IMPORT_PROGRESS=7%");
        assert_eq!(u32::try_from(datagram.pid), Ok(std::process::id()));
        assert_eq!(datagram.uid, rustix::process::getuid().as_raw());
    }

    #[test]
    fn who_does_not_read_is_not_waited_for_without_end() {
        let (receiver, name) = Receiver::bind_abstract().unwrap();
        let notifier = Notifier::to(OsStr::new(&name)).unwrap();
        let wait = Some(Duration::from_millis(50));
        set_socket_timeout(&notifier.socket, Timeout::Send, wait).unwrap();
        while notifier.try_send("READY=1").is_ok() {}
        let begun = std::time::Instant::now();
        let error = notifier.send("READY=1").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(begun.elapsed() >= Duration::from_millis(50));
        receiver.recv().unwrap().unwrap();
        notifier.send("READY=1").unwrap();
    }

    #[test]
    fn descriptors_sent_along_stay_out_and_the_report_comes() {
        let (receiver, name) = Receiver::bind_abstract().unwrap();
        let address = SocketAddrUnix::new_abstract_name(&name.as_bytes()[1..]).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let fds = [writer.as_fd()];
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
            let socket = datagram_socket(SocketFlags::CLOEXEC).unwrap();
            let parts = [IoSlice::new(b"X_IMPORT_PROGRESS=7%")];
            let flags = SendFlags::NOSIGNAL;
            rustix::net::sendmsg_addr(&socket, &address, &parts, &mut ancillary, flags).unwrap();
        };
        send();
        let mut bytes = [0; DATAGRAM_MAX];
        let received = receiver.receive(&mut bytes).unwrap();
        assert!(received.flags.contains(ReturnFlags::CTRUNC));
        send();
        let datagram = receiver.recv().unwrap().unwrap();
        assert_eq!(datagram.text, "X_IMPORT_PROGRESS=7%");
        drop(writer);
        // Nobody holds the other end any more.
        assert_eq!(reader.read(&mut bytes).unwrap(), 0);
    }
}
