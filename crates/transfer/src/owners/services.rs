//! The two services of systemd that let a user have trees of foreign ids: one maps a user namespace,
//! the other makes folders and gives handles of them.
//!
//! # Source
//! `io.systemd.NamespaceResource` and `io.systemd.MountFileSystem`, as `varlinkctl introspect`
//! describes them; systemd-nsresourced.service(8), systemd-mountfsd.service(8).

use importd_host::namespace::foreign::{self, Keeper};
use importd_host::namespace::{Seed, join};
use importd_varlink::client::{Client, Error};
use importd_varlink::json::Object;
use importd_varlink::message::Call;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// Where the services listen.
const NAMESPACES: &str = "/run/systemd/io.systemd.NamespaceResource";
const MOUNTS: &str = "/run/systemd/io.systemd.MountFileSystem";
/// How long each may take: they are started by the first call, and ask polkit.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest name of a namespace (UT_NAMESIZE less the end).
const NAME_MAX: usize = 16;

/// Enters a namespace that the services know, of foreign ids on the disk.
///
/// # Errors
/// Why that cannot be; the process is in no namespace then.
pub(super) fn enter() -> Result<(), Error> {
    let mut namespaces = Client::connect(Path::new(NAMESPACES), Some(PATIENCE))?;
    let mounts = Client::connect(Path::new(MOUNTS), Some(PATIENCE))?;
    if !makes_folders()? {
        let name = "org.varlink.service.MethodNotFound".to_owned();
        let parameters = Object::new();
        return Err(Error::Service { name, parameters });
    }
    let seed = Seed::new().map_err(Error::Send)?;
    let namespace = seed.open().map_err(Error::Send)?;
    let call = Call::new("io.systemd.NamespaceResource.AllocateUserRange")
        .with("name", name())
        .with("mangleName", true)
        .with("size", foreign::COUNT)
        .with("userNamespaceFileDescriptor", 0);
    namespaces.call(&call, &[namespace.as_fd()])?;
    join(namespace.as_fd()).map_err(Error::Send)?;
    foreign::entrust(Box::new(Mounts {
        client: Mutex::new(mounts),
        namespace,
    }));
    Ok(())
}

/// Whether the mount service is new enough to make folders: a call without parameters is then
/// refused for those, and not for itself.
fn makes_folders() -> Result<bool, Error> {
    let mut probe = Client::connect(Path::new(MOUNTS), Some(PATIENCE))?;
    match probe.call(&Call::new(MAKE), &[]) {
        Err(Error::Service { name, .. }) => Ok(name == "org.varlink.service.InvalidParameter"),
        Err(error) => Err(error),
        Ok(_) => Ok(false),
    }
}

const MAKE: &str = "io.systemd.MountFileSystem.MakeDirectory";

/// A name for the namespace that no other process has at this moment.
fn name() -> String {
    let pid = std::process::id().to_string();
    let mut name = String::from("importd");
    name.truncate(NAME_MAX.saturating_sub(pid.len()));
    name + &pid
}

/// The mount service, and the namespace that it is asked for.
#[derive(Debug)]
struct Mounts {
    client: Mutex<Client>,
    namespace: OwnedFd,
}

impl Mounts {
    fn ask(&self, call: &Call, sent: &[BorrowedFd<'_>], field: &str) -> io::Result<OwnedFd> {
        let mut client = self
            .client
            .lock()
            .map_err(|_poisoned| io::ErrorKind::Other)?;
        let mut answer = client.call(call, sent).map_err(as_io)?;
        let index = answer
            .parameters
            .get(field)
            .and_then(serde_json::Value::as_u64)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < answer.descriptors.len())
            .ok_or_else(|| io::Error::other(format!("The mount service sent no {field}")))?;
        Ok(answer.descriptors.swap_remove(index))
    }
}

impl Keeper for Mounts {
    fn make(&self, parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
        let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        let call = Call::new(MAKE)
            .with("parentFileDescriptor", 0)
            .with("name", name)
            .with("allowInteractiveAuthentication", false);
        self.ask(&call, &[parent], "directoryFileDescriptor")
    }

    fn mount(&self, folder: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let call = Call::new("io.systemd.MountFileSystem.MountDirectory")
            .with("directoryFileDescriptor", 0)
            .with("userNamespaceFileDescriptor", 1)
            .with("readOnly", false)
            .with("mode", "foreign")
            .with("allowInteractiveAuthentication", false);
        let sent = [folder, self.namespace.as_fd()];
        self.ask(&call, &sent, "mountFileDescriptor")
    }
}

/// What the service says, with the system's own number where it names one.
fn as_io(error: Error) -> io::Error {
    match &error {
        Error::Service { name, parameters } if name == "io.systemd.System" => {
            let errno = parameters.get("errno").and_then(serde_json::Value::as_i64);
            let errno = errno.and_then(|errno| i32::try_from(errno).ok());
            errno.map_or_else(|| io::Error::other(error), io::Error::from_raw_os_error)
        }
        Error::Service { name, .. } if name == "org.varlink.service.PermissionDenied" => {
            io::ErrorKind::PermissionDenied.into()
        }
        _ => io::Error::other(error),
    }
}
