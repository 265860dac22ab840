//! Files, pipes and folders of this machine.

use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_host::cancel::{Cancel, wait_readable};
use importd_host::dir::Dir;
use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// An open source of bytes: a regular file, a block device, a pipe or a socket.
#[derive(Debug)]
pub struct Input {
    fd: OwnedFd,
    /// What is left to read, in bytes; `None` unless the source is a regular file or a block device.
    pub length: Option<u64>,
    kind: FileType,
    /// What messages call it.
    pub label: String,
}

impl Input {
    /// Opens a file by its path, following links, as the caller who named it may.
    ///
    /// # Errors
    /// What open(2) says; [`Kind::IsDirectory`] for a folder.
    pub fn open(path: &Path) -> Result<Self> {
        // Non-blocking, so that a fifo without a writer is waited for where a signal is noticed.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .doing(|| format!("Failed to open source file '{}'", path.display()))?;
        Self::new(fd, path.display().to_string())
    }

    /// Takes standard input.
    ///
    /// # Errors
    /// [`Kind::IsDirectory`] for a folder; [`Kind::BadDescriptor`] if it is not open.
    pub fn standard() -> Result<Self> {
        let fd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)
            .doing(|| "Failed to take standard input".into())?;
        Self::new(fd, standard_label(0, "standard input"))
    }

    fn new(fd: OwnedFd, label: String) -> Result<Self> {
        let stat = rustix::fs::fstat(&fd).doing(|| format!("Failed to look at '{label}'"))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let position = rustix::fs::tell(&fd).unwrap_or(0);
        let length = match kind {
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                Some(size.saturating_sub(position))
            }
            FileType::BlockDevice => {
                let failed = || format!("Failed to find out the size of '{label}'");
                let size = rustix::fs::seek(&fd, SeekFrom::End(0)).doing(failed)?;
                rustix::fs::seek(&fd, SeekFrom::Start(position)).doing(failed)?;
                Some(size.saturating_sub(position))
            }
            FileType::Directory => {
                let text = format!("'{label}' is a folder; import-fs takes folders");
                return Err(Error::new(Kind::IsDirectory, text));
            }
            _ => None,
        };
        Ok(Self {
            fd,
            length,
            kind,
            label,
        })
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether this is a regular file, which has times and attributes that say something.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    /// Whether a whole file or device, from its start, is to be read: only then can it be read out of
    /// order.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.length.is_some() && rustix::fs::seek(&self.fd, SeekFrom::Current(0)) == Ok(0)
    }

    /// A second handle on the same open file.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn try_clone_fd(&self) -> Result<OwnedFd> {
        self.fd
            .try_clone()
            .doing(|| format!("Failed to duplicate '{}'", self.label))
    }

    /// The bytes; a read of a pipe ends when the transfer is cancelled.
    #[must_use]
    pub fn into_reader(self, cancel: Cancel) -> FileReader {
        FileReader {
            waits: self.length.is_none(),
            fd: self.fd,
            cancel,
        }
    }
}

/// Reads an [`Input`].
#[derive(Debug)]
pub struct FileReader {
    fd: OwnedFd,
    waits: bool,
    cancel: Cancel,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.waits {
                wait_readable(self.fd.as_fd(), &self.cancel)?;
            }
            match rustix::io::read(&self.fd, &mut *buffer) {
                // The client's descriptor may be non-blocking: that is its business.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// What messages call a descriptor the caller opened: the path it was opened by, if it has one.
pub(crate) fn standard_label(descriptor: u8, otherwise: &str) -> String {
    std::fs::read_link(format!("/proc/self/fd/{descriptor}"))
        .map_or_else(|_| otherwise.into(), |path| path.display().to_string())
}

/// Opens a folder: by its path, or standard input for `None`.
///
/// # Errors
/// [`Kind::NotDirectory`] for anything else; what open(2) says.
pub fn folder(path: Option<&Path>) -> Result<Dir> {
    match path {
        Some(path) => Dir::open(path)
            .doing(|| format!("Failed to open directory '{}' to import", path.display())),
        None => {
            // Opened anew, so that the caller's read position is not moved.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::openat(rustix::stdio::stdin(), ".", flags, Mode::empty())
                .map(Dir::from)
                .doing(|| "Failed to open directory to import: standard input".into())
        }
    }
}
