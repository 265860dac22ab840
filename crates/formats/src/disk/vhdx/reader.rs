//! An image, read.

use super::super::blocks::Blocks;
use super::super::source::Source;
use super::super::table::{Table, Window};
use super::super::walk::Walk;
use super::super::{Disk, Error, Extent, Limits, Packed};
use super::header::{self, Regions};
use super::metadata::Metadata;

/// Sectors whose bits fill the bitmap of one chunk, by the specification.
const CHUNK_SECTORS: u64 = 1 << 23;
/// Bits of an entry that say what the block is.
const STATE: u64 = 7;
/// Bits of an entry that say where it is: it is a multiple of 1 MiB.
const OFFSET: u64 = !0xf_ffff;

/// A VHDX image that needs no other.
#[derive(Debug)]
pub(in super::super) struct Image {
    source: Source,
    metadata: Metadata,
    table: Table,
}

impl Image {
    pub(in super::super) fn open(source: Source, limits: Limits) -> Result<Self, Error> {
        header::check(&source)?;
        let regions = Regions::read(&source)?;
        let metadata = Metadata::read(&source, regions.metadata)?;
        if metadata.size > limits.size_bytes {
            return Err(source.too_large("disk", metadata.size, limits.size_bytes));
        }
        let blocks = metadata.size.div_ceil(metadata.block_bytes);
        let entries = match blocks.checked_sub(1) {
            None => 0,
            Some(last) => metadata.entry(last).saturating_add(1),
        };
        let bytes = entries.saturating_mul(8);
        if bytes > limits.table_bytes {
            return Err(source.too_large("block table", bytes, limits.table_bytes));
        }
        if bytes > regions.blocks.length {
            let what = "a block table that is too short for the disk";
            return Err(source.corrupt(what, regions.blocks.offset));
        }
        let name = "the block table is not all there";
        let table = Table::new(&source, regions.blocks.offset, (entries, 8), name)?;
        Ok(Self {
            source,
            metadata,
            table,
        })
    }
}

impl Metadata {
    /// The number of the entry of a block: each chunk before it has one more, for its bitmap.
    fn entry(&self, block: u64) -> u64 {
        let chunk_bytes = CHUNK_SECTORS.saturating_mul(self.sector_bytes);
        let blocks = chunk_bytes.checked_div(self.block_bytes).unwrap_or(1);
        block.saturating_add(block.checked_div(blocks).unwrap_or(0))
    }
}

impl Disk for Image {
    fn size(&self) -> u64 {
        self.metadata.size
    }

    fn extents(&self) -> Box<dyn Iterator<Item = Result<Extent, Error>> + Send + '_> {
        let mut table = Window::new(self.table);
        let locate = move |block| {
            let index = self.metadata.entry(block);
            let entry = u64::from_le_bytes(table.entry(&self.source, index)?);
            let corrupt = |what| Err(self.source.corrupt(what, table.offset(index)));
            match entry & STATE {
                // Not present, undefined, zero, unmapped, and unmapped before version 1.0.
                0..=3 | 5 => Ok(None),
                6 if entry & OFFSET == 0 => corrupt("a block stands inside the header"),
                6 => Ok(Some(entry & OFFSET)),
                7 => corrupt("a block is there in part, though there is no parent"),
                _ => corrupt("a block of a state that is none"),
            }
        };
        let map = Blocks {
            source: &self.source,
            size: self.metadata.size,
            block_bytes: self.metadata.block_bytes,
            locate,
        };
        Box::new(Walk::new(map, self.metadata.size))
    }

    fn unpack(&self, packed: &Packed, _buffer: &mut [u8]) -> Result<(), Error> {
        Err(Error::not_packed(packed))
    }
}
