//! An operating system tree inside a single top folder is moved up one level.
//!
//! A tree with `/etc/os-release` or `/usr/lib/os-release` stays, and so does one with a folder of
//! extension releases: a system or configuration extension. One that holds exactly one entry, a
//! folder that is such a tree, becomes that folder. Everything else stays.

use super::folders::Folders;
use crate::error::{Doing, Result};
use crate::report::Report;
use importd_host::dir::Dir;
use rustix::fs::{AtFlags, FileType, OFlags};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where os-release(5) may be, and what extensions have in its place.
const RELEASES: [&str; 4] = [
    "etc/os-release",
    "usr/lib/os-release",
    "etc/extension-release.d",
    "usr/lib/extension-release.d",
];

/// Moves the tree up if it is of that shape, what is known of its folders with it.
pub(super) fn flatten(top: &Dir, folders: &mut Folders, report: &Report) -> Result<()> {
    let failed = || "Failed to look for an operating system tree".to_owned();
    let Some(name) = single_tree(top).doing(failed)? else {
        return Ok(());
    };
    report.info(format!(
        "Rearranging '{}', moving OS tree one directory up.",
        name.display()
    ));
    move_up(top, &name).doing(|| format!("Failed to move '{}' up", name.display()))?;
    folders.move_up(name.as_bytes());
    report.info("Successfully rearranged OS tree.");
    Ok(())
}

/// The only entry of a folder, if it is an operating system tree and the folder itself is not.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn single_tree(top: &Dir) -> io::Result<Option<OsString>> {
    if is_os_tree(top) {
        return Ok(None);
    }
    let mut entries = top.entries()?;
    let (Some(name), true) = (entries.pop(), entries.is_empty()) else {
        return Ok(None);
    };
    let stat = rustix::fs::statat(top, &name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(None);
    }
    let child = top.open_dir(&name)?;
    Ok(is_os_tree(&child).then_some(name))
}

fn is_os_tree(folder: &Dir) -> bool {
    RELEASES.iter().any(|file| {
        folder
            .open_in_root(Path::new(file), OFlags::PATH | OFlags::CLOEXEC)
            .is_ok()
    })
}

/// Moves all entries of the only child up and removes it. The child gets out of the way first: it
/// may hold an entry of its own name.
///
/// # Errors
/// What renameat(2) says.
pub(crate) fn move_up(top: &Dir, name: &OsStr) -> io::Result<()> {
    let aside = OsString::from(".#importd-moving-up");
    top.rename(name, top, &aside)?;
    let child = top.open_dir(&aside)?;
    for entry in child.entries()? {
        child.rename(&entry, top, &entry)?;
    }
    top.remove_dir(&aside)
}
