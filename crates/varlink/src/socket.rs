//! Bytes and descriptors through a stream socket: one system call each, nothing kept.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most descriptors received at once. A disk image that systemd-mountfsd opens comes as one a
/// partition, of which there are a dozen kinds; the kernel closes what is beyond.
pub const DESCRIPTORS_MAX: usize = 32;

/// What one read brought.
#[derive(Debug)]
pub struct Received {
    /// How many bytes; 0: the other side sends no more.
    pub count: usize,
    /// The descriptors that came with them; closed on exec.
    pub descriptors: Vec<OwnedFd>,
    /// Whether there were more descriptors than [`DESCRIPTORS_MAX`], or than this process may have.
    pub is_cut: bool,
}

/// Receives once, without waiting.
///
/// # Errors
/// `WouldBlock` if there is nothing; what the system says.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let mut buffers = [IoSliceMut::new(buffer)];
    let received = rustix::net::recvmsg(socket, &mut buffers, &mut control, flags)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            descriptors.extend(sent);
        }
    }
    // The space is rounded up, so that one more can fit.
    let is_cut =
        received.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > DESCRIPTORS_MAX;
    descriptors.truncate(DESCRIPTORS_MAX);
    Ok(Received {
        count: received.bytes,
        descriptors,
        is_cut,
    })
}

/// Sends once, without waiting; the descriptors go with the first byte. Returns how many bytes
/// went out; if that is not 0, so did the descriptors.
///
/// # Errors
/// `WouldBlock` if there is no room; `InvalidInput` for more descriptors than [`DESCRIPTORS_MAX`];
/// what the system says. The signal SIGPIPE does not come.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    if descriptors.is_empty() {
        return Ok(rustix::net::send(socket, bytes, flags)?);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = descriptors.len() <= DESCRIPTORS_MAX;
    if !fits || !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(rustix::net::sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        flags,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn descriptors_go_with_bytes() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        file.rewind().unwrap();
        assert_eq!(send(&here, b"{}\0", &[file.as_fd()]).unwrap(), 3);
        let mut buffer = [0; 16];
        let mut received = receive(&there, &mut buffer).unwrap();
        assert_eq!(&buffer[..received.count], b"{}\0");
        assert!(!received.is_cut);
        let mut content = String::new();
        let mut file = File::from(received.descriptors.pop().unwrap());
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
        let flags = rustix::io::fcntl_getfd(&file).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let nothing = receive(&there, &mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        drop(here);
        assert_eq!(receive(&there, &mut buffer).unwrap().count, 0);
    }

    #[test]
    fn a_socket_without_reader_is_an_error_and_no_signal() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(there);
        let error = send(&here, b"{}\0", &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn more_descriptors_than_there_may_be_are_not_sent_and_not_received() {
        let (here, there) = UnixStream::pair().unwrap();
        let file = File::open("/dev/null").unwrap();
        let many = [file.as_fd(); DESCRIPTORS_MAX + 1];
        let error = send(&here, b"x", &many).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        let bytes = [IoSlice::new(b"x")];
        rustix::net::sendmsg(&here, &bytes, &mut control, SendFlags::empty()).unwrap();
        let received = receive(&there, &mut [0; 1]).unwrap();
        assert!(received.is_cut);
        assert!(received.descriptors.len() <= DESCRIPTORS_MAX);
    }
}
