//! One inode that is no folder.

use super::content;
use super::dress::{self, Naked};
use super::folder::{Folder, inode, open_quietly};
use super::names::{Claim, First};
use super::pool::Shared;
use crate::attributes;
use crate::dir::Dir;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

impl Shared<'_> {
    /// Copies what has this name. What is gone by now was none.
    pub(super) fn inode(
        &self,
        folder: &Folder,
        (name, kind): (&OsStr, FileType),
        buffer: &mut [u8],
    ) -> io::Result<()> {
        self.tell(&folder.place, name, 0)?;
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if kind == FileType::RegularFile {
            let from = match open_quietly(&folder.source, name, OFlags::empty()) {
                Err(error) if is_gone(&error) => return Ok(()),
                other => other?,
            };
            let stat = rustix::fs::fstat(&from)?;
            // It may have become something else since it was listed.
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                return self.first_or_link(folder, name, &stat, || {
                    self.regular(folder, name, (&from, &stat), buffer)
                });
            }
        }
        let stat = match folder.source.stat(name) {
            Err(error) if is_gone(&error) => return Ok(()),
            other => other?,
        };
        self.first_or_link(folder, name, &stat, || self.special(folder, name, &stat))
    }

    /// Makes the inode, or links the name to where it has been made.
    fn first_or_link(
        &self,
        folder: &Folder,
        name: &OsStr,
        stat: &Stat,
        make: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.count_entry();
        if stat.st_nlink < 2 {
            return make();
        }
        match self.names.claim(inode(stat)) {
            Claim::Link(first) => self.link(&first, folder, name),
            Claim::Failed => Err(Errno::CANCELED.into()),
            Claim::Make => {
                let result = make();
                if result.is_err() {
                    self.names.made(inode(stat), None);
                }
                result
            }
        }
    }

    /// Says that an inode exists, so that others may link to it.
    fn made(&self, folder: &Folder, name: &OsStr, stat: &Stat) {
        if stat.st_nlink > 1 {
            self.names.made(inode(stat), Some((&folder.place, name)));
        }
    }

    fn link(&self, first: &First, folder: &Folder, name: &OsStr) -> io::Result<()> {
        if Arc::ptr_eq(&first.place, &folder.place) {
            return folder.target.link(&first.name, &folder.target, name);
        }
        let mut parent: Option<Dir> = None;
        for component in first.place.names() {
            parent = Some(parent.as_ref().unwrap_or(self.top).open_dir(component)?);
        }
        let parent = parent.as_ref().unwrap_or(self.top);
        parent.link(&first.name, &folder.target, name)
    }

    fn regular(
        &self,
        folder: &Folder,
        name: &OsStr,
        (from, stat): (&OwnedFd, &Stat),
        buffer: &mut [u8],
    ) -> io::Result<()> {
        // Whoever is not root needs the right to write to set attributes.
        let mode = stat.st_mode & 0o777 | 0o200;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let to = folder
            .target
            .open_file(name, flags, Mode::from_raw_mode(mode))?;
        self.made(folder, name, stat);
        let (from, to) = (from.as_fd(), to.as_fd());
        if self.facts.is_from_btrfs {
            match_copy_on_write(from, to);
        }
        let mut told = 0;
        let written = content::copy((from, to), stat, &self.facts, buffer, &mut |position| {
            self.count_work(position.saturating_sub(told));
            told = told.max(position);
            self.tell(&folder.place, name, position)
        })?;
        self.wrote(written);
        self.count_work(content::allocated(stat).saturating_sub(told));
        self.count_bytes(content::size(stat));
        let naked = Naked {
            fd: to,
            mode: self.facts.new.map(|_as_asked| mode),
        };
        dress::open(from, naked, stat, &self.facts, &mut |what| {
            self.lose(&folder.place, name, what);
        })
    }

    fn special(&self, folder: &Folder, name: &OsStr, stat: &Stat) -> io::Result<()> {
        let (source, target) = (&folder.source, &folder.target);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                let text = rustix::fs::readlinkat(source, name, Vec::new())?;
                rustix::fs::symlinkat(&text, target, name)?;
            }
            kind @ (FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Fifo
            | FileType::Socket) => {
                target.make_node(name, kind, stat.st_mode & 0o777, stat.st_rdev)?;
            }
            // A folder has taken the place of what was listed.
            FileType::Directory => return Err(Errno::STALE.into()),
            FileType::RegularFile | FileType::Unknown => return Err(Errno::AGAIN.into()),
        }
        self.made(folder, name, stat);
        dress::named((source, target), name, stat, &mut |what| {
            self.lose(&folder.place, name, what);
        })
    }
}

/// Marks an empty file to be overwritten in place if its source is: only an empty one takes the
/// mark, and contents are only shared between equals.
fn match_copy_on_write(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    let flags = attributes::flags(from).unwrap_or(0);
    if flags & attributes::NO_COPY_ON_WRITE != 0 {
        attributes::set_no_copy_on_write(to).unwrap_or(());
    }
}
