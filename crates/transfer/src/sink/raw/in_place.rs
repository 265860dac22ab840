//! A block device, a range of a file, or a file with several names: written where it is.
//!
//! # Atomicity
//! None: what was there is lost with the first byte that is written. What can be known before is
//! checked before; what was written when a transfer fails is told.
//!
//! # Source
//! systemd-sysupdate writes partitions this way; blockdev(8) for the read-only mark.

use super::Bounds;
use crate::error::{Doing, Error, Result};
use crate::report::{Report, size};
use importd_api::failure::Kind;
use importd_host::canvas::Canvas;
use importd_host::device;
use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// A part of a target, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Where it begins.
    pub offset: u64,
    /// Zero what the image does not fill, up to the most bytes that it may have.
    pub zero_fill: bool,
}

/// An open target that is written in place.
#[derive(Debug)]
pub struct InPlace {
    path: PathBuf,
    canvas: Canvas,
    range: Option<Range>,
    /// Size of a device, in bytes.
    device_size: Option<u64>,
}

impl InPlace {
    /// Opens what is there: all of it, or a range.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::BadDescriptor`] for what is neither a file nor a block device;
    /// [`Kind::NoSpace`] for a range beyond a device; what open(2) says.
    pub fn open(path: &Path, range: Option<Range>, bounds: Bounds) -> Result<Self> {
        let shown = path.display();
        let failed = || format!("Failed to open '{shown}' for writing");
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = rustix::fs::open(path, flags, Mode::empty()).doing(failed)?;
        let stat = rustix::fs::fstat(&fd).doing(failed)?;
        let device_size = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => None,
            FileType::BlockDevice => Some(rustix::fs::seek(&fd, SeekFrom::End(0)).doing(failed)?),
            _ => {
                let text = format!("Target '{shown}' is not a regular file or block device");
                return Err(Error::new(Kind::BadDescriptor, text));
            }
        };
        let start = range.map_or(0, |range| range.offset);
        let target = Self {
            canvas: Canvas::over(fd.as_fd(), start).doing(failed)?,
            path: path.to_owned(),
            range,
            device_size,
        };
        target.check_range(bounds)?;
        Ok(target)
    }

    /// Where the bytes go.
    #[must_use]
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// Whether this is a whole device.
    #[must_use]
    pub fn is_whole_device(&self) -> bool {
        self.device_size.is_some() && self.range.is_none()
    }

    /// Refuses an image of `size` bytes that does not fit, while nothing is written.
    ///
    /// # Errors
    /// [`Kind::NoSpace`].
    pub fn check_room(&self, size: u64) -> Result<()> {
        let start = self.range.map_or(0, |range| range.offset);
        match self.device_size {
            Some(device) if start.saturating_add(size) > device => Err(self.too_small(size)),
            _ => Ok(()),
        }
    }

    /// Completes the target after `written` bytes: the rest of the range zeroed, a file cut to its
    /// new length, flushed, a device marked read-only.
    ///
    /// # Errors
    /// What the system calls say.
    pub fn finish(&self, written: u64, bounds: Bounds, manner: Finish) -> Result<()> {
        let failed = || format!("Failed to complete '{}'", self.path.display());
        let fd = self.canvas.fd();
        match (self.range, bounds.size_max) {
            (Some(Range { zero_fill, .. }), Some(most)) if zero_fill && most > written => {
                let rest = most - written;
                self.canvas.zero(written, rest).doing(failed)?;
            }
            (None, _) if self.device_size.is_none() => {
                rustix::fs::ftruncate(fd, written).doing(failed)?;
            }
            _ => {}
        }
        if manner.sync {
            rustix::fs::fsync(fd).doing(failed)?;
        }
        if manner.read_only && self.range.is_none() {
            let marked = match self.device_size {
                Some(_) => device::set_read_only(fd),
                None => unwritable(fd),
            };
            marked.doing(|| format!("Failed to mark '{}' read-only", self.path.display()))?;
        }
        Ok(())
    }

    /// Says what a failed transfer has done to the target.
    pub fn tell_damage(&self, report: &Report) {
        let reached = self.canvas.reached();
        if reached == 0 {
            return;
        }
        let offset = self.range.map_or(0, |range| range.offset);
        report.warning(format!(
            "'{}' was overwritten in part, up to {} ({reached} bytes) from offset {offset} on; it \
             has to be written again",
            self.path.display(),
            size(reached)
        ));
    }

    fn check_range(&self, bounds: Bounds) -> Result<()> {
        let Some(range) = self.range else {
            return Ok(());
        };
        // Without zero-filling the most bytes are only that: fewer may come.
        self.check_room(match bounds.size_max {
            Some(most) if range.zero_fill => most,
            _ => 0,
        })
    }

    fn too_small(&self, size: u64) -> Error {
        let text = format!(
            "'{}' is too small: it has {} bytes, the image needs {size} from offset {} on",
            self.path.display(),
            self.device_size.unwrap_or(0),
            self.range.map_or(0, |range| range.offset)
        );
        Error::new(Kind::NoSpace, text)
    }
}

/// How a target is completed.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// Flush it.
    pub sync: bool,
    /// Mark it read-only, if it was written whole.
    pub read_only: bool,
}

fn unwritable(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mode = rustix::fs::fstat(fd)?.st_mode & 0o7555;
    Ok(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?)
}
