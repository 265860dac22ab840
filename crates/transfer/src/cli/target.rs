//! Options about where images are and how they get there.

use super::environment::Environment;
use super::values::switch;
use crate::context::Target;
use crate::error::{Doing, Error, Result};
use crate::images::Places;
use importd_api::class::{Class, Scope};
use importd_api::failure::Kind;
use std::path::PathBuf;

/// Which images: options of all workers.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PlaceOptions {
    /// Folder of images, instead of the class's own
    #[arg(long, value_name = "PATH")]
    image_root: Option<PathBuf>,
    /// Image class: machine, portable, sysext or confext
    #[arg(long, value_name = "CLASS", default_value = "machine")]
    class: String,
    /// Operate on the system's images
    #[arg(long, overrides_with = "user")]
    system: bool,
    /// Operate on the calling user's images
    #[arg(long, overrides_with = "system")]
    user: bool,
}

/// How an image is installed: options of all workers that make one.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TargetOptions {
    #[command(flatten)]
    place: PlaceOptions,
    /// Replace an image of the same name
    #[arg(long)]
    pub(super) force: bool,
    /// Mark the image read-only
    #[arg(long)]
    read_only: bool,
    /// NAME is a path: write to what is there
    #[arg(long)]
    pub(super) direct: bool,
    /// Make trees btrfs subvolumes where possible
    #[arg(long, value_name = "BOOL")]
    btrfs_subvol: Option<String>,
    /// Set up btrfs quota groups where quota is enabled (default: no)
    #[arg(long, value_name = "BOOL")]
    btrfs_quota: Option<String>,
    /// Flush the image to the disk before it gets its name
    #[arg(long, value_name = "BOOL")]
    sync: Option<String>,
}

impl PlaceOptions {
    /// Whose images they are; without an option those of the system, for root.
    pub(super) fn scope(&self) -> Scope {
        match (self.system, self.user) {
            (_, true) => Scope::User,
            (true, false) => Scope::System,
            (false, false) if rustix::process::geteuid().is_root() => Scope::System,
            (false, false) => Scope::User,
        }
    }

    pub(super) fn places(&self, environment: &Environment) -> Result<Places> {
        let class = Class::parse(&self.class).map_err(|_unknown| {
            let shown = self.class.escape_debug();
            let text = format!("Failed to parse --class= argument: {shown}");
            Error::new(Kind::InvalidArgument, text)
        })?;
        let scope = match (self.system, self.user) {
            (_, true) => Some(Scope::User),
            (true, false) => Some(Scope::System),
            (false, false) => None,
        };
        let image_root = match &self.image_root {
            Some(path) => Some(
                std::path::absolute(path)
                    .doing(|| format!("Failed to make '{}' absolute", path.display()))?,
            ),
            None => None,
        };
        Places::new(class, scope, image_root, &environment.bases)
    }
}

impl TargetOptions {
    pub(super) fn target(&self, environment: &Environment) -> Result<Target> {
        Ok(Target {
            places: self.place.places(environment)?,
            force: self.force,
            direct: self.direct,
            read_only: self.read_only,
            sync: switch(
                "sync",
                self.sync.as_deref(),
                environment.sync.unwrap_or(true),
            )?,
            subvolume: switch(
                "btrfs-subvol",
                self.btrfs_subvol.as_deref(),
                environment.btrfs_subvolume.unwrap_or(!self.place.user),
            )?,
            quota: switch(
                "btrfs-quota",
                self.btrfs_quota.as_deref(),
                environment.btrfs_quota.unwrap_or(false),
            )?,
        })
    }

    /// Whose images they are; without an option those of the system, for root.
    pub(super) fn scope(&self) -> Scope {
        self.place.scope()
    }

    /// The class, where defaults of other options depend on it.
    pub(super) fn is_machine(&self) -> bool {
        self.place.class == Class::Machine.as_str()
    }
}
