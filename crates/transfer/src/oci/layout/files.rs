//! Files by their names, in a folder or in an archive.

use super::archive::Archive;
use crate::error::{Doing, Error, Result};
use crate::stage::chunks::{Copied, Flow};
use importd_api::failure::Kind;
use importd_host::cancel::Cancel;
use importd_host::dir::Dir;
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Files by their names.
#[derive(Debug)]
pub(super) enum Files {
    /// Those below a folder.
    Folder(Dir),
    /// Those of an archive.
    Archive(Archive),
}

impl Files {
    /// The regular file of this name, its parts divided by slashes; `None` if there is nothing.
    ///
    /// # Errors
    /// [`Kind::Document`] for a name that leads elsewhere, and for what is no regular file.
    pub(super) fn find(&self, path: &str) -> Result<Option<Part>> {
        match self {
            Self::Archive(archive) => archive.find(path),
            Self::Folder(folder) => {
                let found = in_folder(folder, path);
                match found {
                    Err(error) if error.kind == Kind::NotFound => Ok(None),
                    other => other.map(Some),
                }
            }
        }
    }

    /// A file of at most `limit` bytes, whole.
    ///
    /// # Errors
    /// As [`Files::find`]; [`Kind::TooLarge`] beyond the limit.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let part = self.find(path)?;
        part.map(|part| part.read(path, limit)).transpose()
    }
}

/// A name of parts that stay where they are; `None` for what leads elsewhere.
pub(super) fn is_plain(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.all(|part| !matches!(part, "" | "." | ".."))
}

fn in_folder(top: &Dir, path: &str) -> Result<Part> {
    let shown = || path.escape_debug();
    if !is_plain(path) {
        let text = format!("'{}' is no name of a file of the image", shown());
        return Err(Error::new(Kind::Document, text));
    }
    let failed = || format!("Failed to open '{}'", shown());
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut folder = None;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        let above = folder.as_ref().unwrap_or(top);
        folder = Some(above.open_dir(OsStr::new(part)).doing(failed)?);
    }
    let folder = folder.as_ref().unwrap_or(top);
    // Looked at before it is opened: opening some devices does something.
    let stat = folder.stat(OsStr::new(name)).doing(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let text = format!("'{}' is no regular file", shown());
        return Err(Error::new(Kind::Document, text));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = folder.open_file(OsStr::new(name), flags, Mode::empty());
    let file = file.doing(failed)?;
    let stat = rustix::fs::fstat(&file).doing(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let text = format!("'{}' is no regular file", shown());
        return Err(Error::new(Kind::Document, text));
    }
    Ok(Part {
        file: Arc::new(file),
        offset: 0,
        length: u64::try_from(stat.st_size).unwrap_or(0),
    })
}

/// A stretch of an open file.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) file: Arc<OwnedFd>,
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// How long it is, in bytes.
    pub(crate) length: u64,
}

impl Part {
    /// All of it, at most `limit` bytes.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] beyond the limit; what the file system says.
    pub(crate) fn read(&self, shown: &str, limit: u64) -> Result<Vec<u8>> {
        let shown = shown.escape_debug();
        if self.length > limit {
            let text = format!(
                "'{shown}' has {} bytes, where there may be {limit}",
                self.length
            );
            return Err(Error::new(Kind::TooLarge, text));
        }
        let mut bytes = Vec::new();
        self.reader(None)
            .read_to_end(&mut bytes)
            .doing(|| format!("Failed to read '{shown}'"))?;
        Ok(bytes)
    }

    /// What tells it from others: file system, inode and offset.
    pub(crate) fn place(&self) -> io::Result<(u64, u64, u64)> {
        let stat = rustix::fs::fstat(&*self.file)?;
        Ok((stat.st_dev, stat.st_ino, self.offset))
    }

    /// Its bytes on their way.
    pub(crate) fn flow(&self, cancel: &Cancel) -> Flow {
        Box::new(Copied::new(self.reader(Some(cancel.clone()))))
    }

    /// Reads it from its start; a wait ends with the transfer.
    pub(crate) fn reader(&self, cancel: Option<Cancel>) -> PartReader {
        PartReader {
            part: self.clone(),
            position: 0,
            cancel,
        }
    }
}

/// Reads a [`Part`], wherever others read in the same file.
#[derive(Debug)]
pub(crate) struct PartReader {
    part: Part,
    position: u64,
    cancel: Option<Cancel>,
}

impl Read for PartReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(cancel) = &self.cancel {
            cancel.check()?;
        }
        let left = self.part.length.saturating_sub(self.position);
        let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if room == 0 {
            return Ok(0);
        }
        let offset = self.part.offset.saturating_add(self.position);
        let got = rustix::io::retry_on_intr(|| {
            rustix::io::pread(&*self.part.file, &mut buffer[..room], offset)
        })?;
        if got == 0 {
            let text = "The file became shorter while it was read";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.position += got as u64;
        Ok(got)
    }
}

impl Seek for PartReader {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let target = match target {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => self.part.length.checked_add_signed(distance),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
