//! Older versions of a download go when a newer one is kept.
//!
//! Only objects that we made, and only if the new one is proven at least as well: what was signed is
//! not given up for what anybody may have sent. What the reference left is for `clean`.

use super::find;
use super::names;
use super::record::Record;
use crate::context::Context;
use crate::install::Root;
use crate::pull::Request;
use importd_host::staging;
use std::ffi::OsStr;

/// Removes the kept downloads of the address that the new one supersedes. What cannot be removed is
/// told: the new one is there by now.
pub(super) fn superseded(
    request: &Request,
    (name, record): (&OsStr, &Record),
    root: &Root,
    context: &Context,
) {
    for object in find::all(request, root) {
        let is_weaker = |old: &Record| old.level <= record.level;
        if object.name == name || !object.record.as_ref().is_some_and(is_weaker) {
            continue;
        }
        let companions = names::companions(&object.name, request.form);
        let companions = companions.iter().filter(|name| root.folder.exists(name));
        for old in std::iter::once(&object.name).chain(companions) {
            let shown = root.path.join(old);
            match staging::discard(&root.folder, old) {
                Ok(()) => context.report.info(format!(
                    "Removed '{}', an older version of the download.",
                    shown.display()
                )),
                Err(error) => context.report.warning(format!(
                    "'{}', an older version of the download, could not be removed: {error}",
                    shown.display()
                )),
            }
        }
    }
}
