//! Walks a tree in a fixed order and writes its entries.
//!
//! A folder before its contents, entries of a folder by the bytes of their names: two exports of
//! equal trees are equal. The walk stays on one mount; a mount point is an empty folder. It
//! keeps its own stack, so depth costs memory and descriptors, never the thread's stack.

use super::entry::{Inode, describe};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::tar::{self, Entry, Extent, Writer};
use importd_host::copy;
use importd_host::dir::Dir;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

/// Size of the buffer for contents, in bytes.
const CONTENT_BYTES: usize = 256 << 10;
/// A file is written with its holes if they make up at least this many bytes: a map costs a block.
const HOLES_BYTES_MIN: u64 = 4096;
/// Deepest folder exported, so that descriptors suffice; imports refuse more than 128 levels.
const DEPTH_MAX: usize = 512;

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
    levels: Vec<Level>,
    mount: u64,
    /// First path of each inode with several names.
    first_names: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
    written: Written,
}

struct Level {
    folder: Dir,
    path: Vec<u8>,
    entries: std::vec::IntoIter<OsString>,
}

impl<'a, W: Write> Walk<'a, W> {
    pub(super) fn new(tree: Dir, writer: Writer<W>, context: &'a Context) -> Result<Self> {
        let stat = tree
            .stat_self()
            .doing(|| "Failed to look at the tree".into())?;
        let mount = tree
            .mount_id()
            .doing(|| "Failed to look at the tree".into())?;
        let mut walk = Self {
            writer,
            context,
            levels: Vec::new(),
            mount,
            first_names: HashMap::new(),
            buffer: vec![0; CONTENT_BYTES],
            written: Written::default(),
        };
        walk.folder(tree, b"./".to_vec(), &stat)?;
        Ok(walk)
    }

    pub(super) fn run(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last_mut() {
            self.context
                .cancel
                .check()
                .map_err(|error| Error::io("Cancelled", error))?;
            match level.entries.next() {
                Some(name) => self.entry(&name)?,
                None => {
                    self.levels.pop();
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> (Writer<W>, Written) {
        (self.writer, self.written)
    }

    fn entry(&mut self, name: &OsStr) -> Result<()> {
        let Some(level) = self.levels.last() else {
            return Ok(());
        };
        let mut path = level.path.clone();
        path.extend_from_slice(name.as_bytes());
        let failed = || format!("Failed to open '{}'", String::from_utf8_lossy(&path));
        let folder = level.folder.try_clone().doing(failed)?;
        let stat = folder.stat(name).doing(failed)?;
        if self.second_name(&path, &stat)? {
            return Ok(());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let child = folder.open_dir(name).doing(failed)?;
                let stat = child.stat_self().doing(failed)?;
                path.push(b'/');
                self.folder(child, path, &stat)
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                let file = folder.open_file(name, flags, Mode::empty()).doing(failed)?;
                let stat = rustix::fs::fstat(&file).doing(failed)?;
                self.file(file.as_fd(), &path, &stat)
            }
            kind => {
                let Some(mut entry) = describe(Inode::Named(&folder, name), &path, &stat)? else {
                    self.context.report.notice(format!(
                        "'{}' is a socket, which archives cannot hold; left out.",
                        String::from_utf8_lossy(&path)
                    ));
                    return Ok(());
                };
                if kind == FileType::Symlink {
                    entry.link = rustix::fs::readlinkat(&folder, name, Vec::new())
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
        let Some(first) = self.first_names.get(&inode) else {
            self.first_names.insert(inode, path.to_vec());
            return Ok(false);
        };
        let mut entry = bare(path, stat);
        entry.link.clone_from(first);
        self.begin(&entry, None)?;
        self.end()?;
        Ok(true)
    }

    fn folder(&mut self, folder: Dir, path: Vec<u8>, stat: &Stat) -> Result<()> {
        let failed = || format!("Failed to read '{}'", String::from_utf8_lossy(&path));
        if self.levels.len() >= DEPTH_MAX {
            let text = format!("{}: deeper than {DEPTH_MAX} folders", failed());
            return Err(Error::new(Kind::Unsupported, text));
        }
        if let Some(entry) = describe(Inode::Open(folder.as_fd()), &path, stat)? {
            self.begin(&entry, None)?;
            self.end()?;
        }
        if folder.mount_id().doing(failed)? != self.mount {
            return Ok(());
        }
        let entries = folder.entries().doing(failed)?.into_iter();
        self.levels.push(Level {
            folder,
            path,
            entries,
        });
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, path: &[u8], stat: &Stat) -> Result<()> {
        let shown = String::from_utf8_lossy(path).into_owned();
        let Some(mut entry) = describe(Inode::Open(file), path, stat)? else {
            return Ok(());
        };
        let allocated = u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512);
        let whole = [(0, entry.size)];
        let mut extents = Vec::new();
        if allocated.saturating_add(HOLES_BYTES_MIN) <= entry.size {
            extents = copy::data_extents(file, entry.size)
                .doing(|| format!("Failed to look for holes in '{shown}'"))?;
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
        }
        Ok(())
    }

    fn begin(&mut self, entry: &Entry, extents: Option<&[Extent]>) -> Result<()> {
        self.written.entries += 1;
        self.writer.begin(entry, extents).map_err(write_error)
    }

    fn end(&mut self) -> Result<()> {
        self.writer.end_entry().map_err(write_error)
    }
}

fn write_error(error: tar::Error) -> Error {
    match error {
        tar::Error::Io(error) => Error::io("Failed to write the archive", error),
        error => Error::caused(Kind::Archive, "Failed to write the archive", error),
    }
}

/// A link entry: the attributes stand with the first name.
fn bare(path: &[u8], stat: &Stat) -> Entry {
    Entry {
        path: path.to_vec(),
        kind: tar::Kind::HardLink,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        user: Vec::new(),
        group: Vec::new(),
        mtime: tar::Timestamp {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        link: Vec::new(),
        size: 0,
        device: (0, 0),
        xattrs: Vec::new(),
        acl_access: None,
        acl_default: None,
        file_flags: None,
        sparse: false,
    }
}
