//! Proven → visible: flush, one rename, read-only, flush of the folder.
//!
//! # Atomicity
//! Until the rename nothing is seen under the name (or the old image, whole); after it the new
//! image, whole. A crash leaves a hidden entry that the next transfer sweeps.

use crate::error::{Doing, Error, Result};
use crate::proof::Proven;
use crate::report::Report;
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::Installed;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

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
}

impl Proven {
    /// Gives the image its name.
    ///
    /// # Errors
    /// [`Kind::Exists`] if the name is taken and must not be replaced; what fsync(2) and
    /// renameat2(2) say. The hidden image is removed then.
    pub fn install(
        self,
        root: &Root,
        name: &OsStr,
        manner: Manner,
        report: &Report,
    ) -> Result<Installed> {
        let path = root.path.join(name);
        if manner.sync {
            self.flush(root)?;
        }
        let mut installed = self.0.install(name, manner.replace).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                let text = format!(
                    "Image '{}' already exists; --force replaces it",
                    path.display()
                );
                return Error::new(Kind::Exists, text);
            }
            Error::io(
                format!("Failed to move image into place as '{}'", path.display()),
                error,
            )
        })?;
        if let Some(error) = installed.leftover() {
            report.warning(format!(
                "The replaced image could not be removed and lies hidden in '{}': {error}",
                root.path.display()
            ));
        }
        if manner.read_only {
            mark_read_only(&installed, &path.display().to_string(), report)?;
        }
        if manner.sync {
            installed
                .sync()
                .doing(|| format!("Failed to flush '{}'", path.display()))?;
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

/// Marks an installed image read-only; a file system without such a mark for folders is told of,
/// not failed.
fn mark_read_only(installed: &Installed, path: &str, report: &Report) -> Result<()> {
    match installed.make_read_only() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            report.warning(format!(
                "The file system has no read-only mark for folders; '{path}' stays writable"
            ));
            Ok(())
        }
        other => other.doing(|| format!("Failed to mark '{path}' read-only")),
    }
}
