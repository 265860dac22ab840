//! An archive of whatever kind: `BufRead` → entries.

use crate::{cpio, tar};
use std::io::{BufRead, Chain, Cursor, Read as _};
use tar::{Data, Entry, Error, Limits};

/// A source whose first bytes were looked at.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// Reads a tar or cpio archive; which of them it is, its first bytes say.
#[derive(Debug)]
pub struct Archive<R>(Inner<R>);

#[derive(Debug)]
enum Inner<R> {
    // Boxed: there is one of it, and it is much larger than the other.
    Tar(Box<tar::Reader<Whole<R>>>),
    Cpio(cpio::Reader<Whole<R>>),
}

impl<R: BufRead> Archive<R> {
    /// Looks at the start of a source.
    ///
    /// # Errors
    /// [`Error::Io`] where the source fails. What is no archive is found by the first entry.
    pub fn new(mut source: R, limits: Limits) -> Result<Self, Error> {
        let mut start = Vec::with_capacity(tar::BLOCK_BYTES);
        let mut block = source.by_ref().take(tar::BLOCK_BYTES as u64);
        block.read_to_end(&mut start).map_err(Error::Io)?;
        // The name of a tar archive's first entry may look like any magic number; the checksum
        // behind it decides.
        let is_cpio = cpio::is_cpio(&start) && !tar::is_header(&start);
        let whole = Cursor::new(start).chain(source);
        Ok(Self(match is_cpio {
            true => Inner::Cpio(cpio::Reader::new(whole, limits)),
            false => Inner::Tar(Box::new(tar::Reader::new(whole, limits))),
        }))
    }

    /// The next entry, as [`tar::Reader::next_entry`] and [`cpio::Reader::next_entry`].
    ///
    /// # Errors
    /// As theirs.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        match &mut self.0 {
            Inner::Tar(reader) => reader.next_entry(),
            Inner::Cpio(reader) => reader.next_entry(),
        }
    }

    /// Contents of the current entry, as [`tar::Reader::data`].
    ///
    /// # Errors
    /// As [`tar::Reader::data`] and [`cpio::Reader::data`].
    pub fn data(&mut self) -> Result<Option<Data<'_>>, Error> {
        match &mut self.0 {
            Inner::Tar(reader) => reader.data(),
            Inner::Cpio(reader) => reader.data(),
        }
    }

    /// Reads to the source's end, which must follow the archive's.
    ///
    /// # Errors
    /// [`Error::TrailingData`] if something follows; the others as for an entry.
    pub fn finish(self) -> Result<(), Error> {
        match self.0 {
            Inner::Tar(reader) => reader.finish(),
            Inner::Cpio(reader) => reader.finish(),
        }
    }
}
