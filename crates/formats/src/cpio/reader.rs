//! `BufRead` → entries.

use super::header::{Form, Header};
use super::links::Links;
use crate::tar::stream::Stream;
use crate::tar::{Data, Entry, Error, Kind, Limits, Timestamp};
use std::io::BufRead;

/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// The bits of a mode that say what an inode is, stat(2).
const TYPE_BITS: u32 = 0o170_000;

/// Reads an archive from its start to its end.
#[derive(Debug)]
pub struct Reader<R> {
    source: Stream<R>,
    limits: Limits,
    links: Links,
    contents: Contents,
    at_end: bool,
}

/// What is left of the current entry.
#[derive(Debug, Default)]
struct Contents {
    offset: u64,
    left: u64,
    padding: u64,
    /// The sum that the header told, and what it is so far.
    told: Option<u32>,
    sum: u32,
}

impl<R: BufRead> Reader<R> {
    /// Reads from a source that stands at the archive's start.
    pub fn new(source: R, limits: Limits) -> Self {
        Self {
            source: Stream::new(source),
            limits,
            links: Links::default(),
            contents: Contents::default(),
            at_end: false,
        }
    }

    /// The next entry; what was not read of the last one's contents is skipped. `None` after the
    /// last one. A hard link with a size brings contents for the inode that it names.
    ///
    /// # Errors
    /// [`Error::Io`] where the source fails; the others by what is wrong with the archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        if self.at_end {
            return Ok(None);
        }
        self.skip_contents()?;
        let start = self.source.position();
        let Some((form, header)) = self.header()? else {
            return Err(match start {
                0 => Error::NotAnArchive("it is empty"),
                _ => Error::MissingEnd,
            });
        };
        let path = self.name(form, &header)?;
        if path == TRAILER {
            self.at_end = true;
            self.contents = Contents {
                left: header.size,
                ..Contents::default()
            };
            self.skip_contents()?;
            return Ok(None);
        }
        self.entry(form, &header, path).map(Some)
    }

    /// Contents of the current entry, as much of them as the source has in its buffer; each call
    /// goes on behind the last one. `None` at their end.
    ///
    /// # Errors
    /// [`Error::Truncated`] where the source ends, [`Error::ContentsChecksum`] where they are
    /// damaged, [`Error::Io`] where it fails.
    pub fn data(&mut self) -> Result<Option<Data<'_>>, Error> {
        let contents = &mut self.contents;
        if contents.left == 0 {
            return Ok(None);
        }
        let bytes = self.source.lend(contents.left)?;
        if bytes.is_empty() {
            return Err(Error::Truncated);
        }
        for byte in bytes {
            contents.sum = contents.sum.wrapping_add(u32::from(*byte));
        }
        let count = bytes.len() as u64;
        let data = Data {
            offset: contents.offset,
            bytes,
        };
        contents.offset = contents.offset.saturating_add(count);
        contents.left = contents.left.saturating_sub(count);
        if contents.left == 0 && contents.told.is_some_and(|told| told != contents.sum) {
            return Err(Error::ContentsChecksum);
        }
        Ok(Some(data))
    }

    /// Reads what follows the last entry, up to the source's end.
    ///
    /// # Errors
    /// [`Error::TrailingData`] if that is not zeros; the others as for an entry.
    pub fn finish(mut self) -> Result<(), Error> {
        while self.next_entry()?.is_some() {}
        self.source.drain_zeros()
    }

    /// The next header; `None` where the source ends before it.
    fn header(&mut self) -> Result<Option<(Form, Header)>, Error> {
        let start = self.source.position();
        let mut magic = [0; 6];
        match self.source.fill(&mut magic)? {
            0 => return Ok(None),
            6 => {}
            _ => return Err(Error::Truncated),
        }
        let Some(form) = Form::of(&magic) else {
            return Err(Error::BadCpio(start));
        };
        let mut bytes = vec![0; form.header_bytes()];
        let (head, rest) = bytes
            .split_at_mut_checked(magic.len())
            .ok_or(Error::Truncated)?;
        head.copy_from_slice(&magic);
        self.source.fill_whole(rest)?;
        let header = Header::parse(form, &bytes)?;
        Ok(Some((form, header)))
    }

    fn name(&mut self, form: Form, header: &Header) -> Result<Vec<u8>, Error> {
        let limit = self.limits.path_bytes;
        if header.name_bytes > limit {
            let what = "path";
            return Err(Error::TooLong { what, limit });
        }
        let length = usize::try_from(header.name_bytes).unwrap_or(0);
        let mut name = vec![0; length];
        self.source.fill_whole(&mut name)?;
        // One NUL ends it; another inside would be read in two ways.
        if name.pop() != Some(0) || name.is_empty() || name.contains(&0) {
            return Err(Error::BadNumber("name in a cpio header"));
        }
        let whole = (form.header_bytes() as u64).saturating_add(header.name_bytes);
        self.source.skip(padding(whole, form.alignment()))?;
        Ok(name)
    }

    fn entry(&mut self, form: Form, header: &Header, path: Vec<u8>) -> Result<Entry, Error> {
        let mut entry = Entry::new(path, kind(header.mode)?);
        entry.mode = header.mode & 0o7777;
        (entry.uid, entry.gid) = (header.uid, header.gid);
        entry.mtime = Timestamp {
            seconds: header.mtime.into(),
            nanoseconds: 0,
        };
        if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
            entry.device = header.device;
        }
        self.contents = Contents {
            offset: 0,
            left: header.size,
            padding: padding(header.size, form.alignment()),
            // The sum stands with the contents, not with the other names.
            told: header.sum.filter(|_| header.size > 0),
            sum: 0,
        };
        match entry.kind {
            Kind::File => entry.size = header.size,
            Kind::Symlink => entry.link = self.target()?,
            _ if header.size != 0 => {
                return Err(Error::Unsupported("contents for an entry that is no file"));
            }
            _ => {}
        }
        if header.links > 1 && entry.kind != Kind::Directory {
            let (inode, count) = (header.inode, header.links);
            if let Some(first) = self.links.first_name(inode, count, &entry.path)? {
                entry.kind = Kind::HardLink;
                entry.link = first;
            }
        }
        Ok(entry)
    }

    /// The contents of a symbolic link: where it leads.
    fn target(&mut self) -> Result<Vec<u8>, Error> {
        let (size, limit) = (self.contents.left, self.limits.path_bytes);
        if size > limit {
            let what = "path";
            return Err(Error::TooLong { what, limit });
        }
        let mut target = Vec::new();
        while let Some(data) = self.data()? {
            target.extend_from_slice(data.bytes);
        }
        if target.contains(&0) {
            return Err(Error::BadNumber("target of a link in a cpio archive"));
        }
        Ok(target)
    }

    fn skip_contents(&mut self) -> Result<(), Error> {
        while self.data()?.is_some() {}
        let padding = std::mem::take(&mut self.contents).padding;
        self.source.skip(padding)
    }
}

fn padding(length: u64, alignment: u64) -> u64 {
    let end = length.checked_next_multiple_of(alignment);
    end.map_or(0, |end| end.saturating_sub(length))
}

fn kind(mode: u32) -> Result<Kind, Error> {
    match mode & TYPE_BITS {
        0o100_000 => Ok(Kind::File),
        0o040_000 => Ok(Kind::Directory),
        0o120_000 => Ok(Kind::Symlink),
        0o020_000 => Ok(Kind::CharDevice),
        0o060_000 => Ok(Kind::BlockDevice),
        0o010_000 => Ok(Kind::Fifo),
        0o140_000 => Ok(Kind::Socket),
        _ => Err(Error::BadNumber("type of an inode")),
    }
}
