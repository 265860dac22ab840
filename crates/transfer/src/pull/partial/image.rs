//! Keeps a download in the image that grows of it, where its bytes are the image's own.
//!
//! The hidden file is moved into the folder of unfinished downloads until it is whole: written once, not
//! twice. A kill at any point leaves what a copy would have left, and nothing in the image root; only
//! the marks may be ahead of what was written, by what lies in the queues between.

use super::writer::RESERVE_BYTES;
use super::{Turn, off};
use crate::context::Context;
use crate::error::{Doing, Result};
use importd_host::copy;
use importd_host::partial::{Claim, File};
use importd_host::staging::Staging;
use importd_host::tree::allocated;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

impl Turn<'_> {
    /// Keeps what comes in this image, which is still empty, unless something of the download was here
    /// before. Where the image root and what is kept are on different file systems nothing changes.
    pub(crate) fn keep_in(&self, image: &Staging, context: &Context) {
        let Ok(mut files) = self.files.lock() else {
            return;
        };
        let Some(files) = files.as_mut().filter(|files| files.is_new) else {
            return;
        };
        match files.claim.borrow(image) {
            Ok(true) => {
                files.part = None;
                self.has_image.store(true, Ordering::Relaxed);
            }
            Ok(false) => {}
            Err(error) => context.report.debug(format!(
                "The download is kept beside the image that grows of it: {error}"
            )),
        }
    }

    /// Takes the image back, which is complete; `false` if somebody has removed it. Who waits for the
    /// same download gets a copy.
    ///
    /// # Errors
    /// What renameat(2) says.
    pub(crate) fn take_back(&self, image: &Staging, context: &Context) -> Result<bool> {
        let Some(claim) = self.claim().filter(|_| self.holds_image()) else {
            return Ok(true);
        };
        let is_awaited = claim.is_awaited();
        match is_awaited {
            true => self.settle(),
            false => self.close(),
        }
        let is_there = claim.give_back(image).doing(|| {
            "Failed to move the image back from the folder of unfinished downloads".into()
        })?;
        self.has_image.store(false, Ordering::Relaxed);
        if is_awaited && let Err(error) = leave_copy(&claim, image, context) {
            off(context, &error);
            claim.forget().unwrap_or(());
        }
        Ok(is_there)
    }

    /// Whether the image that grows is what is kept.
    pub(crate) fn holds_image(&self) -> bool {
        self.has_image.load(Ordering::Relaxed)
    }
}

fn leave_copy(claim: &Claim, image: &Staging, context: &Context) -> io::Result<()> {
    let part = claim.make(File::Part)?;
    if copy::clone_file(image.fd(), part.as_fd())? {
        return Ok(());
    }
    let stat = rustix::fs::fstat(image.fd())?;
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    if claim.free_bytes()? < allocated(&stat).saturating_add(RESERVE_BYTES) {
        return Err(io::Error::other("there is no room for a copy"));
    }
    let mut check = |_position| context.cancel.check();
    copy::copy_sparse(image.fd(), part.as_fd(), length, &mut check).map(drop)
}
