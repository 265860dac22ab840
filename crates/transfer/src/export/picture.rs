//! A disk image as it is at one moment.
//!
//! Where the file system can share data, an unnamed copy is exported, so that a machine that runs
//! from the image meanwhile does not show in the middle of it. Elsewhere it is the live file.

use crate::error::{Doing, Error, Result};
use crate::report::Report;
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::{attributes, copy};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// An open disk image.
#[derive(Debug)]
pub(super) struct Picture {
    /// The image itself, which has the times and attributes.
    original: OwnedFd,
    /// What is read, if it is not the image itself.
    frozen: Option<OwnedFd>,
    /// Size of the disk, in bytes.
    pub(super) size: u64,
}

impl Picture {
    /// Opens an image and, where that can be done, freezes it.
    ///
    /// # Errors
    /// [`Kind::IsDirectory`] for a tree, [`Kind::BadDescriptor`] for what is neither a file nor a
    /// device; what open(2) says.
    pub(super) fn open(path: &Path, report: &Report) -> Result<Self> {
        let failed = || format!("Failed to open raw image '{}' for export", path.display());
        // Without waiting: a fifo has no reader's end to wait for here.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let original = rustix::fs::open(path, flags, Mode::empty()).doing(failed)?;
        let stat = rustix::fs::fstat(&original).doing(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let frozen = freeze(path, original.as_fd()).unwrap_or_else(|error| {
                    report.debug(format!("The image is read while it may change: {error}"));
                    None
                });
                let read = frozen.as_ref().unwrap_or(&original);
                let size = rustix::fs::fstat(read).doing(failed)?.st_size;
                Ok(Self {
                    size: u64::try_from(size).unwrap_or(0),
                    original,
                    frozen,
                })
            }
            FileType::BlockDevice => {
                let size = rustix::fs::seek(&original, SeekFrom::End(0)).doing(failed)?;
                Ok(Self {
                    original,
                    frozen: None,
                    size,
                })
            }
            FileType::Directory => {
                let text = format!("'{}' is a tree; export-tar exports trees", path.display());
                Err(Error::new(Kind::IsDirectory, text))
            }
            _ => {
                let text = format!("'{}' is no disk image", path.display());
                Err(Error::new(Kind::BadDescriptor, text))
            }
        }
    }

    /// What is to be read.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.frozen.as_ref().unwrap_or(&self.original).as_fd()
    }

    /// The image itself.
    pub(super) fn original(&self) -> BorrowedFd<'_> {
        self.original.as_fd()
    }
}

/// An unnamed file beside the image that shares its data; `None` if the file system cannot.
fn freeze(path: &Path, original: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = Dir::open(parent.unwrap_or(Path::new(".")))?;
    let copy = folder.make_unnamed()?;
    share_alike(original, copy.as_fd());
    Ok(copy::clone_file(original, copy.as_fd())?.then_some(copy))
}

/// Gives a new, empty file the mark that keeps data from being shared between unequals (btrfs).
pub(super) fn share_alike(source: BorrowedFd<'_>, target: BorrowedFd<'_>) {
    if attributes::flags(source).unwrap_or(0) & attributes::NO_COPY_ON_WRITE != 0 {
        // Where it cannot be set, nothing can be shared either.
        attributes::set_no_copy_on_write(target).unwrap_or(());
    }
}
