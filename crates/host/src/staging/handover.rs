//! A folder takes the place of another one, and what was changed in that goes over to it.
//!
//! Of a mount stack (systemd.mstack(7)), `rw` holds what was changed. It must not be lost when the stack
//! is replaced, at no moment: two renames are needed, and a crash in between has to leave it where the
//! next run finds it.
//!
//! # Atomicity
//! The new folder gets a hidden name that says what it replaces, and that no sweep removes while `rw` is
//! in it: `.importd-rw.NAME`. It begins with no `.#`, since systemd-tmpfiles removes such names at boot.
//!
//! | after | under NAME | under the hidden name | [`recover`] |
//! |---|---|---|---|
//! | the first rename | the old folder, whole | the new one, without `rw` | removes the hidden one |
//! | the exchange | the new one, without `rw` | the old one, whole | moves `rw`, removes the hidden one |
//! | the move of `rw` | the new one, whole | the old one, without `rw` | removes the hidden one |
//!
//! Where NAME has an `rw` of its own by then, or is gone, the hidden folder stays.

use super::{Installed, Lock, Staging, is_entry, lock};
use crate::dir::Dir;
use crate::rename::{self, Published, Replace};
use crate::tree;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// What goes over.
pub const CHANGES: &str = "rw";
/// How the hidden name begins; what it stands for follows.
const PREFIX: &str = ".importd-rw.";
/// Mode of the folder where there is nothing to go over.
const CHANGES_MODE: u32 = 0o755;

impl Staging {
    /// Gives the entry, a folder without [`CHANGES`], the name of another folder, and takes over what that
    /// has there. The old one has to be removed afterwards by [`Installed::remove_replaced`].
    ///
    /// # Errors
    /// `NameTooLong` for a name that leaves no room for a hidden one; `ResourceBusy` if somebody else
    /// replaces it too; what renameat2(2) says. All is as it was then.
    pub(super) fn hand_over(mut self, name: &OsStr) -> io::Result<Installed> {
        let folder = self.folder.try_clone()?;
        let old = folder.open_file(name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        if lock(&old)? == Lock::Held {
            return Err(Errno::BUSY.into());
        }
        let mut hidden = OsString::from(PREFIX);
        hidden.push(name);
        rename::publish(&folder, &self.name, &hidden, Replace::Refuse)?;
        // From here on it is removed under this name, if it is dropped.
        self.name = hidden.clone();
        if rename::publish(&folder, &hidden, name, Replace::Exchange)? == Published::New {
            // Somebody has removed the old one meanwhile: so there is nothing to take over.
            self.installed = true;
            self.folder()?.make_dir(CHANGES.as_ref(), CHANGES_MODE)?;
            return self.handed_over(None, None);
        }
        self.installed = true;
        let changes = OsStr::new(CHANGES);
        let new = self.folder()?;
        let moved = Dir::from(old.try_clone()?).rename(changes, &new, changes);
        let moved = match moved {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                new.make_dir(changes, CHANGES_MODE)
            }
            other => other,
        };
        if let Err(error) = moved {
            rename::publish(&folder, &hidden, name, Replace::Exchange)?;
            self.installed = false;
            return Err(error);
        }
        self.handed_over(Some(hidden), Some(old))
    }

    fn handed_over(
        mut self,
        replaced: Option<OsString>,
        old: Option<OwnedFd>,
    ) -> io::Result<Installed> {
        self.installed = true;
        Ok(Installed {
            folder: self.folder.try_clone()?,
            entry: self.entry.try_clone()?,
            is_folder: true,
            replaced,
            _old: old,
        })
    }
}

/// Whether a folder has something that would go over.
#[must_use]
pub fn has_changes(folder: &Dir) -> bool {
    folder.exists(OsStr::new(CHANGES))
}

/// Ends what killed processes have begun; says how many hidden folders it removed.
///
/// # Errors
/// When the folder cannot be read. What cannot be ended is left for the next time.
pub(super) fn recover(folder: &Dir) -> io::Result<usize> {
    let mut removed = 0;
    for hidden in folder.entries()? {
        let Some(name) = hidden.as_bytes().strip_prefix(PREFIX.as_bytes()) else {
            continue;
        };
        if end(folder, &hidden, OsStr::from_bytes(name)).is_ok_and(|is_gone| is_gone) {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Ends one; whether its hidden folder is gone.
fn end(folder: &Dir, hidden: &OsStr, name: &OsStr) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let old = folder.open_file(hidden, flags, Mode::empty())?;
    if lock(&old)? != Lock::Taken || !is_entry(folder, hidden, &old)? {
        return Ok(false);
    }
    let changes = OsStr::new(CHANGES);
    let old = Dir::from(old);
    if old.exists(changes) {
        let stat = folder.stat(name)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(false);
        }
        let new = folder.open_dir(name)?;
        if new.exists(changes) {
            return Ok(false);
        }
        old.rename(changes, &new, changes)?;
        new.sync()?;
    }
    tree::remove(folder, hidden)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::{Shape, sweep};
    use std::path::Path;

    fn place() -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let folder = Dir::open(place.path()).unwrap();
        (place, folder)
    }

    fn make(path: &Path) {
        std::fs::create_dir_all(path).unwrap();
    }

    fn staged(folder: &Dir) -> Staging {
        let staging = Staging::create(folder, "x".as_ref(), Shape::Folder).unwrap();
        let inner = staging.folder().unwrap();
        inner.make_dir("new".as_ref(), 0o755).unwrap();
        staging
    }

    #[test]
    fn changes_go_over_and_nothing_else() {
        let (place, folder) = place();
        make(&place.path().join("x/rw/data/mine"));
        make(&place.path().join("x/old"));
        let mut installed = staged(&folder)
            .install("x".as_ref(), Replace::Keep)
            .unwrap();
        installed.remove_replaced().unwrap();
        assert!(place.path().join("x/rw/data/mine").is_dir());
        assert!(place.path().join("x/new").is_dir() && !place.path().join("x/old").exists());
        assert_eq!(folder.entries().unwrap(), ["x"]);
    }

    #[test]
    fn where_nothing_was_changed_or_nothing_is_there_it_is_a_plain_install() {
        let (place, folder) = place();
        let installed = staged(&folder)
            .install("x".as_ref(), Replace::Keep)
            .unwrap();
        drop(installed);
        assert!(place.path().join("x/new").is_dir());
        let mut installed = staged(&folder)
            .install("x".as_ref(), Replace::Keep)
            .unwrap();
        installed.remove_replaced().unwrap();
        assert_eq!(folder.entries().unwrap(), ["x"]);
    }

    #[test]
    fn somebody_who_does_the_same_is_not_disturbed() {
        let (place, folder) = place();
        make(&place.path().join("x/rw/mine"));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let other = folder
            .open_file("x".as_ref(), flags, Mode::empty())
            .unwrap();
        assert_eq!(lock(&other).unwrap(), Lock::Taken);
        let error = staged(&folder)
            .install("x".as_ref(), Replace::Keep)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(place.path().join("x/rw/mine").is_dir());
        assert_eq!(folder.entries().unwrap(), ["x"]);
    }

    #[test]
    fn a_crash_at_any_moment_loses_nothing() {
        for moment in ["first rename", "exchange", "move"] {
            let (place, folder) = place();
            let (visible, hidden) = (place.path().join("x"), place.path().join(".importd-rw.x"));
            let (old, new) = match moment {
                "first rename" => (&visible, &hidden),
                _ => (&hidden, &visible),
            };
            make(&old.join("old"));
            make(&new.join("new"));
            let changed = if moment == "move" { new } else { old };
            make(&changed.join("rw/data/mine"));
            assert_eq!(sweep(&folder, &mut || Ok(())).unwrap(), 1, "{moment}");
            assert!(visible.join("rw/data/mine").is_dir(), "{moment}");
            assert_eq!(folder.entries().unwrap(), ["x"], "{moment}");
        }
    }

    #[test]
    fn changes_that_have_no_place_to_go_stay() {
        let (place, folder) = place();
        make(&place.path().join(".importd-rw.gone/rw/mine"));
        make(&place.path().join(".importd-rw.both/rw/mine"));
        make(&place.path().join("both/rw/theirs"));
        assert_eq!(sweep(&folder, &mut || Ok(())).unwrap(), 0);
        assert!(place.path().join(".importd-rw.gone/rw/mine").is_dir());
        assert!(place.path().join(".importd-rw.both/rw/mine").is_dir());
    }
}
