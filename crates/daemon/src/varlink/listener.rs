//! The socket: passed by the service manager, or bound by us.
//!
//! Bound by us only when nobody else serves it: a second daemon must not take it from the first.

use crate::readiness::watch;
use importd_api::class::Scope;
use importd_host::activation::Passed;
use rustix::fs::{FileType, Mode};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
    sockopt,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Name of the passed socket, `FileDescriptorName=` of the unit.
const NAME: &str = "varlink";

/// File name of the socket.
pub const FILE_NAME: &str = "io.systemd.Import";

/// Folder of the socket in the system scope.
pub const SYSTEM_FOLDER: &str = "/run/systemd";

/// Connections that wait to be accepted; as many as the kernel allows (`net.core.somaxconn`), which
/// cuts a larger number.
const BACKLOG: i32 = 4096;

/// How long nothing is accepted after a failure, which mostly means that there are no descriptors
/// left.
const RECOVERY: Duration = Duration::from_millis(200);

/// Where the socket is if none is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its path.
    pub path: PathBuf,
    /// Who may connect.
    pub mode: Mode,
}

impl Address {
    /// The usual one of a scope; `runtime` is `$XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn usual(scope: Scope, runtime: Option<&Path>) -> Option<Self> {
        let folder = match scope {
            Scope::System => PathBuf::from(SYSTEM_FOLDER),
            Scope::User => runtime?.join("systemd"),
        };
        Some(Self {
            path: folder.join(FILE_NAME),
            mode: Self::mode(scope),
        })
    }

    /// Who may connect to the socket of a scope: everyone, or the user.
    #[must_use]
    pub const fn mode(scope: Scope) -> Mode {
        Mode::from_raw_mode(match scope {
            Scope::System => 0o666,
            Scope::User => 0o600,
        })
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: AsyncFd<OwnedFd>,
    /// Nothing is accepted before.
    paused_until: Option<Instant>,
}

impl Listener {
    /// The socket that the service manager has passed, if it has.
    ///
    /// # Errors
    /// When it cannot be listened to.
    pub fn passed(passed: Vec<Passed>) -> io::Result<Option<Self>> {
        let ours = passed.into_iter().find(|it| it.name == NAME);
        ours.map(|it| {
            if !sockopt::socket_acceptconn(&it.fd)? {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Self::new(it.fd)
        })
        .transpose()
    }

    /// Binds a path, in the place of a socket that nobody serves any more. `None`: somebody does.
    ///
    /// # Errors
    /// When the path cannot be bound.
    pub fn bind(address: &Address) -> io::Result<Option<Self>> {
        if let Some(folder) = address.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if is_served(&address.path) {
            return Ok(None);
        }
        if is_socket(&address.path) {
            std::fs::remove_file(&address.path)?;
        }
        let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
        // The mode of the socket becomes that of the file, less the umask: never more than meant.
        rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
        bind(&socket, &SocketAddrUnix::new(&address.path)?)?;
        rustix::fs::chmod(&address.path, address.mode)?;
        listen(&socket, BACKLOG)?;
        Self::new(socket).map(Some)
    }

    fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            socket: watch(socket)?,
            paused_until: None,
        })
    }

    /// Waits for the next connection.
    ///
    /// # Cancellation
    /// Nothing is lost: a connection is accepted after the last point where it waits.
    pub async fn accept(&mut self) -> UnixStream {
        loop {
            if let Some(end) = self.paused_until {
                tokio::time::sleep_until(end).await;
                self.paused_until = None;
            }
            let accepted = match self.socket.readable().await {
                Ok(mut ready) => ready.try_io(|socket| {
                    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                    Ok(accept_with(socket.as_fd(), flags)?)
                }),
                Err(error) => Ok(Err(error)),
            };
            match accepted {
                Ok(Ok(connection)) => return connection.into(),
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Ok(Err(error)) => {
                    tracing::warn!("A connection cannot be accepted: {error}");
                    self.paused_until = Some(Instant::now() + RECOVERY);
                }
                Err(_would_block) => {}
            }
        }
    }
}

/// Whether somebody listens there.
fn is_served(path: &Path) -> bool {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    // A full queue of connections is somebody, too.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (Ok(socket), Ok(address)) = (
        socket_with(family, kind, flags, None),
        SocketAddrUnix::new(path),
    ) else {
        return false;
    };
    matches!(
        rustix::net::connect(&socket, &address),
        Ok(()) | Err(rustix::io::Errno::AGAIN)
    )
}

fn is_socket(path: &Path) -> bool {
    rustix::fs::lstat(path)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn address(folder: &Path) -> Address {
        Address {
            path: folder.join("inner/socket"),
            mode: Mode::from_raw_mode(0o666),
        }
    }

    #[tokio::test]
    async fn a_path_is_bound_with_its_mode_and_connections_are_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let address = address(folder.path());
        let mut listener = Listener::bind(&address).unwrap().unwrap();
        let mode = address.path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        let _client = UnixStream::connect(&address.path).unwrap();
        listener.accept().await;
    }

    #[tokio::test]
    async fn a_socket_that_somebody_serves_is_left_alone_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let address = address(folder.path());
        let first = Listener::bind(&address).unwrap().unwrap();
        assert!(Listener::bind(&address).unwrap().is_none());
        drop(first);
        assert!(Listener::bind(&address).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let address = address(folder.path());
        std::fs::create_dir_all(address.path.parent().unwrap()).unwrap();
        std::fs::File::create(&address.path).unwrap();
        let error = Listener::bind(&address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(address.path.is_file());
    }

    #[tokio::test]
    async fn of_passed_descriptors_the_one_of_that_name_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = std::os::unix::net::UnixListener::bind(path).unwrap();
        let passed = |name: &str, fd: OwnedFd| Passed {
            name: name.into(),
            fd,
        };
        let (one, other) = UnixStream::pair().unwrap();
        let all = vec![passed("other", one.into()), passed(NAME, socket.into())];
        assert!(Listener::passed(all).unwrap().is_some());
        assert!(Listener::passed(Vec::new()).unwrap().is_none());
        let no_listener = vec![passed(NAME, other.into())];
        assert!(Listener::passed(no_listener).is_err());
    }
}
