//! Memory pressure: who is asked to save gives back what it freed.
//!
//! The service manager names a file, fifo or socket that tells when memory is short; without that the
//! kernel's own file of our control group is watched.
//!
//! # Source
//! "Memory Pressure Handling" of systemd's documentation; `Documentation/accounting/psi.rst` of the
//! kernel.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Says that nothing is to be watched.
const NOWHERE: &str = "/dev/null";
/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";
/// Told to the kernel: when some of our group's work stalls for 200 of 2000 ms, as systemd does by
/// default (both in µs). Without privileges the second must be a multiple of 2 s.
const TRIGGER: &[u8] = b"some 200000 2000000";
/// Bytes that a fifo or socket sends are only a sign; so many are thrown away at once.
const READ_BYTES: usize = 4096;

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    Nothing,
    /// The kernel's file of our control group.
    OwnGroup,
    /// This file, fifo or socket, to which these bytes are written first.
    Path(PathBuf, Vec<u8>),
}

impl Watch {
    /// What `MEMORY_PRESSURE_WATCH` and `MEMORY_PRESSURE_WRITE` say.
    #[must_use]
    pub fn parse(path: Option<OsString>, text: Option<&str>) -> Self {
        let Some(path) = path.map(PathBuf::from) else {
            return Watch::OwnGroup;
        };
        let bytes = text.and_then(|text| STANDARD.decode(text).ok());
        if path == Path::new(NOWHERE) || path.is_relative() || (text.is_some() && bytes.is_none()) {
            return Watch::Nothing;
        }
        Watch::Path(path, bytes.unwrap_or_default())
    }

    /// Begins to watch; `None` if there is nothing, or it cannot be.
    #[must_use]
    pub fn start(&self) -> Option<Pressure> {
        let (path, bytes) = match self {
            Watch::Nothing => return None,
            Watch::OwnGroup => (own_group()?, TRIGGER),
            Watch::Path(path, bytes) => (path.clone(), bytes.as_slice()),
        };
        match Pressure::open(&path, bytes) {
            Ok(pressure) => Some(pressure),
            Err(error) => {
                let shown = path.display();
                tracing::debug!("Memory pressure is not watched, by {shown}: {error}");
                None
            }
        }
    }
}

/// The kernel's file of our group, if it has one: not in containers, and not in the root group.
fn own_group() -> Option<PathBuf> {
    group_file(&std::fs::read_to_string("/proc/self/cgroup").ok()?)
}

/// The file of the group that `/proc/self/cgroup` names. A group outside of what we see of the tree
/// has `..` in its path (cgroup_namespaces(7)).
fn group_file(text: &str) -> Option<PathBuf> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    if Path::new(group)
        .components()
        .any(|it| it == Component::ParentDir)
    {
        return None;
    }
    Some(Path::new(GROUPS).join(group).join("memory.pressure"))
}

/// A file, fifo or socket that tells when memory is short.
#[derive(Debug)]
pub struct Pressure {
    fd: AsyncFd<OwnedFd>,
    interest: Interest,
}

impl Pressure {
    fn open(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(rustix::fs::stat(path)?.st_mode);
        let (fd, interest): (OwnedFd, _) = match kind {
            FileType::Socket => {
                let socket = UnixStream::connect(path)?;
                socket.set_nonblocking(true)?;
                (socket.into(), Interest::READABLE)
            }
            FileType::RegularFile | FileType::Fifo => {
                // With a writer of its own a fifo never ends.
                let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let fd = rustix::fs::open(path, flags, Mode::empty())?;
                let interest = match kind {
                    FileType::Fifo => Interest::READABLE,
                    _ => Interest::PRIORITY,
                };
                (fd, interest)
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        // What is written to a fifo would come back.
        if !bytes.is_empty() && kind != FileType::Fifo {
            rustix::io::write(&fd, bytes)?;
        }
        let fd = crate::readiness::watch_for(fd, interest)?;
        Ok(Self { fd, interest })
    }

    /// Waits until memory is short.
    ///
    /// # Errors
    /// When nothing more can come: the other side of a socket is gone.
    ///
    /// # Cancellation
    /// At worst a sign is lost, and another one follows while memory is short.
    pub async fn next(&self) -> io::Result<()> {
        let mut ready = self.fd.ready(self.interest).await?;
        ready.clear_ready();
        if self.interest == Interest::PRIORITY {
            return Ok(());
        }
        let mut buffer = [0; READ_BYTES];
        let mut total = 0;
        loop {
            match rustix::io::read(self.fd.get_ref(), &mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) if total < READ_BYTES => total += count,
                Ok(_) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_environment_says_what_is_watched() {
        let parse = |path: Option<&str>, text| Watch::parse(path.map(OsString::from), text);
        assert_eq!(parse(None, None), Watch::OwnGroup);
        assert_eq!(parse(Some("/dev/null"), None), Watch::Nothing);
        assert_eq!(parse(Some("x"), None), Watch::Nothing);
        assert_eq!(parse(Some("/x"), Some("?")), Watch::Nothing);
        let path = |bytes: &[u8]| Watch::Path("/x".into(), bytes.to_vec());
        assert_eq!(parse(Some("/x"), None), path(b""));
        assert_eq!(parse(Some("/x"), Some("c29tZQ==")), path(b"some"));
    }

    #[tokio::test]
    async fn fifos_and_sockets_give_signs_and_sockets_are_written_to() {
        let place = tempfile::tempdir().unwrap();
        let fifo = place.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let pressure = Watch::Path(fifo.clone(), b"x".to_vec()).start().unwrap();
        let writer = std::fs::OpenOptions::new().write(true).open(&fifo);
        writer.unwrap().write_all(b"now").unwrap();
        pressure.next().await.unwrap();

        let socket = place.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let pressure = Watch::Path(socket, b"hello".to_vec()).start().unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut said = [0; 5];
        io::Read::read_exact(&mut peer, &mut said).unwrap();
        assert_eq!(&said, b"hello");
        peer.write_all(b"now").unwrap();
        pressure.next().await.unwrap();
        drop(peer);
        let end = pressure.next().await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_file_of_our_group_is_found_below_the_tree_that_we_see() {
        let found = |text| group_file(text).map(|path| path.display().to_string());
        let text = "1:name=x:/y\n0::/system.slice/a.service\n";
        let expected = "/sys/fs/cgroup/system.slice/a.service/memory.pressure";
        assert_eq!(found(text).unwrap(), expected);
        assert_eq!(found("0::/").unwrap(), "/sys/fs/cgroup/memory.pressure");
        assert_eq!(found("0::/../../a"), None);
        assert_eq!(found("2:memory:/a"), None);
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_watched() {
        assert!(Watch::Nothing.start().is_none());
        let missing = Watch::Path("/nonexistent/x".into(), Vec::new());
        assert!(missing.start().is_none());
    }
}
