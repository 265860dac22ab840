//! Copies a tree with everything that is in it.
//!
//! Contents (shared where the file system can, holes kept), hard links of every kind of inode,
//! owners, modes, all extended attributes that may be read and set (access lists and capabilities
//! are such), restorable flags, times to the nanosecond; the top folder's own included. The copy
//! stays on one mount: a mount point becomes an empty folder, a nested subvolume a folder.

use crate::attributes;
use crate::copy::{clone_file, copy_sparse};
use crate::dir::Dir;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Deepest folder copied: each level holds two descriptors.
const DEPTH_MAX: usize = 400;

/// Where a copy is.
#[derive(Clone, Debug)]
pub struct CopyProgress {
    /// The entry it is at, below the top.
    pub path: PathBuf,
    /// Bytes of contents so far.
    pub bytes: u64,
    /// Entries so far.
    pub entries: u64,
}

/// What a copy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Entries copied, the top not counted.
    pub entries: u64,
    /// Bytes of contents, holes counted.
    pub bytes: u64,
    /// Attributes that the target's file system cannot hold.
    pub attributes_lost: u64,
}

/// A copy that failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("'{}'", path.display())]
pub struct CopyError {
    /// The entry, below the top.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub source: io::Error,
}

/// Told before each entry and within large files; its error ends the copy.
pub type Tell<'a> = &'a mut dyn FnMut(&CopyProgress) -> io::Result<()>;

/// Copies what is in `source`, and what is known of it, into the existing empty folder `target`.
///
/// # Errors
/// [`CopyError`] at the first entry that fails; the target is then half made.
pub fn copy(source: &Dir, target: &Dir, tell: Tell<'_>) -> Result<CopyReport, CopyError> {
    let at_top = |source| CopyError {
        path: PathBuf::from("."),
        source,
    };
    let stat = source.stat_self().map_err(at_top)?;
    let mut copying = Copying {
        mount: source.mount_id().map_err(at_top)?,
        top: target.try_clone().map_err(at_top)?,
        tell,
        first_names: HashMap::new(),
        stack: Vec::new(),
        report: CopyReport::default(),
    };
    let level = Level::new(source, target, PathBuf::new(), stat).map_err(at_top)?;
    copying.stack.push(level);
    while let Some(level) = copying.stack.last_mut() {
        let path = level.path.clone();
        let step = match level.entries.next() {
            Some(name) => copying.entry(&name),
            None => copying.leave(),
        };
        step.map_err(|(name, source)| CopyError {
            path: path.join(name),
            source,
        })?;
    }
    Ok(copying.report)
}

struct Level {
    source: Dir,
    target: Dir,
    path: PathBuf,
    stat: Stat,
    entries: std::vec::IntoIter<OsString>,
}

impl Level {
    fn new(source: &Dir, target: &Dir, path: PathBuf, stat: Stat) -> io::Result<Self> {
        Ok(Self {
            entries: source.entries()?.into_iter(),
            source: source.try_clone()?,
            target: target.try_clone()?,
            path,
            stat,
        })
    }
}

struct Copying<'a> {
    mount: u64,
    top: Dir,
    tell: Tell<'a>,
    /// First path in the target of each inode with several names.
    first_names: HashMap<(u64, u64), PathBuf>,
    stack: Vec<Level>,
    report: CopyReport,
}

type Step = Result<(), (OsString, io::Error)>;

impl Copying<'_> {
    fn entry(&mut self, name: &OsStr) -> Step {
        let Some(level) = self.stack.last() else {
            return Ok(());
        };
        let here = |error: io::Error| (name.to_owned(), error);
        let source = level.source.try_clone().map_err(here)?;
        let target = level.target.try_clone().map_err(here)?;
        let path = level.path.join(name);
        self.report.entries += 1;
        self.tell(&path, self.report.bytes).map_err(here)?;
        self.inode((&source, &target), name, &path).map_err(here)
    }

    fn inode(
        &mut self,
        (source, target): (&Dir, &Dir),
        name: &OsStr,
        path: &Path,
    ) -> io::Result<()> {
        let stat = source.stat(name)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if stat.st_nlink > 1 && kind != FileType::Directory {
            if let Some(first) = self.first_names.get(&(stat.st_dev, stat.st_ino)) {
                return self.link(first, target, name);
            }
            let inode = (stat.st_dev, stat.st_ino);
            self.first_names.insert(inode, path.to_owned());
        }
        match kind {
            FileType::Directory => self.enter((source, target), name, path),
            FileType::RegularFile => self.file((source, target), name, path),
            FileType::Symlink => {
                let text = rustix::fs::readlinkat(source, name, Vec::new())?;
                rustix::fs::symlinkat(&text, target, name)?;
                self.dress_named((source, target), name, &stat)
            }
            FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Fifo
            | FileType::Socket => {
                target.make_node(name, kind, stat.st_mode & 0o777, stat.st_rdev)?;
                self.dress_named((source, target), name, &stat)
            }
            FileType::Unknown => Err(Errno::INVAL.into()),
        }
    }

    fn link(&self, first: &Path, target: &Dir, name: &OsStr) -> io::Result<()> {
        let mut folder = self.top.try_clone()?;
        for component in first.parent().into_iter().flat_map(Path::iter) {
            folder = folder.open_dir(component)?;
        }
        folder.link(first.file_name().unwrap_or_default(), target, name)
    }

    fn enter(
        &mut self,
        (source, target): (&Dir, &Dir),
        name: &OsStr,
        path: &Path,
    ) -> io::Result<()> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let from = source.open_dir(name)?;
        let stat = from.stat_self()?;
        target.make_dir(name, 0o700)?;
        let to = target.open_dir(name)?;
        let mut level = Level::new(&from, &to, path.to_owned(), stat)?;
        if from.mount_id()? != self.mount {
            level.entries = Vec::new().into_iter();
        }
        self.stack.push(level);
        Ok(())
    }

    /// Dresses the folder that is finished: nothing is put into it any more.
    fn leave(&mut self) -> Step {
        let Some(level) = self.stack.pop() else {
            return Ok(());
        };
        let (from, to) = (level.source.as_fd(), level.target.as_fd());
        self.dress_open(from, to, &level.stat)
            .map_err(|error| (OsString::from("."), error))
    }

    fn file(
        &mut self,
        (source, target): (&Dir, &Dir),
        name: &OsStr,
        path: &Path,
    ) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let from = source.open_file(name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&from)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o777 | 0o200);
        let to = target.open_file(name, flags, mode)?;
        if attributes::flags(from.as_fd()).unwrap_or(0) & attributes::NO_COPY_ON_WRITE != 0 {
            // Only an empty file takes it, and contents are only shared between equals.
            attributes::set_no_copy_on_write(to.as_fd()).unwrap_or(());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size > 0 && !clone_file(from.as_fd(), to.as_fd())? {
            let before = self.report.bytes;
            copy_sparse(from.as_fd(), to.as_fd(), size, &mut |position| {
                self.tell(path, before + position)
            })?;
        }
        self.report.bytes += size;
        self.dress_open(from.as_fd(), to.as_fd(), &stat)
    }

    fn tell(&mut self, path: &Path, bytes: u64) -> io::Result<()> {
        (self.tell)(&CopyProgress {
            path: path.to_owned(),
            bytes,
            entries: self.report.entries,
        })
    }

    /// Owner, attributes, mode, flags, times, in this order: changing the owner clears special bits
    /// and capabilities, setting an access list rewrites the mode.
    fn dress_open(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        stat: &Stat,
    ) -> io::Result<()> {
        rustix::fs::fchown(to, Some(uid(stat)), Some(gid(stat)))?;
        for name in readable(attributes::list(from))? {
            let value = match attributes::get(from, &name) {
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            self.tolerate(attributes::set(to, &name, &value))?;
        }
        rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        let flags = attributes::flags(from).unwrap_or(0);
        // Some flags only take on empty files or some file systems: best effort, as cp(1) does none.
        attributes::set_flags(to, flags).unwrap_or(());
        Ok(rustix::fs::futimens(to, &times(stat))?)
    }

    fn dress_named(
        &mut self,
        (source, target): (&Dir, &Dir),
        name: &OsStr,
        stat: &Stat,
    ) -> io::Result<()> {
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(target, name, Some(uid(stat)), Some(gid(stat)), nofollow)?;
        for attribute in readable(attributes::list_at(source, name))? {
            let value = match attributes::get_at(source, name, &attribute) {
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            self.tolerate(attributes::set_at(target, name, &attribute, &value))?;
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
            rustix::fs::chmodat(target, name, mode, AtFlags::empty())?;
        }
        Ok(rustix::fs::utimensat(target, name, &times(stat), nofollow)?)
    }

    fn tolerate(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => {
                self.report.attributes_lost += 1;
                Ok(())
            }
            other => other,
        }
    }
}

/// No attributes where the file system has none.
fn readable(names: io::Result<Vec<OsString>>) -> io::Result<Vec<OsString>> {
    match names {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Vec::new()),
        other => other,
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NODATA | Errno::OPNOTSUPP)
    )
}

fn uid(stat: &Stat) -> Uid {
    Uid::from_raw(stat.st_uid)
}

fn gid(stat: &Stat) -> Gid {
    Gid::from_raw(stat.st_gid)
}

fn times(stat: &Stat) -> Timestamps {
    let time = |tv_sec, nanoseconds| Timespec {
        tv_sec,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}
