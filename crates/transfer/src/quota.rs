//! Quota groups of images, where they are asked for.
//!
//! The image root becomes a pool, and each image that is a subvolume a group in it. An image is
//! complete without: what fails is told.

use crate::context::Context;
use crate::install::Root;
use importd_host::quota::{self, SetUp};
use std::os::fd::{AsFd, BorrowedFd};

/// Sets the groups up for the image root and an image that is about to be installed there.
pub(crate) fn set_up(root: &Root, image: BorrowedFd<'_>, context: &Context) {
    for (fd, what) in [
        (root.folder.as_fd(), "image directory"),
        (image, "new image of image directory"),
    ] {
        let shown = root.path.display();
        match quota::set_up(fd) {
            Ok(SetUp::Disabled) => {
                context.report.notice(format!(
                    "Quota is not enabled on the file system of '{shown}': no quota groups are made."
                ));
                return;
            }
            Ok(done) => {
                let text = format!("Quota group of the {what} '{shown}': {done:?}.");
                context.report.debug(text);
            }
            Err(error) => context.report.warning(format!(
                "Failed to set up the quota group of the {what} '{shown}': {error}"
            )),
        }
    }
}
