//! A new, hidden disk image file.

use crate::context::Context;
use crate::error::{Doing, Result};
use crate::proof::Staged;
use importd_host::canvas::Canvas;
use importd_host::dir::Dir;
use importd_host::staging::{Shape, Staging};
use rustix::fs::{Gid, Mode, Stat, Uid};
use std::ffi::OsStr;

/// Mode of a disk image, before the umask.
const MODE: u32 = 0o664;

/// Whose a new file will be, and its mode.
#[derive(Clone, Copy, Debug)]
pub struct Dress {
    mode: Mode,
    owner: Option<(Uid, Gid)>,
}

impl Dress {
    /// An image of ours.
    #[must_use]
    pub fn fresh(umask: u32) -> Self {
        Self {
            mode: Mode::from_raw_mode(MODE & !umask),
            owner: None,
        }
    }

    /// Whether the file is given to somebody.
    #[must_use]
    pub const fn has_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// In the place of a file that is there.
    #[must_use]
    pub fn of(stat: &Stat) -> Self {
        Self {
            mode: Mode::from_raw_mode(stat.st_mode & 0o777),
            owner: Some((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))),
        }
    }
}

/// A new, hidden disk image file.
#[derive(Debug)]
pub struct RawSink {
    staging: Staging,
    canvas: Canvas,
    dress: Dress,
}

impl RawSink {
    /// Makes the file for the image that will be called `file_name`.
    ///
    /// # Errors
    /// What openat(2) says.
    pub fn create(folder: &Dir, file_name: &OsStr, dress: Dress) -> Result<Self> {
        let failed = || "Failed to create a hidden image file".to_owned();
        let staging = Staging::create(folder, file_name, Shape::File).doing(failed)?;
        Ok(Self {
            canvas: Canvas::blank(staging.fd()).doing(failed)?,
            staging,
            dress,
        })
    }

    /// Where its bytes go.
    #[must_use]
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// A new file with the bytes of this one, which somebody has removed.
    ///
    /// # Errors
    /// No space; the cancel.
    pub(crate) fn remade(self, context: &Context) -> Result<Self> {
        let failed = || "Failed to copy the image that somebody has removed".to_owned();
        let check = || context.cancel.check();
        let staging = self.staging.remade(&check).doing(failed)?;
        Ok(Self {
            canvas: Canvas::blank(staging.fd()).doing(failed)?,
            staging,
            dress: self.dress,
        })
    }

    /// The file itself.
    #[must_use]
    pub(crate) const fn staging(&self) -> &Staging {
        &self.staging
    }

    /// The complete file, with its mode and owner.
    ///
    /// # Errors
    /// What fchmod(2) and fchown(2) say.
    pub fn seal(self) -> Result<Staged> {
        let failed = || "Failed to set the mode of the image file".to_owned();
        let fd = self.staging.fd();
        if let Some((uid, gid)) = self.dress.owner {
            rustix::fs::fchown(fd, Some(uid), Some(gid))
                .doing(|| "Failed to give the image file to the owner of the old one".into())?;
        }
        rustix::fs::fchmod(fd, self.dress.mode).doing(failed)?;
        Ok(Staged(self.staging))
    }
}
