//! What belongs to an image beside its bytes, and goes when the image is replaced.
//!
//! A new image under an old name must not be started with the old one's settings, nor be checked
//! against its hashes; and of `NAME/` and `NAME.raw` only one is found.

use crate::images::Places;
use crate::install::Root;
use crate::report::Report;
use importd_api::name::ImageName;
use importd_host::staging;
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

/// Removes what belonged to the image that was replaced: its companions, and the image itself if it
/// had another form than the one that was `installed`. Links are removed, not what they name.
///
/// What cannot be removed is told: the new image has its name by now.
pub fn retire(root: &Root, places: &Places, name: &ImageName, installed: &OsStr, report: &Report) {
    let forms = places.forms_in_root(name);
    let companions = ENDINGS.map(|ending| OsString::from(format!("{name}{ending}")));
    let others = forms.into_iter().filter(|form| form != installed);
    for old in others.chain(companions) {
        if !root.folder.exists(&old) {
            continue;
        }
        let shown = root.path.join(&old);
        match staging::discard(&root.folder, &old) {
            Ok(()) => report.info(format!(
                "Removed '{}', which belonged to the old image.",
                shown.display()
            )),
            Err(error) => report.warning(format!(
                "'{}' belonged to the old image and could not be removed: {error}",
                shown.display()
            )),
        }
    }
}
