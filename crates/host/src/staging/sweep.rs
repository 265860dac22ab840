//! What is left behind, or no longer wanted, in a folder of images.

use super::{Lock, RANDOM_DIGITS, handover, hidden_name, is_ours, lock, stem};
use crate::dir::Dir;
use crate::rename::{self, Replace};
use crate::{attributes, subvolume, tree};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Removes the abandoned files of one name, where the folder is not an image root and may be
/// anybody's: only regular files that belong to us.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_files(folder: &Dir, name: &OsStr) -> io::Result<usize> {
    sweep_own(folder, name, FileType::RegularFile)
}

/// As [`sweep_files`], the abandoned folders of one name.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_folders(folder: &Dir, name: &OsStr) -> io::Result<usize> {
    sweep_own(folder, name, FileType::Directory)
}

fn sweep_own(folder: &Dir, name: &OsStr, kind: FileType) -> io::Result<usize> {
    let own = rustix::process::geteuid().as_raw();
    let mut removed = 0;
    for hidden in folder.entries()? {
        let claim = is_named(&hidden, name)
            .then(|| claim(folder, &hidden))
            .flatten();
        let Some(Some(_locked)) = claim else {
            continue;
        };
        let is_meant = folder
            .stat(&hidden)
            .is_ok_and(|stat| stat.st_uid == own && FileType::from_raw_mode(stat.st_mode) == kind);
        if is_meant && tree::remove(folder, &hidden).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes the abandoned snapshots of one subvolume, where the folder may be anybody's: only what is
/// a snapshot of that very one.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_snapshots(folder: &Dir, name: &OsStr, source: &Dir) -> io::Result<usize> {
    let source = subvolume::identity(source)?;
    let mut removed = 0;
    for hidden in folder.entries()? {
        if !is_named(&hidden, name) {
            continue;
        }
        let Some(Some(locked)) = claim(folder, &hidden) else {
            continue;
        };
        let is_snapshot = subvolume::is_subvolume(&locked)?
            && subvolume::identity(&locked)?.is_snapshot_of(&source);
        if is_snapshot && tree::remove(folder, &hidden).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether an entry of ours was made for that name.
fn is_named(hidden: &OsStr, name: &OsStr) -> bool {
    let stem = stem(name);
    hidden.len() == stem.len() + RANDOM_DIGITS
        && hidden.as_bytes().starts_with(&stem)
        && is_ours(hidden)
}

/// Removes something that has a visible name: it is hidden by one rename first, so that nobody sees
/// it half removed, and a killed removal is finished by the next sweep. A link itself is removed.
///
/// # Errors
/// What renameat2(2) and the removal say.
pub fn discard(folder: &Dir, name: &OsStr) -> io::Result<()> {
    let hidden = hidden_name(name)?;
    match rename::publish(folder, name, &hidden, Replace::Refuse) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => {
            // Immutable folders cannot be renamed.
            let old = folder.open_dir(name)?;
            attributes::clear_protection(old.as_fd())?;
            rename::publish(folder, name, &hidden, Replace::Refuse)?;
        }
        other => {
            other?;
        }
    }
    match tree::remove(folder, &hidden) {
        // Swept already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes the entries of `folder` whose owner is gone, and ends what others have begun that changes are
/// kept in; says how many. `check` is asked before
/// each, and its error ends the sweep.
///
/// # Errors
/// When the folder cannot be read. Entries that cannot be removed are left for the next sweep.
pub fn sweep(folder: &Dir, check: &mut dyn FnMut() -> io::Result<()>) -> io::Result<usize> {
    let mut removed = handover::recover(folder)?;
    for name in folder.entries()?.iter().filter(|name| is_ours(name)) {
        check()?;
        // Held until the entry is gone: its maker may not lock it in the meantime.
        let Some(_claim) = claim(folder, name) else {
            continue;
        };
        if tree::remove(folder, name).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// The names of the entries of `folder` that [`sweep`] would remove now.
///
/// # Errors
/// When the folder cannot be read.
pub fn abandoned(folder: &Dir) -> io::Result<Vec<OsString>> {
    let mut names = folder.entries()?;
    names.retain(|name| is_ours(name) && claim(folder, name).is_some());
    Ok(names)
}

/// Takes an entry from an owner who is gone; `None` if somebody holds its lock, or could without our
/// seeing it. What cannot be locked at all (a link, a device: only a replaced image is such) has no
/// owner.
fn claim(folder: &Dir, name: &OsStr) -> Option<Option<OwnedFd>> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => {}
        _ => return Some(None),
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let entry = rustix::fs::openat(folder, name, flags, Mode::empty()).ok()?;
    match lock(&entry) {
        Ok(Lock::Taken) => Some(Some(entry)),
        Ok(Lock::Held | Lock::Unsupported) | Err(_) => None,
    }
}
