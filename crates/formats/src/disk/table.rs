//! Tables in the image file, read a piece at a time.

use super::Error;
use super::source::Source;

/// How much of a table is held, in bytes: one read for the second table of a qcow2 image with the
/// usual clusters.
const WINDOW_BYTES: u64 = 64 << 10;

/// A field of a structure that was read whole. Bytes that are not there count as zero, as in
/// headers that older versions end earlier.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    for (to, from) in field.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    field
}

/// A row of entries of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// Where it begins in the file.
    offset: u64,
    /// How many entries it has.
    entries: u64,
    /// Size of each, in bytes.
    entry_bytes: u64,
    /// What to say of it if it is not all there.
    name: &'static str,
}

impl Table {
    /// A table that lies inside the file as a whole.
    pub(super) fn new(
        source: &Source,
        offset: u64,
        (entries, entry_bytes): (u64, u64),
        name: &'static str,
    ) -> Result<Self, Error> {
        let bytes = entries.checked_mul(entry_bytes);
        if bytes.is_none_or(|bytes| source.inside(offset, bytes) < bytes) {
            return Err(source.corrupt(name, offset));
        }
        Ok(Self {
            offset,
            entries,
            entry_bytes,
            name,
        })
    }
}

/// A table, and the piece of it that was read last.
#[derive(Debug)]
pub(super) struct Window {
    table: Table,
    bytes: Vec<u8>,
    /// Number of the first entry in `bytes`.
    first: u64,
}

impl Window {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            bytes: Vec::new(),
            first: 0,
        }
    }

    /// Where the entry of a number stands in the file.
    pub(super) fn offset(&self, index: u64) -> u64 {
        index
            .saturating_mul(self.table.entry_bytes)
            .saturating_add(self.table.offset)
    }

    /// The entry of a number. One beyond the table's end is damage.
    pub(super) fn entry<const N: usize>(
        &mut self,
        source: &Source,
        index: u64,
    ) -> Result<[u8; N], Error> {
        if let Some(entry) = self.held(index) {
            return Ok(entry);
        }
        let Table {
            offset,
            entries,
            entry_bytes,
            name,
        } = self.table;
        let missing = || source.corrupt(name, offset);
        let left = entries.saturating_sub(index).saturating_mul(entry_bytes);
        let length = usize::try_from(left.min(WINDOW_BYTES)).unwrap_or(0);
        let at = self.offset(index);
        self.bytes.resize(length, 0);
        self.first = index;
        if let Err(error) = source.read_exact(&mut self.bytes, at, name) {
            self.bytes.clear();
            return Err(error);
        }
        self.held(index).ok_or_else(missing)
    }

    fn held<const N: usize>(&self, index: u64) -> Option<[u8; N]> {
        let skipped = index.checked_sub(self.first)?;
        let at = usize::try_from(skipped.checked_mul(self.table.entry_bytes)?).ok()?;
        let entry = self.bytes.get(at..at.checked_add(N)?)?;
        entry.try_into().ok()
    }
}
