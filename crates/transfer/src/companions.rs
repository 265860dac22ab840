//! What belongs to an image beside its bytes, and goes when the image is replaced.
//!
//! A new image under an old name must not be started with the old one's settings, nor be checked
//! against its hashes; and of `NAME/` and `NAME.raw` only one is found.
//!
//! # Atomicity
//! The old companions lose their names, the new image gets its own by one rename, then the old
//! companions are removed (and new ones may come). A crash in between leaves an image without
//! companions, the old or the new one, but never one with those of another.

use crate::context::{Context, Target};
use crate::error::{Doing, Result};
use crate::install::{Manner, Root};
use crate::proof::Proven;
use crate::report::Report;
use importd_api::name::ImageName;
use importd_host::rename::Replace;
use importd_host::staging::{self, Aside, Installed};
use std::ffi::{OsStr, OsString};

/// Endings of files that belong to the image of the same name, as systemd's image discovery has them.
const ENDINGS: [&str; 7] = [
    ".nspawn",
    ".roothash",
    ".roothash.p7s",
    ".usrhash",
    ".usrhash.p7s",
    ".verity",
    ".oci-config",
];

/// Installs the image `name` under `file_name`, as [`Proven::install`] does, and removes what
/// belonged to the image that it replaces: its companions, and the image itself if it had another
/// form. Links are removed, not what they name.
///
/// # Errors
/// As [`Proven::install`]; the old companions are back then. What cannot be removed afterwards is
/// told: the new image has its name by then.
pub fn install(
    proven: Proven,
    root: &Root,
    (name, file_name): (&ImageName, &OsStr),
    target: &Target,
    context: &Context,
) -> Result<Installed> {
    let manner = (target.manner(), target);
    install_in(proven, root, (name, file_name), manner, context)
}

/// The same in another manner.
///
/// # Errors
/// As [`install`].
pub fn install_in(
    proven: Proven,
    root: &Root,
    (name, file_name): (&ImageName, &OsStr),
    (manner, target): (Manner, &Target),
    context: &Context,
) -> Result<Installed> {
    if manner.replace == Replace::Refuse {
        return proven.install(root, file_name, manner, context);
    }
    let before = identity(root, file_name);
    let aside = set_aside(root, name)?;
    let result = proven.install(root, file_name, manner, context);
    if result.is_err() && identity(root, file_name) == before {
        // They have their names again.
        drop(aside);
        return result;
    }
    for old in aside {
        let shown = root.path.join(old.name());
        tell(&shown.display().to_string(), old.remove(), &context.report);
    }
    let forms = target.places.forms_in_root(name);
    for old in forms.into_iter().filter(|form| form != file_name) {
        let shown = root.path.join(&old);
        let removed = staging::discard(&root.folder, &old);
        tell(&shown.display().to_string(), removed, &context.report);
    }
    result
}

/// Hides the companions of an image; they get their names back when they are dropped.
fn set_aside(root: &Root, name: &ImageName) -> Result<Vec<Aside>> {
    let mut aside = Vec::new();
    for ending in ENDINGS {
        let old = OsString::from(format!("{name}{ending}"));
        let taken = Aside::take(&root.folder, &old).doing(|| {
            let shown = root.path.join(&old);
            format!("Failed to hide '{}' of the old image", shown.display())
        })?;
        aside.extend(taken);
    }
    Ok(aside)
}

fn identity(root: &Root, name: &OsStr) -> Option<(u64, u64)> {
    let stat = root.folder.stat(name).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

fn tell(shown: &str, removed: std::io::Result<()>, report: &Report) {
    match removed {
        Ok(()) => report.info(format!(
            "Removed '{shown}', which belonged to the old image."
        )),
        Err(error) => report.warning(format!(
            "'{shown}' belonged to the old image and could not be removed: {error}"
        )),
    }
}
