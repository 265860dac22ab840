//! Entries → `Write`.
//!
//! A plain ustar header wherever that holds everything, a pax header in front where not. Nothing
//! that differs between two equal trees is written: no change time, no names of users, no process
//! number.

use super::records::Records;
use super::{BLOCK_BYTES, Entry, Error, Extent, Kind, sparse};
use std::io::Write;

/// Archives are filled up to whole records, as every tar does.
const RECORD_BYTES: u64 = 20 * BLOCK_BYTES as u64;
/// Largest number of the fields for owners and devices, seven octal digits.
const SMALL_MAX: u64 = 0o777_7777;
/// Largest number of the fields for size and time, eleven octal digits.
const LARGE_MAX: u64 = 0o777_7777_7777;

/// Writes an archive.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    written: u64,
    /// Bytes of contents that the entry still needs.
    due: u64,
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// Writes to a sink. Every entry makes several small writes: the sink should collect them.
    pub const fn new(sink: W) -> Self {
        Self {
            sink,
            written: 0,
            due: 0,
            padding: 0,
        }
    }

    /// Writes an entry's headers. With extents the file has holes between them, and
    /// [`write_data`](Self::write_data) takes the bytes of the extents only; all but the last are
    /// whole blocks of 512 bytes.
    ///
    /// # Errors
    /// [`Error::Io`] where the sink fails, [`Error::BadSparse`] for extents that are none,
    /// [`Error::Unsupported`] for a socket, and for contents of anything but a file.
    pub fn begin(&mut self, entry: &Entry, extents: Option<&[Extent]>) -> Result<(), Error> {
        if entry.kind == Kind::Socket {
            return Err(Error::Unsupported("a socket"));
        }
        if entry.kind != Kind::File && (entry.size != 0 || extents.is_some()) {
            return Err(Error::Unsupported("contents for an entry that is no file"));
        }
        let map = extents
            .map(|extents| map(extents, entry.size))
            .transpose()?;
        let (stored, map) = match &map {
            Some((text, data)) => ((text.len() as u64).saturating_add(*data), text.as_slice()),
            None => (entry.size, &[][..]),
        };
        let is_sparse = extents.is_some();
        let mut header = Header::new(entry, stored);
        let mut records = Records::default();
        header.set_path(entry, is_sparse, &mut records);
        header.describe(entry, stored, &mut records);
        if is_sparse {
            records.text("GNU.sparse.major", "1");
            records.text("GNU.sparse.minor", "0");
            records.add(b"GNU.sparse.name", &entry.path);
            records.text("GNU.sparse.realsize", &entry.size.to_string());
        }
        let records = records.finish();
        if !records.is_empty() {
            let length = records.len() as u64;
            self.write(&Header::of_pax(&entry.path, length).finish())?;
            self.write(&records)?;
            self.pad(length)?;
        }
        self.write(&header.finish())?;
        self.write(map)?;
        self.due = stored.saturating_sub(map.len() as u64);
        self.padding = padding(stored);
        Ok(())
    }

    /// Writes contents.
    ///
    /// # Errors
    /// [`Error::WrongLength`] for more than the entry said, [`Error::Io`] where the sink fails.
    pub fn write_data(&mut self, data: &[u8]) -> Result<(), Error> {
        let length = data.len() as u64;
        let left = self.due.checked_sub(length);
        self.due = left.ok_or(Error::WrongLength(length.saturating_sub(self.due)))?;
        self.write(data)
    }

    /// Ends an entry.
    ///
    /// # Errors
    /// [`Error::WrongLength`] for less than the entry said, [`Error::Io`] where the sink fails.
    pub fn end_entry(&mut self) -> Result<(), Error> {
        if self.due != 0 {
            return Err(Error::WrongLength(self.due));
        }
        let padding = std::mem::take(&mut self.padding);
        self.zeros(padding)
    }

    /// Writes the end of the archive; the sink, which is not flushed.
    ///
    /// # Errors
    /// [`Error::Io`] where the sink fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.zeros(2 * BLOCK_BYTES)?;
        let end = self.written.checked_next_multiple_of(RECORD_BYTES);
        let missing = end.map_or(0, |end| end.saturating_sub(self.written));
        self.zeros(usize::try_from(missing).unwrap_or(0))?;
        Ok(self.sink)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        self.sink.write_all(bytes).map_err(Error::Io)
    }

    fn pad(&mut self, length: u64) -> Result<(), Error> {
        self.zeros(padding(length))
    }

    fn zeros(&mut self, mut count: usize) -> Result<(), Error> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while count > 0 {
            let some = count.min(ZEROS.len());
            self.write(ZEROS.get(..some).unwrap_or(&ZEROS))?;
            count = count.saturating_sub(some);
        }
        Ok(())
    }
}

/// Zeros up to a whole block.
fn padding(length: u64) -> usize {
    let over = length.checked_rem(BLOCK_BYTES as u64).unwrap_or(0);
    match usize::try_from(over) {
        Ok(0) | Err(_) => 0,
        Ok(over) => BLOCK_BYTES.saturating_sub(over),
    }
}

/// The map in front of a sparse file's contents, filled up to a whole block; the sum of the extents.
fn map(extents: &[Extent], size: u64) -> Result<(Vec<u8>, u64), Error> {
    let (mut end, mut sum) = (0, 0u64);
    let mut lines = Vec::new();
    for extent in extents {
        if extent.offset < end || !sparse::is_whole_blocks(sum) {
            return Err(Error::BadSparse);
        }
        end = extent
            .offset
            .checked_add(extent.length)
            .ok_or(Error::BadSparse)?;
        sum = sum.saturating_add(extent.length);
        lines.push(format!("{}\n{}\n", extent.offset, extent.length));
    }
    if end > size {
        return Err(Error::BadSparse);
    }
    if end < size || extents.is_empty() {
        // An empty extent at the end, as GNU tar writes for a hole there.
        lines.push(format!("{size}\n0\n"));
    }
    let mut text = format!("{}\n{}", lines.len(), lines.concat()).into_bytes();
    let whole = text.len().next_multiple_of(BLOCK_BYTES);
    text.resize(whole, 0);
    Ok((text, sum))
}

/// A ustar header being made.
struct Header([u8; BLOCK_BYTES]);

impl Header {
    fn empty(letter: u8) -> Self {
        let mut header = Self([0; BLOCK_BYTES]);
        header.put(156, &[letter]);
        header.put(257, b"ustar\x0000");
        header
    }

    fn new(entry: &Entry, stored: u64) -> Self {
        let mut header = Self::empty(match entry.kind {
            // Sockets do not come here.
            Kind::File | Kind::Socket => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharDevice => b'3',
            Kind::BlockDevice => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        });
        header.number(100, 7, u64::from(entry.mode & 0o7777));
        header.number(108, 7, u64::from(entry.uid).min(SMALL_MAX));
        header.number(116, 7, u64::from(entry.gid).min(SMALL_MAX));
        header.number(124, 11, stored.min(LARGE_MAX));
        let seconds = u64::try_from(entry.mtime.seconds).unwrap_or(0);
        header.number(136, 11, seconds.min(LARGE_MAX));
        header.number(329, 7, u64::from(entry.device.0).min(SMALL_MAX));
        header.number(337, 7, u64::from(entry.device.1).min(SMALL_MAX));
        header
    }

    fn of_pax(path: &[u8], length: u64) -> Self {
        let mut header = Self::empty(b'x');
        header.put(0, &made_up(b"./PaxHeaders/", path));
        header.number(100, 7, 0o644);
        for field in [108, 116] {
            header.number(field, 7, 0);
        }
        header.number(124, 11, length);
        header.number(136, 11, 0);
        header
    }

    /// The path, in the fields if they hold it.
    fn set_path(&mut self, entry: &Entry, is_sparse: bool, records: &mut Records) {
        let path = &entry.path;
        if is_sparse {
            self.put(0, &made_up(b"./GNUSparseFile.0/", path));
        } else if path.len() <= 100 {
            self.put(0, path);
        } else if let Some((prefix, name)) = split(path) {
            self.put(345, prefix);
            self.put(0, name);
        } else {
            self.put(0, path.get(..100).unwrap_or(path));
            records.add(b"path", path);
        }
        let link = &entry.link;
        self.put(157, link.get(..link.len().min(100)).unwrap_or(link));
        if link.len() > 100 {
            records.add(b"linkpath", link);
        }
    }

    /// The rest, and records of what the fields do not hold.
    fn describe(&mut self, entry: &Entry, stored: u64, records: &mut Records) {
        for (offset, key, name) in [(265, "uname", &entry.user), (297, "gname", &entry.group)] {
            match name.len() {
                ..=31 => self.put(offset, name),
                _ => records.add(key.as_bytes(), name),
            }
        }
        for (key, number, most) in [
            ("uid", u64::from(entry.uid), SMALL_MAX),
            ("gid", u64::from(entry.gid), SMALL_MAX),
            ("size", stored, LARGE_MAX),
            ("SCHILY.devmajor", u64::from(entry.device.0), SMALL_MAX),
            ("SCHILY.devminor", u64::from(entry.device.1), SMALL_MAX),
        ] {
            if number > most {
                records.text(key, &number.to_string());
            }
        }
        let fits = u64::try_from(entry.mtime.seconds).is_ok_and(|seconds| seconds <= LARGE_MAX);
        if entry.mtime.nanoseconds != 0 || !fits {
            records.time("mtime", entry.mtime);
        }
        for (name, value) in &entry.xattrs {
            records.xattr(name, value);
        }
        for (key, value) in [
            ("SCHILY.acl.access", &entry.acl_access),
            ("SCHILY.acl.default", &entry.acl_default),
            ("SCHILY.fflags", &entry.file_flags),
        ] {
            if let Some(value) = value {
                records.add(key.as_bytes(), value);
            }
        }
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len());
        if let Some(field) = self.0.get_mut(offset..end) {
            field.copy_from_slice(bytes);
        }
    }

    fn number(&mut self, offset: usize, digits: usize, value: u64) {
        self.put(offset, format!("{value:0digits$o}").as_bytes());
    }

    fn finish(mut self) -> [u8; BLOCK_BYTES] {
        self.put(148, b"        ");
        let sum = self
            .0
            .iter()
            .fold(0u64, |sum, byte| sum.saturating_add(u64::from(*byte)));
        self.put(148, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// Prefix and name of a path, divided at a slash so that both fit: the longest prefix.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path.len().checked_sub(1)?.min(155);
    let slash = path
        .get(..end.saturating_add(1))?
        .iter()
        .rposition(|byte| *byte == b'/')?;
    let (prefix, name) = path.split_at_checked(slash)?;
    let name = name.get(1..)?;
    (!prefix.is_empty() && !name.is_empty() && name.len() <= 100).then_some((prefix, name))
}

/// A name for an entry that has its real one in a pax header.
fn made_up(folder: &[u8], path: &[u8]) -> Vec<u8> {
    let last = path
        .split(|byte| *byte == b'/')
        .rfind(|component| !component.is_empty())
        .unwrap_or(b".");
    let room = 100usize.saturating_sub(folder.len());
    [folder, last.get(..room).unwrap_or(last)].concat()
}
