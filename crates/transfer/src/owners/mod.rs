//! Whose files a worker can make: everybody's, or those that a user namespace has.
//!
//! Somebody without privileges can only give files away within a user namespace. A worker that makes,
//! reads or removes a tree for such a caller enters one first, before it opens anything and before
//! its first thread. Where systemd's services offer it, the tree belongs to foreign ids on the disk;
//! elsewhere the caller's own files are root's of the image, and the others belong to the caller's
//! subordinate ids. docs/user-scope.md tells operators of both.

mod services;

use crate::error::{Doing, Error, Result};
use crate::report::Report;
use importd_api::class::Scope;
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::namespace::{self, Ids, Refused, foreign};
use importd_host::staging::{Shape, Staging};
use rustix::fs::Mode;
use rustix::thread::CapabilitySet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which owners files can be given.
#[derive(Clone, Debug)]
pub enum Owners {
    /// Any: we have the privilege.
    All,
    /// Those of a user namespace, and no devices. The text says which, as part of a sentence.
    Mapped(Arc<str>),
    /// The foreign ones, in a folder that the services make.
    Foreign(Arc<Grounds>),
}

/// Folders that are made or opened before the cage is closed, for trees of foreign ids: the cage must
/// know their inodes, since it does not see above the handles that the services give.
#[derive(Debug, Default)]
pub struct Grounds {
    spare: Mutex<Option<Staging>>,
    known: Mutex<Vec<OwnedFd>>,
}

/// Most folders that the cage is told of: each takes a descriptor until it is closed. What is left over
/// is found by the next run.
const KNOWN_MAX: usize = 256;

/// What a verb does with trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It makes one: without owners there is no image.
    Make,
    /// It makes one of what the caller has: such a tree stays the caller's.
    Copy,
    /// It makes several, of which it does not know how many when the cage is closed: foreign ids need
    /// a folder of the services for each.
    MakeSeveral,
    /// It reads or removes one, which may belong to the caller as it is.
    Visit,
    /// It reads or removes one of foreign ids.
    VisitForeign,
    /// Nothing.
    None,
}

impl Need {
    /// What it takes to remove folders of these names below `root`, seen from outside a namespace.
    #[must_use]
    pub fn to_remove(root: &Path, is_meant: impl Fn(&OsStr) -> bool) -> Self {
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut meant = entries.filter(|entry| is_meant(&entry.file_name()));
        let is_foreign = meant.any(|entry| {
            let meta = entry.metadata();
            meta.is_ok_and(|meta| meta.is_dir() && foreign::is_foreign(meta.uid()))
        });
        match is_foreign {
            true => Self::VisitForeign,
            false => Self::Visit,
        }
    }
}

impl Owners {
    /// Enters a user namespace, if the caller needs one for that.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] if a tree is to be made and the kernel gives us no namespace.
    pub fn enter(scope: Scope, need: Need, report: &Report) -> Result<Self> {
        if scope == Scope::System || need == Need::None || is_privileged() {
            return Ok(Self::All);
        }
        if matches!(need, Need::Make | Need::VisitForeign) {
            match services::enter() {
                Ok(()) => {
                    report.debug("The worker is in a user namespace of foreign ids.");
                    return Ok(Self::Foreign(Arc::default()));
                }
                Err(error) => report.debug(format!("No foreign ids: {error}.")),
            }
        }
        match namespace::enter_own() {
            Ok(Ids::Range { users, groups }) => {
                report.debug(format!(
                    "The worker is in a user namespace of {users} users and {groups} groups."
                ));
                Ok(Self::Mapped(
                    format!(
                        "/etc/subuid gives users up to {users} and /etc/subgid groups up to {groups}"
                    )
                    .into(),
                ))
            }
            Ok(Ids::Own(lack)) => {
                report.debug(format!("Only user and group 0 are mapped: {lack}."));
                Ok(Self::Mapped(
                    format!("only user and group 0 are mapped here: {lack}").into(),
                ))
            }
            Err(error) if matches!(need, Need::Visit | Need::VisitForeign) => {
                let cause = crate::error::chain(&error);
                report.debug(format!("The tree is taken as it is: {cause}."));
                Ok(Self::All)
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether they are those of a namespace.
    #[must_use]
    pub const fn are_mapped(&self) -> bool {
        matches!(self, Self::Mapped(_) | Self::Foreign(_))
    }

    /// Whether trees have foreign ids.
    #[must_use]
    pub const fn are_foreign(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }

    /// User and group that a new file has by itself.
    #[must_use]
    pub fn own(&self) -> (u32, u32) {
        match self {
            Self::Foreign(_) => (0, 0),
            Self::All | Self::Mapped(_) => (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
        }
    }

    /// What is dangerous about an image root: root's programs with the set-user-ID bit are the caller's
    /// on the disk, and so would let those who get at them act as the caller.
    #[must_use]
    pub fn warn_of(&self, root: &Dir) -> Option<String> {
        let others = Mode::XGRP.union(Mode::XOTH).as_raw_mode();
        let is_open = root
            .stat_self()
            .is_ok_and(|stat| stat.st_mode & others != 0);
        (matches!(self, Self::Mapped(_)) && is_open).then(|| {
            "Other users may enter the image directory: set-user-ID programs in images would give them \
             your rights; chmod 700 keeps them out."
                .to_owned()
        })
    }

    /// Before the cage is closed: makes the folder of the tree that is to grow below `root`, and opens
    /// the image called `name`, which may be replaced. Nothing where owners are not foreign.
    ///
    /// # Errors
    /// What the services say.
    pub fn prepare(&self, root: &Dir, name: &OsStr) -> Result<()> {
        let Self::Foreign(grounds) = self else {
            return Ok(());
        };
        let failed = || "Failed to create a hidden image folder of foreign ids".into();
        let spare = Staging::foreign(root, name).doing(failed)?;
        let own = spare.fd().try_clone_to_owned().doing(failed)?;
        grounds.known().push(own);
        *grounds.spare() = Some(spare);
        self.know(root, |old| old == name).doing(failed)
    }

    /// Before the cage is closed: opens folders below `root` that may have to be removed. Nothing where
    /// owners are not foreign.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn know(&self, root: &Dir, is_meant: impl Fn(&OsStr) -> bool) -> io::Result<()> {
        let Self::Foreign(grounds) = self else {
            return Ok(());
        };
        let names = root.entries()?;
        let meant = names.iter().filter(|name| is_meant(name)).take(KNOWN_MAX);
        for name in meant {
            // What cannot be opened is no folder of foreign ids, or none that we may remove.
            let opened = root.open_dir(name).and_then(|old| foreign::open(&old));
            if let Ok(opened) = opened {
                foreign::remember(&opened)?;
                grounds.known().push(opened.into());
            }
        }
        Ok(())
    }

    /// A new, hidden folder below `root`: the one that was prepared, where owners are foreign.
    ///
    /// # Errors
    /// What mkdirat(2) says.
    pub fn folder(&self, root: &Dir, name: &OsStr, shape: Shape) -> io::Result<Staging> {
        match self {
            Self::Foreign(grounds) => match grounds.spare().take() {
                Some(spare) => Ok(spare),
                None => Staging::foreign(root, name),
            },
            Self::All | Self::Mapped(_) => Staging::create(root, name, shape),
        }
    }

    /// What the cage must let us do anything to, beside the image root.
    #[must_use]
    pub fn known(&self) -> Vec<OwnedFd> {
        match self {
            Self::Foreign(grounds) => std::mem::take(&mut *grounds.known()),
            Self::All | Self::Mapped(_) => Vec::new(),
        }
    }

    /// Reaches the files of a tree as whoever they belong to.
    ///
    /// # Errors
    /// As the work; when no thread can be started for it.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match self {
            Self::Foreign(_) => {
                foreign::as_root(work).doing(|| "Failed to become the root of the tree".into())?
            }
            Self::All | Self::Mapped(_) => work(),
        }
    }

    /// What to add to a sentence about an owner that could not be given; nothing if the error has
    /// another cause.
    #[must_use]
    pub fn explain(&self, error: &io::Error) -> String {
        match self {
            Self::Mapped(which) if error.kind() == io::ErrorKind::InvalidInput => {
                format!(", an owner beyond those of this user: {which}")
            }
            Self::Foreign(_) if error.kind() == io::ErrorKind::InvalidInput => {
                let count = foreign::COUNT;
                format!(", an owner beyond the {count} that containers of users have")
            }
            Self::All | Self::Mapped(_) | Self::Foreign(_) => String::new(),
        }
    }
}

impl Grounds {
    fn spare(&self) -> MutexGuard<'_, Option<Staging>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Root, in a container too, and who was given the right to give files away.
fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
        || rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::CHOWN))
}

fn refused(error: Refused) -> Error {
    let text = "A tree has owners, which somebody without privileges can only give in a user namespace; \
                see the settings user.max_user_namespaces and kernel.unprivileged_userns_clone, and \
                the security modules of this system";
    Error::caused(Kind::Unsupported, text, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_owner_that_is_not_mapped_is_explained() {
        let mapped = Owners::Mapped("only 0".into());
        let invalid = io::Error::from_raw_os_error(22);
        assert!(mapped.explain(&invalid).ends_with(": only 0"));
        assert_eq!(mapped.explain(&io::Error::from_raw_os_error(1)), "");
        assert_eq!(Owners::All.explain(&invalid), "");
    }

    #[test]
    fn only_a_folder_of_foreign_ids_needs_the_services_to_be_removed() {
        let place = tempfile::tempdir().unwrap();
        for name in ["own", "foreign"] {
            Dir::create_all(&place.path().join(name), 0o700).unwrap();
        }
        let need = |name: &str| Need::to_remove(place.path(), |other| other == name);
        assert_eq!(need("own"), Need::Visit);
        assert_eq!(need("absent"), Need::Visit);
        let first = Some(foreign::FIRST);
        if std::os::unix::fs::chown(place.path().join("foreign"), first, first).is_ok() {
            assert_eq!(need("foreign"), Need::VisitForeign);
        }
    }

    #[test]
    fn without_foreign_ids_nothing_is_prepared_and_work_is_done_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let root = Dir::open(place.path()).unwrap();
        let owners = Owners::Mapped("some".into());
        owners.prepare(&root, "x".as_ref()).unwrap();
        owners.know(&root, |_| true).unwrap();
        assert!(root.entries().unwrap().is_empty() && owners.known().is_empty());
        let here = std::thread::current().id();
        let there = owners.within(|| Ok(std::thread::current().id())).unwrap();
        assert_eq!(here, there);
    }
}
