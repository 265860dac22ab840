//! A folder that is there already and is filled: a mount point, a folder of somebody's choice.
//!
//! # Atomicity
//! None: what is put into it is seen at once. A failed transfer empties a folder that was empty
//! before; of any other it is told that it was filled in part.

use crate::error::{Doing, Result};
use crate::report::Report;
use importd_host::dir::Dir;
use importd_host::{attributes, subvolume, tree};
use std::os::fd::AsFd;

/// An open folder to fill.
#[derive(Debug)]
pub struct FolderInPlace {
    folder: Dir,
    /// What messages call it.
    label: String,
    was_empty: bool,
}

impl FolderInPlace {
    /// Takes a folder. Default access lists of an empty one are removed: what is put into it is what
    /// it was made of.
    ///
    /// # Errors
    /// What reading it says.
    pub fn new(folder: Dir, label: String) -> Result<Self> {
        let failed = || format!("Failed to read '{label}'");
        let was_empty = folder.entries().doing(failed)?.is_empty();
        if was_empty {
            attributes::remove_access_lists(folder.as_fd()).doing(failed)?;
        }
        Ok(Self {
            folder,
            label,
            was_empty,
        })
    }

    /// The folder.
    #[must_use]
    pub const fn folder(&self) -> &Dir {
        &self.folder
    }

    /// Whether nothing was in it.
    #[must_use]
    pub const fn was_empty(&self) -> bool {
        self.was_empty
    }

    /// Completes the folder: flushed, and marked read-only where that is asked for.
    ///
    /// # Errors
    /// What syncfs(2) and the ioctls say.
    pub fn finish(&self, sync: bool, read_only: bool) -> Result<()> {
        let failed = || format!("Failed to complete '{}'", self.label);
        if sync {
            rustix::fs::syncfs(&self.folder).doing(failed)?;
        }
        if read_only {
            let marked = match subvolume::is_subvolume(&self.folder).doing(failed)? {
                true => subvolume::seal(&self.folder),
                false => attributes::set_immutable(self.folder.as_fd(), true),
            };
            marked.doing(|| format!("Failed to mark '{}' read-only", self.label))?;
        }
        Ok(())
    }

    /// Takes back what a failed transfer has put into an empty folder.
    pub fn undo(&self, report: &Report) {
        let label = &self.label;
        if !self.was_empty {
            return report.warning(format!("'{label}' was filled in part"));
        }
        for name in self.folder.entries().unwrap_or_default() {
            if let Err(error) = tree::remove(&self.folder, &name) {
                let name = name.display();
                report.warning(format!("'{label}/{name}' could not be removed: {error}"));
            }
        }
    }
}
