//! The folder of unfinished downloads: what is kept of one is found again by the next try.
//!
//! Each download has a key, 32 hexadecimal digits, and up to four files:
//!
//! | file | holds |
//! |---|---|
//! | `KEY.part` | the bytes from the start on, as they were sent |
//! | `KEY.record` | what is known of them; read and written by whoever downloads |
//! | `KEY.lock` | nothing; its owner (flock(2)) is the one who downloads |
//! | `KEY.wait` | nothing; locked together by those who wait for the owner |
//!
//! A growing image whose bytes are those of the download may itself be `KEY.part` until it is whole:
//! [`Claim::borrow`].
//!
//! Nothing here is ever flushed to the disk: after a power cut the record shows what of the bytes
//! is still good. The folder belongs to the user that works in it, and to nobody else; whatever else
//! lies in it under such a name (a link, a folder, a file of somebody else) is removed, not followed.

mod sweep;

pub use sweep::{Entry, Limits};

use crate::dir::Dir;
use crate::staging::{self, Lock, Staging};
use crate::tree;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Bytes that a key stands for: enough of a digest that two addresses never share one.
const KEY_BYTES: usize = 16;
/// Others may neither read nor write what is kept: it may be somebody's licensed or secret image.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// How often a lock is tried anew that was removed by its owner between being opened and locked.
const TRIES: usize = 16;

/// Names one download.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key that begins as a digest does.
    #[must_use]
    pub fn of(digest: &[u8; 32]) -> Self {
        let digits = digest.iter().take(KEY_BYTES);
        Self(digits.map(|byte| format!("{byte:02x}")).collect())
    }

    /// A key of 32 lower-case hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_key = digits.len() == 2 * KEY_BYTES && digits.bytes().all(is_digit);
        is_key.then(|| Self(digits.to_owned()))
    }

    fn file(&self, file: File) -> OsString {
        format!("{}.{}", self.0, file.suffix()).into()
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The files of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The bytes.
    Part,
    /// What is known of them.
    Record,
    /// Held by the one who downloads.
    Lock,
    /// Held by those who wait.
    Wait,
}

impl File {
    const ALL: [File; 4] = [File::Part, File::Record, File::Lock, File::Wait];

    const fn suffix(self) -> &'static str {
        match self {
            File::Part => "part",
            File::Record => "record",
            File::Lock => "lock",
            File::Wait => "wait",
        }
    }
}

/// The folder.
#[derive(Debug)]
pub struct Store {
    folder: Dir,
}

impl Store {
    /// Opens the folder, made where missing, with mode 0700.
    ///
    /// # Errors
    /// `PermissionDenied` if the folder is somebody else's, or others may write to it: what they
    /// put there is not to be trusted. What mkdir(2) and open(2) say.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_root = rustix::process::geteuid().is_root();
        if let Some(parent) = path.parent() {
            // The system's folders are for all, a user's own for nobody else.
            Dir::create_all(parent, if is_root { 0o755 } else { 0o700 })?;
        }
        Self::checked(Dir::create_all(path, 0o700)?)
    }

    /// Opens the folder; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_optional(path: &Path) -> io::Result<Option<Self>> {
        match Dir::open(path) {
            Ok(folder) => Self::checked(folder).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn checked(folder: Dir) -> io::Result<Self> {
        let stat = folder.stat_self()?;
        let is_ours = stat.st_uid == rustix::process::geteuid().as_raw();
        if !is_ours || stat.st_mode & 0o022 != 0 {
            let text = "the folder belongs to another user, or others may write to it";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(Self { folder })
    }

    /// The folder itself, for the cage.
    #[must_use]
    pub const fn folder(&self) -> &Dir {
        &self.folder
    }

    /// Takes the download of that key; `None` while somebody else has it.
    ///
    /// # Errors
    /// `Unsupported` where the file system has no locks; no space, no permission.
    pub fn claim(&self, key: &Key) -> io::Result<Option<Claim>> {
        let name = key.file(File::Lock);
        for _ in 0..TRIES {
            let file = match self.open_or_make(key, File::Lock) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match staging::lock(&file)? {
                Lock::Held => return Ok(None),
                Lock::Unsupported => return Err(io::ErrorKind::Unsupported.into()),
                Lock::Taken => {}
            }
            // Its last owner removes the file before it lets go.
            if staging::is_entry(&self.folder, &name, &file)? {
                return Ok(Some(Claim {
                    folder: self.folder.try_clone()?,
                    key: key.clone(),
                    _lock: file,
                }));
            }
        }
        Ok(None)
    }

    /// Says that somebody waits for the download of that key, until the result is dropped.
    ///
    /// # Errors
    /// No space, no permission.
    pub fn wait(&self, key: &Key) -> io::Result<Waiting> {
        let name = key.file(File::Wait);
        for _ in 0..TRIES {
            let file = match self.open_or_make(key, File::Wait) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // Whoever looks whether somebody waits holds it for a moment.
            rustix::fs::flock(&file, FlockOperation::LockShared)?;
            if staging::is_entry(&self.folder, &name, &file)? {
                return Ok(Waiting {
                    folder: self.folder.try_clone()?,
                    name,
                    file,
                });
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn open_or_make(&self, key: &Key, file: File) -> io::Result<OwnedFd> {
        if let Some(found) = open_sound(&self.folder, key, file)? {
            return Ok(found);
        }
        let flags = OFlags::RDWR | OFlags::CREATE;
        self.folder.open_file(&key.file(file), flags, FILE_MODE)
    }
}

/// Opens a file that is there; what is no regular file of ours alone is removed.
fn open_sound(folder: &Dir, key: &Key, file: File) -> io::Result<Option<OwnedFd>> {
    let name = key.file(file);
    let flags = OFlags::RDWR | OFlags::NONBLOCK;
    match folder.open_file(&name, flags, Mode::empty()) {
        Ok(found) => {
            let stat = rustix::fs::fstat(&found)?;
            let is_sound = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && stat.st_uid == rustix::process::geteuid().as_raw()
                && stat.st_mode & 0o077 == 0
                && stat.st_nlink <= 1;
            if is_sound {
                return Ok(Some(found));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::MFILE) => return Err(error),
        Err(_unsound) => {}
    }
    remove(folder, &name)?;
    Ok(None)
}

fn remove(folder: &Dir, name: &std::ffi::OsStr) -> io::Result<()> {
    match tree::remove(folder, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// One download, which nobody else works on as long as this lives.
#[derive(Debug)]
pub struct Claim {
    folder: Dir,
    key: Key,
    _lock: OwnedFd,
}

impl Claim {
    /// Opens one of its files for reading and writing; `None` if there is none that is sound.
    ///
    /// # Errors
    /// What openat(2) says.
    pub fn open_optional(&self, file: File) -> io::Result<Option<OwnedFd>> {
        open_sound(&self.folder, &self.key, file)
    }

    /// Makes one of its files anew, empty, mode 0600, open for reading and writing.
    ///
    /// # Errors
    /// No space, no permission.
    pub fn make(&self, file: File) -> io::Result<OwnedFd> {
        let name = self.key.file(file);
        remove(&self.folder, &name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.folder.open_file(&name, flags, FILE_MODE)
    }

    /// Makes a growing image the bytes that are kept, in the place of those that are; `false` on another
    /// file system, where nothing changes. Whoever is killed then leaves them here and nothing in the
    /// image root; dropping the image does not remove them either.
    ///
    /// # Errors
    /// What renameat(2) says.
    pub fn borrow(&self, image: &Staging) -> io::Result<bool> {
        image.lend(&self.folder, &self.key.file(File::Part))
    }

    /// Moves the image back to where it was made; `false` if somebody has removed it.
    ///
    /// # Errors
    /// What renameat(2) says.
    pub fn give_back(&self, image: &Staging) -> io::Result<bool> {
        image.take_back(&self.folder, &self.key.file(File::Part))
    }

    /// Removes what is known of the bytes, which are worth nothing without.
    ///
    /// # Errors
    /// What unlinkat(2) says.
    pub fn forget_record(&self) -> io::Result<()> {
        remove(&self.folder, &self.key.file(File::Record))
    }

    /// Removes what is kept of it.
    ///
    /// # Errors
    /// What unlinkat(2) says.
    pub fn forget(&self) -> io::Result<()> {
        // The record first: bytes without one are worth nothing, and the other way round too.
        self.forget_record()?;
        remove(&self.folder, &self.key.file(File::Part))
    }

    /// Whether somebody waits for this download.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        let Ok(Some(file)) = open_sound(&self.folder, &self.key, File::Wait) else {
            return false;
        };
        staging::lock(&file).is_ok_and(|lock| lock == Lock::Held)
    }

    /// Room left on the file system for us, in bytes.
    ///
    /// # Errors
    /// What fstatfs(2) says.
    pub fn free_bytes(&self) -> io::Result<u64> {
        free_bytes(&self.folder)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is locked: who opened it before looks again. What stays is swept.
        remove(&self.folder, &self.key.file(File::Lock)).unwrap_or(());
    }
}

/// Somebody waits for a download.
#[derive(Debug)]
pub struct Waiting {
    folder: Dir,
    name: OsString,
    file: OwnedFd,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The last one of those who wait puts out the light.
        if staging::lock(&self.file).is_ok_and(|lock| lock == Lock::Taken) {
            remove(&self.folder, &self.name).unwrap_or(());
        }
    }
}

fn free_bytes(folder: &Dir) -> io::Result<u64> {
    let room = rustix::fs::fstatvfs(folder.as_fd())?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

#[cfg(test)]
mod tests;
