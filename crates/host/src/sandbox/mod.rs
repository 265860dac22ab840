//! What a worker gives up before it looks at foreign bytes.
//!
//! Four layers, each of its own: capabilities (what root may still do), Landlock (which files and
//! sockets), a filter of system calls (what the kernel may be asked for), limits. All bind the
//! calling thread and the threads it starts later, so [`enter`] comes before any other thread.
//!
//! # Source
//! capabilities(7), landlock(7), seccomp(2), setrlimit(2).

mod capabilities;
mod landlock;
mod seccomp;

pub use rustix::thread::CapabilitySet;

use rustix::process::{Resource, Rlimit};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Most descriptors of a worker: a folder each for 128 levels twice over, and room.
const DESCRIPTORS_MAX: u64 = 2048;

/// What a worker keeps.
#[derive(Debug)]
pub struct Profile {
    /// The worker's name, for messages.
    pub name: &'static str,
    capabilities: CapabilitySet,
    read: Vec<OwnedFd>,
    write: Vec<OwnedFd>,
    network: bool,
    root_threads: bool,
}

/// Which layers this kernel does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    missing: Vec<String>,
}

impl Report {
    /// One line for each layer that is not there.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }
}

impl Profile {
    /// A profile with these capabilities (of those the process has) and nothing else.
    #[must_use]
    pub const fn new(name: &'static str, capabilities: CapabilitySet) -> Self {
        Self {
            name,
            capabilities,
            read: Vec::new(),
            write: Vec::new(),
            network: false,
            root_threads: false,
        }
    }

    /// Lets the worker read an open folder and all below it.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn allow_read(&mut self, folder: BorrowedFd<'_>) -> io::Result<()> {
        self.read.push(folder.try_clone_to_owned()?);
        Ok(())
    }

    /// Lets the worker read a file, or a folder and all below it; if it is not there, nothing.
    pub fn allow_read_path(&mut self, path: &Path) {
        self.read.extend(open_path(path));
    }

    /// Lets the worker do anything to an open folder and all below it.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn allow_write(&mut self, folder: BorrowedFd<'_>) -> io::Result<()> {
        self.write.push(folder.try_clone_to_owned()?);
        Ok(())
    }

    /// Lets the worker do anything to a folder and all below it.
    pub fn allow_write_path(&mut self, path: &Path) {
        self.write.extend(open_path(path));
    }

    /// Lets some of the worker's threads be the root of its user namespace.
    pub const fn allow_root_threads(&mut self) {
        self.root_threads = true;
        self.capabilities = self
            .capabilities
            .union(CapabilitySet::SETUID)
            .union(CapabilitySet::SETGID);
    }

    /// Lets the worker make connections.
    pub const fn allow_network(&mut self) {
        self.network = true;
    }
}

fn open_path(path: &Path) -> Option<OwnedFd> {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(PathBuf::from(path), flags, rustix::fs::Mode::empty()).ok()
}

/// Gives up everything that the profile does not keep. There is no way back.
///
/// # Errors
/// When the kernel has a layer but refuses it; a layer it does not have is in the report.
pub fn enter(profile: &Profile) -> io::Result<Report> {
    let mut report = Report::default();
    limits()?;
    rustix::thread::set_no_new_privs(true)?;
    if !landlock::restrict(profile)? {
        let line = "This kernel has no Landlock: the worker is not confined to its folders";
        report.missing.push(line.into());
    }
    capabilities::keep(profile.capabilities)?;
    if !seccomp::restrict(profile.network, profile.root_threads)? {
        let line = "This kernel has no seccomp filters: the worker may make every system call";
        report.missing.push(line.into());
    }
    Ok(report)
}

/// No core dumps of foreign bytes; enough descriptors and not more.
fn limits() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    let now = rustix::process::getrlimit(Resource::Nofile);
    let most = now
        .maximum
        .map_or(DESCRIPTORS_MAX, |hard| hard.min(DESCRIPTORS_MAX));
    let descriptors = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(rustix::process::setrlimit(Resource::Nofile, descriptors)?)
}
