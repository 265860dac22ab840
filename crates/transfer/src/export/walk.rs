//! Walks a tree in a fixed order and writes its entries.
//!
//! A folder before its contents, entries of a folder by the bytes of their names: two exports of
//! equal trees are equal. The walk stays on one mount; a mount point is an empty folder.
//!
//! A layer of an image ([`Form`]) says with markers what overlayfs says with inodes, and its files have no
//! holes: not all who read layers know those.

use super::entry::{Inode, bare, describe};
use super::levels::Levels;
use super::overlay::{Form, MARKER_PREFIX, OPAQUE_MARKER, is_whiteout, strip};
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
use std::os::unix::ffi::OsStrExt;

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
    form: Form,
    part: Part,
    /// Inodes of which more names are to come.
    first_names: HashMap<(u64, u64), FirstName>,
    total: Total,
    buffer: Vec<u8>,
    written: Written,
}

/// Which of several walks this is, for the percents of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// How many came before.
    pub(super) index: usize,
    /// How many there are, at least one.
    pub(super) count: usize,
}

impl Part {
    /// The only one.
    pub(super) const WHOLE: Self = Self { index: 0, count: 1 };

    fn percent(self, own: u8) -> u8 {
        let all = self.index.saturating_mul(100).saturating_add(own.into());
        u8::try_from(all / self.count.max(1)).unwrap_or(99)
    }
}

struct FirstName {
    path: Vec<u8>,
    /// How many more names the inode has; they may lie outside the tree.
    left: u64,
}

impl<'a, W: Write> Walk<'a, W> {
    pub(super) fn new(tree: Dir, writer: Writer<W>, context: &'a Context) -> Result<Self> {
        Self::of(tree, writer, (Form::Archive, Part::WHOLE), context)
    }

    /// A walk of a tree that is this, and one of several.
    pub(super) fn of(
        tree: Dir,
        writer: Writer<W>,
        (form, part): (Form, Part),
        context: &'a Context,
    ) -> Result<Self> {
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
            form,
            part,
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
        let now = self.part.percent(now);
        if self.context.report.progress(now) {
            self.context.report.info(format!("Exported {now}%."));
        }
    }

    fn entry(&mut self, folder: &Dir, name: &OsStr) -> Result<()> {
        let path = self.levels.path_of(name)?;
        let failed = || format!("Failed to open '{}'", String::from_utf8_lossy(&path));
        let stat = folder.stat(name).doing(failed)?;
        if self.form.is_layer() && self.marker(folder, name, &stat)? {
            return Ok(());
        }
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
                if self.form.is_layer() {
                    strip(&mut entry, self.form)?;
                }
                self.begin(&entry, None)?;
                self.end()
            }
        }
    }

    /// Writes the marker of what is gone, in place of what overlayfs has there. A file that would be
    /// taken for a marker cannot be written.
    fn marker(&mut self, folder: &Dir, name: &OsStr, stat: &Stat) -> Result<bool> {
        let path = self.levels.path_of(name)?;
        let shown = || String::from_utf8_lossy(&path);
        if name.as_bytes().starts_with(MARKER_PREFIX) && self.form != Form::Lower {
            let text = format!("'{}' would be taken for a marker in a layer", shown());
            return Err(Error::new(Kind::Unsupported, text));
        }
        let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
        if !(self.form.has_marks() || is_device) || !is_whiteout(folder, name, stat)? {
            return Ok(false);
        }
        if self.form.has_marks() {
            let marker = [MARKER_PREFIX, name.as_bytes()].concat();
            let path = self.levels.path_of(OsStr::from_bytes(&marker))?;
            self.empty_file(path)?;
        } else {
            self.context.report.warning(format!(
                "'{}' is a mark of overlayfs, which would delete files of other layers; left out.",
                shown()
            ));
        }
        Ok(true)
    }

    fn empty_file(&mut self, path: Vec<u8>) -> Result<()> {
        let entry = Entry::new(path, tar::Kind::File);
        self.begin(&entry, None)?;
        self.end()
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
        let mut is_opaque = false;
        if let Some(mut entry) = describe(Inode::Open(folder.as_fd()), path, stat)? {
            if self.form.is_layer() {
                is_opaque = strip(&mut entry, self.form)?;
            }
            self.begin(&entry, None)?;
            self.end()?;
        }
        if is_opaque {
            let slash: &[u8] = if path.ends_with(b"/") { b"" } else { b"/" };
            self.empty_file([path, slash, OPAQUE_MARKER].concat())?;
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
        if self.form.is_layer() {
            strip(&mut entry, self.form)?;
        }
        let whole = [(0, entry.size)];
        let mut extents = Vec::new();
        let may_have_holes = entry.size > BLOCK_BYTES || (entry.size > 0 && stat.st_blocks == 0);
        if may_have_holes && !self.form.is_layer() && !is_whole(file, entry.size) {
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
