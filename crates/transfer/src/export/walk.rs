//! Walks a tree in a fixed order and writes its entries.
//!
//! A folder before its contents, entries of a folder by the bytes of their names: two exports of
//! equal trees are equal. The walk stays on one mount; a mount point is an empty folder.

use super::entry::{Inode, bare, describe};
use super::levels::Levels;
use super::total::Total;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::tar::{self, Entry, Extent, Writer};
use importd_host::copy;
use importd_host::dir::Dir;
use rustix::fs::{FileType, Mode, OFlags, SeekFrom, Stat};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

/// Size of the buffer for contents, in bytes.
const CONTENT_BYTES: usize = 256 << 10;
/// Only files of more than this many bytes, or without any block, can have holes: the block size of
/// common file systems.
const BLOCK_BYTES: u64 = 4096;

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// A walk in progress.
pub(super) struct Walk<'a, W: Write> {
    writer: Writer<W>,
    context: &'a Context,
    levels: Levels,
    mount: u64,
    /// Inodes of which more names are to come.
    first_names: HashMap<(u64, u64), FirstName>,
    total: Total,
    buffer: Vec<u8>,
    written: Written,
}

struct FirstName {
    path: Vec<u8>,
    /// How many more names the inode has; they may lie outside the tree.
    left: u64,
}

impl<'a, W: Write> Walk<'a, W> {
    pub(super) fn new(tree: Dir, writer: Writer<W>, context: &'a Context) -> Result<Self> {
        let stat = tree
            .stat_self()
            .doing(|| "Failed to look at the tree".into())?;
        let mount = tree
            .mount_id()
            .doing(|| "Failed to look at the tree".into())?;
        let total = Total::start(&tree).doing(|| "Failed to start a counting thread".into())?;
        let mut walk = Self {
            writer,
            context,
            levels: Levels::default(),
            mount,
            first_names: HashMap::new(),
            total,
            buffer: vec![0; CONTENT_BYTES],
            written: Written::default(),
        };
        walk.folder(tree, b"./", &stat)?;
        Ok(walk)
    }

    pub(super) fn run(&mut self) -> Result<()> {
        while let Some((folder, name)) = self.levels.next()? {
            self.context
                .cancel
                .check()
                .map_err(|error| Error::io("Cancelled", error))?;
            self.entry(&folder, &name)?;
            self.tell();
        }
        Ok(())
    }

    pub(super) fn finish(self) -> (Writer<W>, Written) {
        (self.writer, self.written)
    }

    fn tell(&self) {
        let (done, whole) = self.total.figures();
        let Some(now) = self.total.percent() else {
            return self.context.report.moved_of_unknown(done);
        };
        self.context.report.moved(done, whole);
        if self.context.report.progress(now) {
            self.context.report.info(format!("Exported {now}%."));
        }
    }

    fn entry(&mut self, folder: &Dir, name: &OsStr) -> Result<()> {
        let path = self.levels.path_of(name)?;
        let failed = || format!("Failed to open '{}'", String::from_utf8_lossy(&path));
        let stat = folder.stat(name).doing(failed)?;
        if self.second_name(&path, &stat)? {
            return Ok(());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let child = folder.open_dir(name).doing(failed)?;
                let stat = child.stat_self().doing(failed)?;
                self.folder(child, &[&path[..], b"/"].concat(), &stat)
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                let file = folder.open_file(name, flags, Mode::empty()).doing(failed)?;
                let stat = rustix::fs::fstat(&file).doing(failed)?;
                self.file(file.as_fd(), &path, &stat)
            }
            kind => {
                let Some(mut entry) = describe(Inode::Named(folder, name), &path, &stat)? else {
                    self.context.report.notice(format!(
                        "'{}' is a socket, which archives cannot hold; left out.",
                        String::from_utf8_lossy(&path)
                    ));
                    return Ok(());
                };
                if kind == FileType::Symlink {
                    entry.link = rustix::fs::readlinkat(folder, name, Vec::new())
                        .doing(failed)?
                        .into_bytes();
                }
                self.begin(&entry, None)?;
                self.end()
            }
        }
    }

    /// Writes a link to the first name of an inode that has one already.
    fn second_name(&mut self, path: &[u8], stat: &Stat) -> Result<bool> {
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        if stat.st_nlink < 2 || is_folder || is_socket {
            return Ok(false);
        }
        let inode = (stat.st_dev, stat.st_ino);
        let Some(first) = self.first_names.get_mut(&inode) else {
            let first = FirstName {
                path: path.to_vec(),
                left: stat.st_nlink - 1,
            };
            self.first_names.insert(inode, first);
            return Ok(false);
        };
        first.left = first.left.saturating_sub(1);
        let link = first.path.clone();
        if first.left == 0 {
            self.first_names.remove(&inode);
        }
        // The attributes stand with the first name.
        let mut entry = bare(path, tar::Kind::HardLink, stat);
        entry.link = link;
        self.begin(&entry, None)?;
        self.end()?;
        Ok(true)
    }

    fn folder(&mut self, folder: Dir, path: &[u8], stat: &Stat) -> Result<()> {
        let failed = || format!("Failed to read '{}'", String::from_utf8_lossy(path));
        if let Some(entry) = describe(Inode::Open(folder.as_fd()), path, stat)? {
            self.begin(&entry, None)?;
            self.end()?;
        }
        if folder.mount_id().doing(failed)? != self.mount {
            return Ok(());
        }
        self.levels.enter(folder, path, stat)
    }

    fn file(&mut self, file: BorrowedFd<'_>, path: &[u8], stat: &Stat) -> Result<()> {
        let shown = String::from_utf8_lossy(path).into_owned();
        let Some(mut entry) = describe(Inode::Open(file), path, stat)? else {
            return Ok(());
        };
        let whole = [(0, entry.size)];
        let mut extents = Vec::new();
        let may_have_holes = entry.size > BLOCK_BYTES || (entry.size > 0 && stat.st_blocks == 0);
        if may_have_holes && !is_whole(file, entry.size) {
            let found = copy::data_extents(file, entry.size)
                .doing(|| format!("Failed to look for holes in '{shown}'"))?;
            extents = in_whole_blocks(&found, entry.size);
            entry.sparse = extents != whole;
        }
        if entry.sparse {
            let map: Vec<Extent> = extents
                .iter()
                .map(|(offset, length)| Extent {
                    offset: *offset,
                    length: *length,
                })
                .collect();
            self.begin(&entry, Some(&map))?;
        } else {
            extents = whole.to_vec();
            self.begin(&entry, None)?;
        }
        for (offset, length) in extents {
            self.content(file, offset, length, &shown)?;
        }
        self.end()
    }

    /// Writes a stretch of a file. If the file has shrunk meanwhile the rest is zeros, as in the
    /// reference: the header has been written.
    fn content(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
        shown: &str,
    ) -> Result<()> {
        let end = offset + length;
        let mut position = offset;
        while position < end {
            self.context
                .cancel
                .check()
                .map_err(|error| Error::io("Cancelled", error))?;
            let most = usize::try_from(end - position)
                .map_or(CONTENT_BYTES, |left| left.min(CONTENT_BYTES));
            let mut got = rustix::io::pread(file, &mut self.buffer[..most], position)
                .doing(|| format!("Failed to read '{shown}'"))?;
            if got == 0 {
                self.context.report.warning(format!(
                    "'{shown}' shrank while it was read; filled up with zeros."
                ));
                self.buffer[..most].fill(0);
                got = most;
            }
            self.writer
                .write_data(&self.buffer[..got])
                .map_err(write_error)?;
            position += got as u64;
            self.written.bytes += got as u64;
            self.total.add_bytes(got as u64);
            self.tell();
        }
        Ok(())
    }

    fn begin(&mut self, entry: &Entry, extents: Option<&[Extent]>) -> Result<()> {
        self.written.entries += 1;
        self.total.add_entry();
        self.writer.begin(entry, extents).map_err(write_error)
    }

    fn end(&mut self) -> Result<()> {
        self.writer.end_entry().map_err(write_error)
    }
}

/// Whether a file certainly has no hole. The number of its blocks does not tell: attributes and maps
/// take some, too.
fn is_whole(file: BorrowedFd<'_>, size: u64) -> bool {
    rustix::fs::seek(file, SeekFrom::Hole(0)) == Ok(size)
}

/// Extents grown to whole blocks of the file, those that touch joined: readers want that, and not
/// every file system tells of holes in blocks.
fn in_whole_blocks(extents: &[(u64, u64)], size: u64) -> Vec<(u64, u64)> {
    let mut grown: Vec<(u64, u64)> = Vec::new();
    for (offset, length) in extents {
        let start = offset / BLOCK_BYTES * BLOCK_BYTES;
        let end = (offset + length).next_multiple_of(BLOCK_BYTES).min(size);
        match grown.last_mut() {
            Some((before, length)) if *before + *length >= start => *length = end - *before,
            _ => grown.push((start, end - start)),
        }
    }
    grown
}

fn write_error(error: tar::Error) -> Error {
    match error {
        tar::Error::Io(error) => Error::io("Failed to write the archive", error),
        error => Error::caused(Kind::Archive, "Failed to write the archive", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_grow_to_blocks_and_join() {
        for (extents, size, grown) in [
            (&[][..], 100, &[][..]),
            (&[(0, 4096)], 9000, &[(0, 4096)]),
            (&[(5000, 10)], 9000, &[(4096, 4096)]),
            (
                &[(1, 1), (4000, 200), (20_000, 5)],
                20_005,
                &[(0, 8192), (16_384, 3621)],
            ),
            (&[(4096, 4096), (8192, 10)], 8202, &[(4096, 4106)]),
        ] {
            assert_eq!(in_whole_blocks(extents, size), grown);
        }
    }
}
