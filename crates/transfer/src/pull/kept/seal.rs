//! Whether a kept download is still what was kept.
//!
//! The seal holds what only this very inode has: its number and the time of its birth, so that
//! neither a copy of it nor an imported image can pass for it; and what any change would move: size and time of
//! a file, number of entries and latest change of state of a tree, or that a subvolume is read-only.

use crate::error::{Doing, Result};
use importd_host::attributes;
use importd_host::cancel::Cancel;
use importd_host::dir::Dir;
use importd_host::subvolume;
use importd_host::tree::{nanoseconds, outlast, survey};
use rustix::fs::{FileType, Stat};
use serde_json::{Value, json};
use std::os::fd::BorrowedFd;
use std::time::SystemTime;

/// What tells whether an object was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    inode: u64,
    /// Birth in nanoseconds since 1970; 0 where the file system does not know.
    born: u64,
    /// Time of change of the file or of the tree's top, in nanoseconds since 1970.
    modified: u64,
    /// Contents in bytes, holes included.
    pub(super) bytes: u64,
    /// Entries of a tree.
    pub(super) entries: u64,
    /// What guards the contents of a tree.
    guard: Guard,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Guard {
    /// It is a file: time and size do.
    File,
    /// Nothing in it was changed after this time, in nanoseconds since 1970.
    Unchanged(u64),
    /// It is a subvolume of this number that cannot be written to.
    Subvolume(String),
}

impl Seal {
    /// Seals an object that is complete. Whatever is changed once this returns gets a later time than
    /// is sealed. A subvolume must be marked read-only soon after.
    ///
    /// # Errors
    /// What looking at it says; a tree that is too deep to survey.
    pub(super) fn of(fd: BorrowedFd<'_>, cancel: &Cancel) -> Result<Self> {
        let seal = Self::look(fd, cancel)?;
        match seal.guard {
            Guard::File => outlast(seal.modified),
            Guard::Unchanged(changed) => outlast(changed.max(seal.modified)),
            Guard::Subvolume(_) => {}
        }
        Ok(seal)
    }

    fn look(fd: BorrowedFd<'_>, cancel: &Cancel) -> Result<Self> {
        let failed = || "Failed to look through the kept download".to_owned();
        let stat = rustix::fs::fstat(fd).doing(failed)?;
        let mut seal = Self {
            inode: stat.st_ino,
            born: born(fd),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            bytes: size(&stat),
            entries: 0,
            guard: Guard::File,
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let folder = fd.try_clone_to_owned().map(Dir::from).doing(failed)?;
            let found = survey(&folder, &|| cancel.check()).doing(failed)?;
            seal.bytes = found.apparent_bytes;
            seal.entries = found.entries;
            seal.guard = match subvolume::is_subvolume(fd).unwrap_or(false) {
                true => Guard::Subvolume(number(fd).doing(failed)?),
                false => Guard::Unchanged(found.changed),
            };
        }
        Ok(seal)
    }

    /// Whether the object is still the one that was sealed, unchanged. What cannot be looked at is not.
    pub(super) fn holds(&self, fd: BorrowedFd<'_>, cancel: &Cancel) -> bool {
        let Ok(stat) = rustix::fs::fstat(fd) else {
            return false;
        };
        let modified = nanoseconds(stat.st_mtime, stat.st_mtime_nsec);
        if (stat.st_ino, born(fd), modified) != (self.inode, self.born, self.modified) {
            return false;
        }
        match (&self.guard, FileType::from_raw_mode(stat.st_mode)) {
            (Guard::File, FileType::RegularFile) => size(&stat) == self.bytes,
            (Guard::Subvolume(uuid), FileType::Directory) => {
                // Nothing in it can have changed: it need not be walked.
                subvolume::is_subvolume(fd).unwrap_or(false)
                    && subvolume::is_read_only(fd).unwrap_or(false)
                    && number(fd).is_ok_and(|number| number == *uuid)
            }
            (Guard::Unchanged(_), FileType::Directory) => {
                Self::look(fd, cancel).is_ok_and(|now| now == *self)
            }
            _ => false,
        }
    }

    /// As a part of the record.
    pub(super) fn to_json(&self) -> Value {
        let (guard, value) = match &self.guard {
            Guard::File => ("file", Value::Null),
            Guard::Unchanged(changed) => ("unchanged", json!(changed)),
            Guard::Subvolume(uuid) => ("subvolume", json!(uuid)),
        };
        json!({
            "inode": self.inode,
            "born": self.born,
            "modified": self.modified,
            "bytes": self.bytes,
            "entries": self.entries,
            guard: value,
        })
    }

    /// Reads it back; `None` for what is none.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name)?.as_u64();
        let guard = if let Some(changed) = number("unchanged") {
            Guard::Unchanged(changed)
        } else if let Some(uuid) = value.get("subvolume") {
            Guard::Subvolume(uuid.as_str()?.to_owned())
        } else {
            value.get("file").map(|_nothing| Guard::File)?
        };
        Some(Self {
            inode: number("inode")?,
            born: number("born")?,
            modified: number("modified")?,
            bytes: number("bytes")?,
            entries: number("entries")?,
            guard,
        })
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn born(fd: BorrowedFd<'_>) -> u64 {
    let time = attributes::birth_time(fd).ok().flatten();
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

fn number(fd: BorrowedFd<'_>) -> std::io::Result<String> {
    let uuid = subvolume::identity(fd)?.uuid();
    Ok(uuid.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    fn put(path: &std::path::Path, contents: &str) {
        let mut file = std::fs::File::create(path).unwrap();
        file.write_all(contents.as_bytes()).unwrap();
    }

    fn cancel() -> Cancel {
        Cancel::new().unwrap()
    }

    #[test]
    fn a_file_is_held_to_its_inode_size_and_time() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = place.path().join("f");
        put(&path, "contents");
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        let seal = Seal::of(file.as_fd(), &cancel()).unwrap();
        assert!(seal.holds(file.as_fd(), &cancel()));
        assert_eq!(Seal::from_json(&seal.to_json()), Some(seal.clone()));

        let copy = place.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        let copy = std::fs::File::options().write(true).open(copy).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        copy.set_modified(time).unwrap();
        assert!(!seal.holds(copy.as_fd(), &cancel()), "another inode");
        file.write_all(b"more").unwrap();
        file.set_modified(time).unwrap();
        assert!(!seal.holds(file.as_fd(), &cancel()), "another size");
    }

    #[test]
    fn a_tree_is_held_to_everything_in_it() {
        type Change = fn(&std::path::Path);
        let changes: [(&str, Change); 5] = [
            ("contents, with the time set back", |top| {
                let mut file = std::fs::File::options().write(true).open(top.join("d/f"));
                let file = file.as_mut().unwrap();
                let time = file.metadata().unwrap().modified().unwrap();
                file.write_all(b"CONTENTS").unwrap();
                file.set_modified(time).unwrap();
            }),
            ("a new file", |top| {
                put(&top.join("d/new"), "");
            }),
            ("a file less", |top| {
                std::fs::remove_file(top.join("d/f")).unwrap();
            }),
            ("a mode", |top| {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::Permissions::from_mode(0o4755);
                std::fs::set_permissions(top.join("d/f"), mode).unwrap();
            }),
            ("nothing", |_| {}),
        ];
        for (what, change) in changes {
            let place = tempfile::tempdir_in("/var/tmp").unwrap();
            std::fs::create_dir_all(place.path().join("d")).unwrap();
            put(&place.path().join("d/f"), "contents");
            let top = std::fs::File::open(place.path()).unwrap();
            let seal = Seal::of(top.as_fd(), &cancel()).unwrap();
            assert_eq!((seal.bytes, seal.entries), (8, 2));
            assert_eq!(Seal::from_json(&seal.to_json()), Some(seal.clone()));
            change(place.path());
            let holds = seal.holds(top.as_fd(), &cancel());
            assert_eq!(holds, what == "nothing", "{what}");
        }
    }
}
