//! What every verb has at hand, and where its image goes.

use crate::error::{Doing, Error, Result};
use crate::images::Places;
use crate::install::{Manner, Root};
use crate::owners::{Need, Owners};
use crate::report::Report;
use importd_api::class::Scope;
use importd_api::name::ImageName;
use importd_host::cancel::{Cancel, Cancelled};
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::{self, Shape};
use std::time::Duration;

/// What every verb has at hand.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where lines and progress go.
    pub report: Report,
    /// Set by SIGTERM and SIGINT.
    pub cancel: Cancel,
    /// The umask the worker was started with; its own is 0, so that modes are exact.
    pub umask: u32,
    /// Which owners files can be given.
    pub owners: Owners,
}

impl Context {
    /// The same in a user namespace, if the caller needs one for what is to be done with trees.
    ///
    /// # Errors
    /// As [`Owners::enter`].
    pub fn with_owners(&self, scope: Scope, need: Need) -> Result<Self> {
        Ok(Self {
            owners: Owners::enter(scope, need, &self.report)?,
            ..self.clone()
        })
    }
}

/// Where an image goes, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// The class's folders.
    pub places: Places,
    /// Replace an image of the same name.
    pub force: bool,
    /// Mark the image read-only.
    pub read_only: bool,
    /// Flush before and after the rename.
    pub sync: bool,
    /// The name is a path, and what is there is written to.
    pub direct: bool,
    /// Make trees subvolumes where the file system has them.
    pub subvolume: bool,
    /// Put new subvolumes into quota groups where the file system has quota enabled.
    pub quota: bool,
}

impl Target {
    /// Refuses a name that is taken, unless it may be replaced.
    ///
    /// # Errors
    /// As [`Places::refuse_taken`].
    pub fn check_free(&self, name: &ImageName) -> Result<()> {
        if self.force {
            return Ok(());
        }
        self.places.refuse_taken(name)
    }

    /// Opens the image root, made with mode 0700 where missing, and sweeps what killed transfers
    /// left there.
    ///
    /// # Errors
    /// What mkdir(2) and open(2) say.
    pub fn open_root(&self, context: &Context) -> Result<Root> {
        let path = &self.places.root;
        let folder = Dir::create_all(path, 0o700)
            .doing(|| format!("Failed to open image directory '{}'", path.display()))?;
        context.report.info(format!(
            "Operating on image directory '{}'.",
            path.display()
        ));
        if let Some(warning) = context.owners.warn_of(&folder) {
            context.report.warning(warning);
        }
        if !self.sync {
            context
                .report
                .info("File system synchronization on completion is off.");
        }
        // Signals are not listened to before the cage is closed: they are looked for in between.
        let mut check = || context.cancel.wait_signal(Duration::ZERO);
        match staging::sweep(&folder, &mut check) {
            Ok(0) => {}
            Ok(count) => context
                .report
                .info(format!("Removed {count} leftovers of killed transfers.")),
            Err(error) if Cancelled::is(&error) => return Err(Error::cancelled()),
            Err(error) => context
                .report
                .debug(format!("Leftovers could not be looked for: {error}")),
        }
        Ok(Root {
            folder,
            path: path.clone(),
        })
    }

    /// The shape of a new tree.
    #[must_use]
    pub const fn tree_shape(&self) -> Shape {
        if self.subvolume {
            Shape::Subvolume
        } else {
            Shape::Folder
        }
    }

    /// How the image is installed.
    #[must_use]
    pub const fn manner(&self) -> Manner {
        Manner {
            replace: if self.force {
                Replace::Exchange
            } else {
                Replace::Refuse
            },
            read_only: self.read_only,
            sync: self.sync,
            quota: self.quota,
        }
    }
}
