//! Proven → visible: read-only mark, flush, one rename, flush of the folder, the old image removed.
//!
//! # Atomicity
//! Until the rename nothing is seen under the name (or the old image, whole); after it the new
//! image, whole. Plain folders get their read-only mark right after the rename, since it would
//! forbid that. A crash leaves a hidden entry that the next transfer sweeps.

use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::proof::Proven;
use crate::quota;
use crate::report::Report;
use importd_api::failure::Kind;
use importd_api::figures::Phase;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::Installed;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The folder that images are put into.
#[derive(Debug)]
pub struct Root {
    /// The folder.
    pub folder: Dir,
    /// Its path, for messages.
    pub path: PathBuf,
}

/// How an image is to be installed.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// What to do about an image that has the name.
    pub replace: Replace,
    /// Mark it read-only.
    pub read_only: bool,
    /// Flush it before it gets its name.
    pub sync: bool,
    /// Put it into a quota group.
    pub quota: bool,
}

impl Proven {
    /// Gives the image its name. A cancel is noticed until the rename, not after it.
    ///
    /// # Errors
    /// [`Kind::Exists`] if the name is taken and must not be replaced; what fsync(2) and
    /// renameat2(2) say. The hidden image is removed then.
    pub fn install(
        self,
        root: &Root,
        name: &OsStr,
        manner: Manner,
        context: &Context,
    ) -> Result<Installed> {
        context.report.phase(Phase::Installing);
        let path = root.path.join(name);
        let shown = path.display();
        if manner.quota && importd_host::subvolume::is_subvolume(self.0.fd()).unwrap_or(false) {
            quota::set_up(root, self.0.fd(), context);
        }
        if manner.read_only {
            let sealed = self.0.seal();
            sealed.doing(|| format!("Failed to mark the image for '{shown}' read-only"))?;
        }
        if manner.sync {
            self.flush(root)?;
        }
        context
            .cancel
            .check()
            .map_err(|error| Error::io("Cancelled", error))?;
        let mut installed = self.0.install(name, manner.replace).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                let text = format!("Image '{shown}' already exists; --force replaces it");
                return Error::new(Kind::Exists, text);
            }
            let text = format!("Failed to move image into place as '{shown}'");
            Error::io(text, error)
        })?;
        if manner.read_only {
            seal_folder(&installed, &path, &context.report)?;
        }
        if manner.sync {
            installed
                .sync()
                .doing(|| format!("Failed to flush '{shown}'"))?;
        }
        if let Err(error) = installed.remove_replaced() {
            context.report.warning(format!(
                "The replaced image could not be removed and lies hidden in '{}': {error}",
                root.path.display()
            ));
        }
        Ok(installed)
    }

    /// Brings the bytes to the disk: a file's own, or the whole file system's for a tree.
    fn flush(&self, root: &Root) -> Result<()> {
        let fd = self.0.fd();
        let stat = rustix::fs::fstat(fd).doing(|| "Failed to look at the image".into())?;
        let flushed = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::Directory => rustix::fs::syncfs(fd),
            _ => rustix::fs::fsync(fd),
        };
        flushed.doing(|| format!("Failed to flush the image in '{}'", root.path.display()))
    }
}

/// Marks an installed folder read-only; where there is no such mark, or no right to set it, that is
/// told of, not failed: the image is complete.
fn seal_folder(installed: &Installed, path: &Path, report: &Report) -> Result<()> {
    let shown = path.display();
    let why = match installed.seal_folder() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            "the file system has no read-only mark for folders"
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            "marking a folder read-only needs the capability CAP_LINUX_IMMUTABLE"
        }
        other => return other.doing(|| format!("Failed to mark '{shown}' read-only")),
    };
    let text = format!("'{shown}' stays writable: {why}");
    let is_hidden = path
        .file_name()
        .is_some_and(|name| name.as_bytes().starts_with(b"."));
    match is_hidden {
        // A kept download: nobody has asked for the mark.
        true => report.debug(text),
        false => report.warning(text),
    }
    Ok(())
}
