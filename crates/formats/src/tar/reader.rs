//! `BufRead` → entries.

use super::header::{Header, looks_like, until_nul};
use super::pax::Pax;
use super::sparse::{self, MapParser};
use super::stream::Stream;
use super::{BLOCK_BYTES, Data, Entry, Error, Extent, Kind, Limits, Timestamp};
use std::io::{BufRead, Seek};

/// A size field that holds no more: where writers put the largest number it takes and say the real
/// one in a pax header.
const SIZE_FIELD_FULL: u64 = 0o777_7777_7777;

/// Reads an archive from its start to its end.
#[derive(Debug)]
pub struct Reader<R> {
    source: Stream<R>,
    limits: Limits,
    /// What pax headers for all entries said.
    global: Pax,
    /// How long more of them may be.
    global_left: u64,
    contents: Contents,
    at_end: bool,
}

/// What is left of the current entry.
#[derive(Debug, Default)]
struct Contents {
    /// Where the stored bytes belong, the next one last.
    extents: Vec<Extent>,
    /// Stored bytes that were not read yet.
    stored: u64,
    /// Zeros up to a whole block.
    padding: u64,
}

/// What stands in front of an entry and is said of it.
#[derive(Debug)]
struct Said {
    /// With what is said of all entries.
    pax: Option<Pax>,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    is_any: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from a source that stands at the archive's start.
    pub fn new(source: R, limits: Limits) -> Self {
        Self {
            source: Stream::new(source),
            limits,
            global: Pax::default(),
            global_left: limits.global_bytes,
            contents: Contents::default(),
            at_end: false,
        }
    }

    /// The next entry; what was not read of the last one's contents is skipped. `None` after the
    /// last one.
    ///
    /// # Errors
    /// [`Error::Io`] where the source fails; the others by what is wrong with the archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        if self.at_end {
            return Ok(None);
        }
        self.skip_contents()?;
        let mut said = Said {
            pax: None,
            long_path: None,
            long_link: None,
            is_any: false,
        };
        loop {
            let Some(header) = self.header(said.is_any)? else {
                self.at_end = true;
                return Ok(None);
            };
            match header.type_letter() {
                b'x' | b'X' => {
                    let bytes = self.body(&header, "pax header", self.limits.pax_bytes)?;
                    let pax = Pax::of_entry(&bytes, &self.global, self.limits)?;
                    once(&mut said.pax, pax)?;
                }
                b'g' => {
                    self.global_header(&header)?;
                    continue;
                }
                b'L' => once(&mut said.long_path, self.long_name(&header)?)?,
                b'K' => once(&mut said.long_link, self.long_name(&header)?)?,
                b'V' => {
                    self.contents.stored = header.size()?;
                    self.contents.padding = padding(self.contents.stored);
                    self.skip_contents()?;
                    continue;
                }
                b'M' => return Err(Error::Unsupported("a part of a file from another volume")),
                b'A' => return Err(Error::Unsupported("an access list in a form of Solaris")),
                b'N' => return Err(Error::Unsupported("a list of names in an old GNU form")),
                _ => return self.entry(&header, said).map(Some),
            }
            said.is_any = true;
        }
    }

    /// Contents of the current entry, as much of them as the source has in its buffer; each call
    /// goes on behind the last one. `None` at their end; what lies between and up to the entry's
    /// size is a hole.
    ///
    /// # Errors
    /// [`Error::Truncated`] where the source ends, [`Error::Io`] where it fails.
    pub fn data(&mut self) -> Result<Option<Data<'_>>, Error> {
        let extents = &mut self.contents.extents;
        while extents.pop_if(|extent| extent.length == 0).is_some() {}
        let Some(extent) = extents.last_mut() else {
            return Ok(None);
        };
        let bytes = self.source.lend(extent.length)?;
        if bytes.is_empty() {
            return Err(Error::Truncated);
        }
        let data = Data {
            offset: extent.offset,
            bytes,
        };
        let count = bytes.len() as u64;
        extent.offset = extent.offset.saturating_add(count);
        extent.length = extent.length.saturating_sub(count);
        self.contents.stored = self.contents.stored.saturating_sub(count);
        Ok(Some(data))
    }

    /// Passes over the contents of the current entry without reading them, and tells where in the
    /// source they are, which need not be so long. Those of a sparse file are not all of it.
    ///
    /// # Errors
    /// [`Error::Io`] where the source cannot be moved in.
    pub fn pass_contents(&mut self) -> Result<Extent, Error>
    where
        R: Seek,
    {
        let contents = std::mem::take(&mut self.contents);
        let extent = Extent {
            offset: self.source.position(),
            length: contents.stored,
        };
        self.source
            .pass(contents.stored.saturating_add(contents.padding))?;
        Ok(extent)
    }

    /// Reads what follows the last entry, up to the source's end.
    ///
    /// # Errors
    /// [`Error::TrailingData`] if that is not zeros; the others as for an entry.
    pub fn finish(mut self) -> Result<(), Error> {
        while self.next_entry()?.is_some() {}
        self.source.drain_zeros()
    }

    /// The next header; `None` for the end.
    fn header(&mut self, is_entry_due: bool) -> Result<Option<Header>, Error> {
        let start = self.source.position();
        let Some(block) = self.block()? else {
            return Err(match start {
                0 => Error::NotAnArchive(looks_like(&[])),
                _ if is_entry_due => Error::Truncated,
                _ => Error::MissingEnd,
            });
        };
        if is_zero(&block) {
            if is_entry_due {
                return Err(Error::Truncated);
            }
            // One block of zeros at the very end is what some old programs write.
            return match self.block()? {
                Some(second) if !is_zero(&second) => Err(Error::TrailingData),
                _ => Ok(None),
            };
        }
        match Header::new(block) {
            Some(header) => Ok(Some(header)),
            None if start == 0 => Err(Error::NotAnArchive(looks_like(&block))),
            None => Err(Error::Checksum(start)),
        }
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, Error> {
        let start = self.source.position();
        let mut block = [0; BLOCK_BYTES];
        match self.source.fill(&mut block)? {
            0 => Ok(None),
            BLOCK_BYTES => Ok(Some(block)),
            filled if start == 0 => {
                let start = block.get(..filled).unwrap_or(&[]);
                Err(Error::NotAnArchive(looks_like(start)))
            }
            _ => Err(Error::Truncated),
        }
    }

    /// The contents of a header that speaks of the next one. Their length is that of the header
    /// itself: no pax record applies to it.
    fn body(&mut self, header: &Header, what: &'static str, limit: u64) -> Result<Vec<u8>, Error> {
        let size = header.size()?;
        if size > limit {
            return Err(Error::TooLong { what, limit });
        }
        let length = usize::try_from(size).map_err(|_large| Error::TooLong { what, limit })?;
        let mut body = vec![0; length];
        self.source.fill_whole(&mut body)?;
        self.contents.padding = padding(size);
        self.skip_contents()?;
        Ok(body)
    }

    fn long_name(&mut self, header: &Header) -> Result<Vec<u8>, Error> {
        let body = self.body(header, "path", self.limits.path_bytes)?;
        Ok(until_nul(&body).to_vec())
    }

    fn global_header(&mut self, header: &Header) -> Result<(), Error> {
        let bytes = self.body(header, "pax header", self.global_left)?;
        self.global_left = self.global_left.saturating_sub(bytes.len() as u64);
        self.global.add(&bytes, self.limits)?;
        let global = &self.global;
        let names_one_file = global.path.is_some()
            || global.link.is_some()
            || global.size.is_some()
            || global.sparse.is_there();
        if names_one_file {
            let what = "a pax header that gives all entries the same name or size";
            return Err(Error::Unsupported(what));
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, said: Said) -> Result<Entry, Error> {
        let pax = said.pax.unwrap_or_else(|| self.global.clone());
        let size = stored_size(header.size()?, pax.size)?;
        let path = one_of(said.long_path, pax.path.as_ref())?.map_or_else(|| header.path(), Ok)?;
        let link = one_of(said.long_link, pax.link.as_ref())?.unwrap_or_else(|| header.link());
        let kind = kind(header, &path);
        self.contents = Contents {
            extents: Vec::new(),
            stored: size,
            padding: padding(size),
        };
        let is_sparse = pax.sparse.is_there() || header.type_letter() == b'S';
        let mut length = 0;
        if kind == Kind::File {
            length = match is_sparse {
                true => self.sparse(header, &pax)?,
                false => self.whole(size),
            };
        } else if is_sparse {
            return Err(Error::Unsupported("a sparse entry that is no file"));
        } else if size != 0 && header.type_letter() != b'D' {
            return Err(Error::Unsupported("contents for an entry that is no file"));
        }
        let mut entry = described(header, kind, pax)?;
        if entry.path.is_empty() {
            entry.path = path;
        }
        if matches!(kind, Kind::Symlink | Kind::HardLink) {
            entry.link = link;
        }
        (entry.size, entry.sparse) = (length, is_sparse);
        Ok(entry)
    }

    fn whole(&mut self, size: u64) -> u64 {
        if size > 0 {
            self.contents.extents.push(Extent {
                offset: 0,
                length: size,
            });
        }
        size
    }

    /// Reads the map of a sparse file; its whole length.
    fn sparse(&mut self, header: &Header, pax: &Pax) -> Result<u64, Error> {
        let (map, size) = if header.type_letter() == b'S' {
            if pax.sparse.is_there() {
                return Err(Error::BadSparse);
            }
            (self.old_map(header)?, header.sparse_size()?)
        } else {
            let size = pax.sparse.size.ok_or(Error::BadSparse)?;
            let map = match pax.sparse.is_in_contents()? {
                true => self.map_in_contents()?,
                false => pax.sparse.map.clone(),
            };
            (map, size)
        };
        let count = pax.sparse.count;
        if count.is_some_and(|count| count != map.len() as u64) {
            return Err(Error::BadSparse);
        }
        let mut extents = sparse::checked(map, size, self.contents.stored)?;
        extents.reverse();
        self.contents.extents = extents;
        Ok(size)
    }

    fn old_map(&mut self, header: &Header) -> Result<Vec<Extent>, Error> {
        let mut map = Vec::new();
        let (fields, mut more) = header.sparse_map();
        sparse::add_old(&mut map, fields, self.limits)?;
        while more {
            let block = self.block()?.ok_or(Error::Truncated)?;
            let (fields, rest) = block.split_at(504);
            sparse::add_old(&mut map, fields, self.limits)?;
            more = rest.first().is_some_and(|byte| *byte != 0);
        }
        Ok(map)
    }

    fn map_in_contents(&mut self) -> Result<Vec<Extent>, Error> {
        let mut parser = MapParser::new();
        loop {
            let stored = self.contents.stored.checked_sub(BLOCK_BYTES as u64);
            self.contents.stored = stored.ok_or(Error::BadSparse)?;
            let block = self.block()?.ok_or(Error::Truncated)?;
            if parser.take(&block, self.limits)? {
                return Ok(parser.map);
            }
        }
    }

    fn skip_contents(&mut self) -> Result<(), Error> {
        let left = self.contents.stored.saturating_add(self.contents.padding);
        self.contents = Contents::default();
        self.source.skip(left)
    }
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

fn padding(size: u64) -> u64 {
    let block = BLOCK_BYTES as u64;
    size.checked_next_multiple_of(block)
        .map_or(0, |end| end.saturating_sub(size))
}

/// What header and records say beside path, kind and contents; the path only of a sparse file.
fn described(header: &Header, kind: Kind, pax: Pax) -> Result<Entry, Error> {
    let mut entry = Entry::new(pax.sparse.name.unwrap_or_default(), kind);
    entry.mode = header.mode()?;
    entry.uid = narrow(pax.uid.map_or_else(|| header.uid(), Ok)?, "owner")?;
    entry.gid = narrow(pax.gid.map_or_else(|| header.gid(), Ok)?, "group")?;
    entry.user = pax.user.unwrap_or_else(|| header.user());
    entry.group = pax.group.unwrap_or_else(|| header.group());
    entry.mtime = match pax.mtime {
        Some(time) => time,
        None => Timestamp {
            seconds: header.mtime()?,
            nanoseconds: 0,
        },
    };
    // Some programs leave junk there for what is no device.
    if matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
        let device = header.device()?;
        entry.device = (
            narrow(pax.device_major.unwrap_or(device.0), "device number")?,
            narrow(pax.device_minor.unwrap_or(device.1), "device number")?,
        );
    }
    entry.xattrs = pax.xattrs;
    entry.acl_access = pax.acl_access;
    entry.acl_default = pax.acl_default;
    entry.file_flags = pax.file_flags;
    entry.lost_nfs4_acl = pax.has_nfs4_acl;
    Ok(entry)
}

fn narrow(value: u64, what: &'static str) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_large| Error::BadNumber(what))
}

/// The size of two places. A writer that needs the second leaves the first empty or full.
fn stored_size(in_header: u64, in_pax: Option<u64>) -> Result<u64, Error> {
    match in_pax {
        None => Ok(in_header),
        Some(size) if size == in_header || matches!(in_header, 0 | SIZE_FIELD_FULL) => Ok(size),
        Some(_) => Err(Error::Unsupported("two different sizes for one entry")),
    }
}

/// Notes what an extra header says; a second one of its kind is read in two ways.
fn once<T>(place: &mut Option<T>, said: T) -> Result<(), Error> {
    match place.replace(said) {
        None => Ok(()),
        Some(_) => Err(Error::Unsupported(
            "two extra headers of one kind for one entry",
        )),
    }
}

/// A name of two places.
fn one_of(gnu: Option<Vec<u8>>, pax: Option<&Vec<u8>>) -> Result<Option<Vec<u8>>, Error> {
    match (gnu, pax) {
        (Some(gnu), Some(pax)) if gnu != *pax => {
            Err(Error::Unsupported("two different names for one entry"))
        }
        (gnu, pax) => Ok(pax.cloned().or(gnu)),
    }
}

fn kind(header: &Header, path: &[u8]) -> Kind {
    match header.type_letter() {
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' | b'D' => Kind::Directory,
        b'6' => Kind::Fifo,
        // Before there was a letter for folders, a slash at the end said so.
        0 | b'0' if path.ends_with(b"/") => Kind::Directory,
        // POSIX: what is not known is a file.
        _ => Kind::File,
    }
}
