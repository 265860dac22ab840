//! Hidden entries in an image root: where every image grows until it is whole and proven.
//!
//! An entry is called `.#importd.NAME.<16 hex digits>`; lists of images skip names that begin with
//! `.#`, and the tmpfiles rule of systemd removes them from `/var/lib/machines` at boot. Its owner
//! holds a lock (flock(2)) on it for as long as it lives.
//!
//! # Atomicity
//! Dropping a [`Staging`] removes the entry. A killed owner or a power cut leaves it, unlocked;
//! [`sweep`] removes what no living process locks, and is called by every worker before it starts
//! and by the daemon when it starts. [`Staging::install`] is one rename, see [`crate::rename`].

mod aside;
mod handover;
mod hold;
mod sweep;

pub use aside::Aside;
pub use handover::{CHANGES, has_changes};
pub use hold::{discard_unused, is_used, open_used};
pub use sweep::{abandoned, discard, sweep, sweep_files, sweep_folders, sweep_snapshots};

use crate::dir::Dir;
use crate::namespace::foreign;
use crate::rename::{self, Published, Replace};
use crate::{attributes, copy, subvolume, tree};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// How the name of every entry of ours begins.
const PREFIX: &[u8] = b".#importd.";
/// Length of the random part, in hexadecimal digits.
const RANDOM_DIGITS: usize = 16;
/// Longest file name, in bytes (limits.h).
const NAME_MAX: usize = 255;
/// Mode of a folder of foreign ids while it grows: whose it is to be must be able to open it again, to
/// remove what is left of it.
const FOREIGN_MODE: Mode = Mode::from_raw_mode(0o755);
/// How often a fresh name is tried; each try fails only if 64 random bits repeat or a sweeper took
/// the entry in the moment before it was locked.
const TRIES: usize = 16;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A btrfs subvolume, or a folder where the file system has none.
    Subvolume,
}

/// One hidden entry, removed when dropped.
#[derive(Debug)]
pub struct Staging {
    folder: Dir,
    name: OsString,
    /// Holds the lock; a regular file is open for reading and writing.
    entry: OwnedFd,
    is_folder: bool,
    installed: bool,
}

impl Staging {
    /// Makes a hidden entry for what will be called `name` in `folder`, with mode 0600 or 0700.
    ///
    /// # Errors
    /// What mkdirat(2) or openat(2) say: no space, no permission, a read-only file system.
    pub fn create(folder: &Dir, name: &OsStr, shape: Shape) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..TRIES {
            let hidden = hidden_name(name)?;
            match Self::try_create(folder, hidden, shape != Shape::File, |hidden| {
                make(folder, hidden, shape)
            }) {
                Ok(Some(staging)) => {
                    forget_inherited(&staging.entry, shape)?;
                    return Ok(staging);
                }
                Ok(None) => {}
                // The name is taken, or a sweeper took the entry before it was opened.
                Err(error) if is_lost_race(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Makes a hidden folder of foreign ids; its handle is one of our user namespace.
    ///
    /// # Errors
    /// As [`foreign::open`]; what the service says of making it.
    pub fn foreign(folder: &Dir, name: &OsStr) -> io::Result<Self> {
        for _ in 0..TRIES {
            let made = Self::try_create(folder, hidden_name(name)?, true, |hidden| {
                let made = foreign::make(folder, hidden)?;
                let opened = foreign::open(&made);
                let opened = opened.and_then(|opened| foreign::remember(&opened).map(|()| opened));
                if opened.is_err() {
                    // Nothing is in it yet; what is said is why it cannot be used.
                    rustix::fs::unlinkat(folder, hidden, AtFlags::REMOVEDIR).unwrap_or(());
                }
                Ok(opened?.into())
            })?;
            if let Some(staging) = made {
                let entry = staging.entry.as_fd();
                foreign::as_root(|| {
                    attributes::remove_access_lists(entry)?;
                    Ok::<_, io::Error>(rustix::fs::fchmod(entry, FOREIGN_MODE)?)
                })??;
                return Ok(staging);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Makes a hidden snapshot of the subvolume that `source` is the top of, with all that lie
    /// within it: writable, or read-only as a whole.
    ///
    /// # Errors
    /// As [`subvolume::Plan`]; nothing is left then.
    pub fn snapshot(folder: &Dir, name: &OsStr, source: &Dir, read_only: bool) -> io::Result<Self> {
        let plan = subvolume::Plan::new(source, folder)?;
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..TRIES {
            match Self::try_create(folder, hidden_name(name)?, true, |hidden| {
                plan.begin(folder, hidden, read_only)?;
                open_folder(folder, hidden)
            }) {
                Ok(Some(staging)) => {
                    plan.finish(&staging.folder()?, read_only)?;
                    return Ok(staging);
                }
                Ok(None) => {}
                Err(error) if is_lost_race(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Makes an entry and locks it; `None` if a sweeper was faster.
    fn try_create(
        folder: &Dir,
        hidden: OsString,
        is_folder: bool,
        make: impl FnOnce(&OsStr) -> io::Result<OwnedFd>,
    ) -> io::Result<Option<Self>> {
        let entry = make(&hidden)?;
        if lock(&entry)? == Lock::Held || !is_entry(folder, &hidden, &entry)? {
            return Ok(None);
        }
        Ok(Some(Self {
            folder: folder.try_clone()?,
            name: hidden,
            entry,
            is_folder,
            installed: false,
        }))
    }

    /// The entry: a regular file open for reading and writing, or a folder.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.entry.as_fd()
    }

    /// A second handle of the entry, as a folder.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn folder(&self) -> io::Result<Dir> {
        Ok(Dir::from(self.entry.try_clone()?))
    }

    /// Moves the entry to a name in another folder of the same file system, in the place of a file that
    /// has it; `false` where there is no such way, and nothing has changed. Until [`Staging::take_back`] the
    /// entry is that folder's business: dropping this leaves it there.
    pub(crate) fn lend(&self, to: &Dir, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::renameat(&self.folder, &self.name, to, name) {
            Ok(()) => Ok(true),
            // Another file system, quota or mount; or a kernel whose Landlock cannot allow it.
            Err(Errno::XDEV) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Moves the entry back to where it was made; `false` if it is there no more.
    pub(crate) fn take_back(&self, from: &Dir, name: &OsStr) -> io::Result<bool> {
        let is_there = is_entry(from, name, &self.entry)?;
        if is_there {
            rustix::fs::renameat(from, name, &self.folder, &self.name)?;
        }
        Ok(is_there)
    }

    /// A file with the bytes of this one, which somebody has removed. `check` may end it.
    ///
    /// # Errors
    /// No space; what `check` says. Nothing is left then.
    pub fn remade(mut self, check: &dyn Fn() -> io::Result<()>) -> io::Result<Self> {
        // The name is the new one's.
        self.installed = true;
        let name = self.name.clone();
        let made = Self::try_create(&self.folder, name, false, |hidden| {
            make(&self.folder, hidden, Shape::File)
        })?;
        let made = made.ok_or(io::ErrorKind::NotFound)?;
        forget_inherited(&made.entry, Shape::File)?;
        copy::duplicate(self.fd(), made.fd(), check)?;
        Ok(made)
    }

    /// Marks a file or a subvolume read-only, before it is seen; subvolumes within it too. A plain folder is left as it is:
    /// what marks those keeps them from being renamed, see [`Installed::seal_folder`].
    ///
    /// # Errors
    /// What fchmod(2) and the ioctl say.
    pub fn seal(&self) -> io::Result<()> {
        let entry = self.entry.as_fd();
        if !self.is_folder {
            let mode = rustix::fs::fstat(entry)?.st_mode;
            let mode = Mode::from_raw_mode(mode & 0o7555);
            return Ok(rustix::fs::fchmod(entry, mode)?);
        }
        match subvolume::is_subvolume(entry)? {
            true => subvolume::seal(&self.folder()?),
            false => Ok(()),
        }
    }

    /// Gives the entry its name. The entry must be complete and, where that matters, flushed.
    ///
    /// What had the name before, with [`Replace::Exchange`], has to be removed afterwards by
    /// [`Installed::remove_replaced`].
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken and may not be replaced; otherwise what renameat2(2)
    /// says. The entry is then removed, and what had the name is untouched.
    pub fn install(mut self, name: &OsStr, replace: Replace) -> io::Result<Installed> {
        if replace == Replace::Keep && self.is_taken_with_changes(name) {
            return self.hand_over(name);
        }
        let (folder, entry) = (self.folder.try_clone()?, self.entry.try_clone()?);
        let published = rename::publish(&self.folder, &self.name, name, replace)?;
        self.installed = true;
        Ok(Installed {
            folder,
            entry,
            is_folder: self.is_folder,
            replaced: (published == Published::Swapped).then(|| std::mem::take(&mut self.name)),
            _old: None,
        })
    }

    fn is_taken_with_changes(&self, name: &OsStr) -> bool {
        let old = self.folder.open_dir(name);
        self.is_folder && old.is_ok_and(|old| has_changes(&old))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.installed {
            // A sweeper will get what cannot be removed here; there is nobody left to tell.
            tree::remove(&self.folder, &self.name).unwrap_or(());
        }
    }
}

/// An image that has its name.
#[derive(Debug)]
pub struct Installed {
    folder: Dir,
    entry: OwnedFd,
    is_folder: bool,
    /// Hidden name of what had the name before.
    replaced: Option<OsString>,
    /// Keeps others away from that, where they would not remove it.
    _old: Option<OwnedFd>,
}

impl Installed {
    /// Marks a plain folder immutable; what else there is was marked by [`Staging::seal`].
    ///
    /// # Errors
    /// `Unsupported` where the file system has no such mark, `PermissionDenied` where we may not
    /// set it.
    pub fn seal_folder(&self) -> io::Result<()> {
        let entry = self.entry.as_fd();
        if !self.is_folder || subvolume::is_subvolume(entry)? {
            return Ok(());
        }
        attributes::set_immutable(entry, true)
    }

    /// Flushes the name to the disk, and the marks of the image itself.
    ///
    /// # Errors
    /// What fsync(2) says.
    pub fn sync(&self) -> io::Result<()> {
        rustix::fs::fsync(&self.entry)?;
        self.folder.sync()
    }

    /// Removes the image that had the name before, if there was one.
    ///
    /// # Errors
    /// Why it could not be removed: it lies under a hidden name, which the next sweep tries again.
    pub fn remove_replaced(&mut self) -> io::Result<()> {
        match self.replaced.take() {
            None => Ok(()),
            Some(hidden) => match tree::remove(&self.folder, &hidden) {
                // Swept already.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
        }
    }

    /// The image: a regular file open for reading and writing, or a folder.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.entry.as_fd()
    }
}

/// Whether a name is one of ours for something that is not complete, or no longer wanted.
#[must_use]
pub fn is_hidden(name: &OsStr) -> bool {
    is_ours(name)
}

fn is_ours(name: &OsStr) -> bool {
    let Some(rest) = name.as_bytes().strip_prefix(PREFIX) else {
        return false;
    };
    let digits = rest.rsplit(|b| *b == b'.').next().unwrap_or(b"");
    digits.len() == RANDOM_DIGITS && digits.iter().all(u8::is_ascii_hexdigit)
}

fn make(folder: &Dir, name: &OsStr, shape: Shape) -> io::Result<OwnedFd> {
    match shape {
        Shape::File => {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mode = Mode::RUSR | Mode::WUSR;
            Ok(rustix::fs::openat(folder, name, flags, mode)?)
        }
        Shape::Folder => {
            rustix::fs::mkdirat(folder, name, Mode::RWXU)?;
            open_folder(folder, name)
        }
        Shape::Subvolume => {
            match subvolume::create(folder, name) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    rustix::fs::mkdirat(folder, name, Mode::RWXU)?;
                }
                Err(error) => return Err(error),
            }
            open_folder(folder, name)
        }
    }
}

fn open_folder(folder: &Dir, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?)
}

fn is_lost_race(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
    )
}

/// What came of trying to lock an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// It is ours.
    Taken,
    /// Somebody else has it.
    Held,
    /// The file system has no locks; entries on it are never swept.
    Unsupported,
}

pub(crate) fn lock(entry: &OwnedFd) -> io::Result<Lock> {
    match rustix::fs::flock(entry, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock::Taken),
        Err(Errno::WOULDBLOCK) => Ok(Lock::Held),
        Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL | Errno::NOSYS) => Ok(Lock::Unsupported),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the name still stands for the entry: a sweeper may have been faster than our lock.
pub(crate) fn is_entry(folder: &Dir, name: &OsStr, entry: &OwnedFd) -> io::Result<bool> {
    let held = rustix::fs::fstat(entry)?;
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes back what the entry has from its folder's default access list: an image is what it was
/// made of, wherever it lies.
fn forget_inherited(entry: &OwnedFd, shape: Shape) -> io::Result<()> {
    let mode = match shape {
        Shape::File => Mode::RUSR | Mode::WUSR,
        Shape::Folder | Shape::Subvolume => Mode::RWXU,
    };
    attributes::remove_access_lists(entry.as_fd())?;
    Ok(rustix::fs::fchmod(entry, mode)?)
}

fn hidden_name(name: &OsStr) -> io::Result<OsString> {
    let mut random = [0u8; RANDOM_DIGITS / 2];
    rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())?;
    let mut hidden = stem(name);
    for byte in random {
        hidden.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    Ok(OsString::from_vec(hidden))
}

/// What stands before the random part.
fn stem(name: &OsStr) -> Vec<u8> {
    let room = NAME_MAX - PREFIX.len() - 1 - RANDOM_DIGITS - rename::ASIDE.len();
    let name = name.as_bytes();
    let mut stem = PREFIX.to_vec();
    stem.extend_from_slice(&name[..name.len().min(room)]);
    stem.push(b'.');
    stem
}

#[cfg(test)]
mod tests;
