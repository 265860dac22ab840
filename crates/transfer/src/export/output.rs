//! Where an export goes: standard output as it is, or a file that appears when it is complete.
//!
//! # Atomicity
//! A named file is written under a hidden name beside it and renamed at the end: what was there
//! stays whole until then, and a failed export leaves nothing. (The reference truncates the file
//! before it looks at the image.) A named device, fifo or `/dev/stdout` is written directly.

use crate::error::{Doing, Error, Result};
use crate::source::file::standard_label;
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::{Shape, Staging};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Mode of a new file, before the umask.
const MODE: u32 = 0o666;

/// An open output.
#[derive(Debug)]
pub struct Output {
    fd: OwnedFd,
    staged: Option<(Staging, OsString)>,
    umask: u32,
    label: String,
}

impl Output {
    /// Standard output.
    ///
    /// # Errors
    /// When it is not open.
    pub fn standard() -> Result<Self> {
        let fd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)
            .doing(|| "Failed to take standard output".into())?;
        Ok(Self {
            fd,
            staged: None,
            umask: 0,
            label: standard_label(1, "standard output"),
        })
    }

    /// A file by its path.
    ///
    /// # Errors
    /// [`Kind::IsDirectory`] for a folder; what open(2) says.
    pub fn file(path: &Path, umask: u32) -> Result<Self> {
        let label = path.display().to_string();
        let failed = || format!("Failed to open '{label}' for writing");
        let there = match rustix::fs::stat(path) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(errno).doing(failed),
        };
        if there == Some(FileType::Directory) {
            return Err(Error::new(
                Kind::IsDirectory,
                format!("Failed to open '{label}' for writing: it is a folder"),
            ));
        }
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
        if is_link || there.is_some_and(|kind| kind != FileType::RegularFile) {
            let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOCTTY;
            let fd = rustix::fs::open(path, flags, Mode::empty()).doing(failed)?;
            return Ok(Self {
                fd,
                staged: None,
                umask,
                label,
            });
        }
        let Some(name) = path.file_name() else {
            let text = format!("'{label}' does not name a file");
            return Err(Error::new(Kind::InvalidArgument, text));
        };
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let folder = Dir::open(parent.unwrap_or(Path::new("."))).doing(failed)?;
        let staging = Staging::create(&folder, name, Shape::File).doing(failed)?;
        let fd = staging.fd().try_clone_to_owned().doing(failed)?;
        Ok(Self {
            fd,
            staged: Some((staging, name.to_owned())),
            umask,
            label,
        })
    }

    /// What messages call it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The descriptor as a file, at the position where the caller left it.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn writer(&self) -> Result<File> {
        self.fd
            .try_clone()
            .map(File::from)
            .doing(|| format!("Failed to duplicate '{}'", self.label))
    }

    /// Whether this is a regular file from its start, so that it may be cloned to and have holes.
    #[must_use]
    pub fn is_fresh_file(&self) -> bool {
        let is_regular = rustix::fs::fstat(&self.fd)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let appends =
            rustix::fs::fcntl_getfl(&self.fd).is_ok_and(|flags| flags.contains(OFlags::APPEND));
        let position = rustix::fs::tell(&self.fd);
        let size = rustix::fs::fstat(&self.fd).map(|stat| stat.st_size);
        is_regular && !appends && position == Ok(0) && size == Ok(0)
    }

    /// Completes the output: a named file is flushed and gets its name.
    ///
    /// # Errors
    /// What fsync(2) and renameat2(2) say; the hidden file is removed then.
    pub fn finish(self) -> Result<()> {
        let failed = || format!("Failed to complete '{}'", self.label);
        let Some((staging, name)) = self.staged else {
            return Ok(());
        };
        let mode = Mode::from_raw_mode(MODE & !self.umask);
        rustix::fs::fchmod(staging.fd(), mode).doing(failed)?;
        rustix::fs::fsync(staging.fd()).doing(failed)?;
        let installed = staging.install(&name, Replace::Exchange).doing(failed)?;
        installed.sync().doing(failed)
    }
}
