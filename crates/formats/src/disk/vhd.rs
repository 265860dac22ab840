//! Virtual PC's format: blocks, found by one table, or the plain disk with a footer.
//!
//! ```text
//! footer (fixed: at the end only; dynamic: at the start too): 0 "conectix" · 16 offset of the header
//!   28 program · 40, 48 original and current size · 56 cylinders, heads, sectors · 60 type · 64 checksum
//! header: 0 "cxsparse" · 16 offset of the table · 28 entries · 32 size of a block · 36 checksum · 64 parent
//! table: 4 bytes for each block, its sector in the file: a bitmap, then the block's bytes
//! ```
//!
//! The bitmap of a block says which sectors were written. Blocks begin as zeros, so it says nothing
//! about bytes where there is no parent; QEMU does not look at it either.
//!
//! # Source
//! "Virtual Hard Disk Image Format Specification", version 1.0, Microsoft 2006; which programs mean
//! which size: block/vpc.c of QEMU.

use super::blocks::Blocks;
use super::source::Source;
use super::table::{Table, Window, field};
use super::walk::Walk;
use super::{Disk, Error, Extent, ForeignName, Format, Limits, Packed};

/// Bytes of a footer.
const FOOTER_BYTES: usize = 512;
/// Bytes of the header of a dynamic disk.
const HEADER_BYTES: usize = 1024;
/// The unit of the file, in bytes.
const SECTOR: u64 = 512;
/// The block was never written.
const FREE: u32 = 0xffff_ffff;
/// Sectors of a disk with the largest geometry: larger disks have this one too.
const GEOMETRY_MAX: u64 = 65_535 * 16 * 255;
/// Programs to which the size of a disk is its geometry, and not the size beside it: Virtual PC, and
/// QEMU where it was not told otherwise. As QEMU since version 10.
const BY_GEOMETRY: [&[u8; 4]; 2] = [b"vpc ", b"qemu"];

/// A footer whose checksum is right.
struct Footer {
    kind: u32,
    header_offset: u64,
    size: u64,
}

impl Footer {
    /// From the bytes of one. `None` if they are none.
    fn new(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(b"conectix") || !has_checksum(bytes, 64) {
            return None;
        }
        let program: [u8; 4] = field(bytes, 28);
        let current = u64::from_be_bytes(field(bytes, 48)) / SECTOR;
        let cylinders = u64::from(u16::from_be_bytes(field(bytes, 56)));
        let [heads, sectors]: [u8; 2] = field(bytes, 58);
        let geometry = cylinders
            .saturating_mul(heads.into())
            .saturating_mul(sectors.into());
        let is_by_geometry = BY_GEOMETRY.contains(&&program) && geometry != GEOMETRY_MAX;
        let sectors = if is_by_geometry { geometry } else { current };
        Some(Self {
            kind: u32::from_be_bytes(field(bytes, 60)),
            header_offset: u64::from_be_bytes(field(bytes, 16)),
            size: sectors.saturating_mul(SECTOR),
        })
    }
}

/// Whether the checksum at an offset is right: the complement of the sum of all other bytes.
fn has_checksum(bytes: &[u8], at: usize) -> bool {
    let expected = u32::from_be_bytes(field(bytes, at));
    let own: u32 = expected.to_be_bytes().map(u32::from).iter().sum();
    let all: u32 = bytes.iter().copied().map(u32::from).sum();
    !all.wrapping_sub(own) == expected
}

/// A VHD image that needs no other.
#[derive(Debug)]
pub(super) struct Image {
    source: Source,
    size: u64,
    /// `None`: the file begins with the disk's own bytes.
    blocks: Option<Dynamic>,
}

/// What a dynamic disk has more.
#[derive(Debug)]
struct Dynamic {
    block_bytes: u64,
    table: Table,
}

impl Image {
    pub(super) fn open(source: Source, limits: Limits) -> Result<Self, Error> {
        let mut bytes = [0; FOOTER_BYTES];
        source.read(&mut bytes, 0)?;
        let is_at_start = bytes.starts_with(b"conectix");
        if !is_at_start {
            let end = source
                .size()
                .saturating_sub(bytes.len().try_into().unwrap_or(0));
            source.read_exact(&mut bytes, end, "it ends inside the footer")?;
        }
        let Some(footer) = Footer::new(&bytes) else {
            return Err(source.corrupt("it has no footer, or the footer's checksum is wrong", 0));
        };
        if footer.size > limits.size_bytes {
            return Err(source.too_large("disk", footer.size, limits.size_bytes));
        }
        let blocks = match footer.kind {
            2 if !is_at_start => {
                let room = source.size().saturating_sub(SECTOR);
                if room < footer.size {
                    return Err(source.corrupt("a file that is shorter than the disk", room));
                }
                None
            }
            3 | 4 if is_at_start => Some(Dynamic::read(&source, &footer, limits)?),
            2..=4 => return Err(source.corrupt("a footer that is not where it belongs", 0)),
            kind => {
                return Err(Error::Unknown {
                    format: Format::Vhd,
                    what: "type",
                    number: kind.into(),
                });
            }
        };
        Ok(Self {
            source,
            size: footer.size,
            blocks,
        })
    }
}

impl Dynamic {
    fn read(source: &Source, footer: &Footer, limits: Limits) -> Result<Self, Error> {
        let at = footer.header_offset;
        let mut bytes = [0; HEADER_BYTES];
        source.read_exact(&mut bytes, at, "it ends inside the header")?;
        if !bytes.starts_with(b"cxsparse") || !has_checksum(&bytes, 36) {
            return Err(source.corrupt("it has no header, or the header's checksum is wrong", at));
        }
        if footer.kind == 4 {
            return Err(Error::OtherFile {
                format: Format::Vhd,
                what: "parent",
                name: ForeignName::from_utf16(
                    bytes.get(64..576).unwrap_or(&[]),
                    u16::from_be_bytes,
                ),
            });
        }
        let table_offset = u64::from_be_bytes(field(&bytes, 16));
        let entries = u64::from(u32::from_be_bytes(field(&bytes, 28)));
        let block_bytes = u64::from(u32::from_be_bytes(field(&bytes, 32)));
        if !block_bytes.is_power_of_two() || block_bytes < SECTOR {
            return Err(source.corrupt("blocks of an impossible size", at));
        }
        let needed = footer.size.div_ceil(block_bytes);
        if entries < needed {
            return Err(source.corrupt("a table that is too short for the disk", at));
        }
        let table_bytes = needed.saturating_mul(4);
        if table_bytes > limits.table_bytes {
            return Err(source.too_large("table", table_bytes, limits.table_bytes));
        }
        let name = "the table is not all there";
        Ok(Self {
            block_bytes,
            table: Table::new(source, table_offset, (needed, 4), name)?,
        })
    }

    /// Bytes of the bitmap before each block: a bit a sector, in whole sectors.
    fn bitmap_bytes(&self) -> u64 {
        let bytes = (self.block_bytes / SECTOR).div_ceil(8);
        bytes.next_multiple_of(SECTOR)
    }
}

impl Disk for Image {
    fn size(&self) -> u64 {
        self.size
    }

    fn extents(&self) -> Box<dyn Iterator<Item = Result<Extent, Error>> + Send + '_> {
        let mut table = self.blocks.as_ref().map(|blocks| Window::new(blocks.table));
        let bitmap_bytes = self.blocks.as_ref().map_or(0, Dynamic::bitmap_bytes);
        let locate = move |index| {
            let Some(table) = &mut table else {
                return Ok(Some(0));
            };
            let sector = u32::from_be_bytes(table.entry(&self.source, index)?);
            match sector {
                FREE => Ok(None),
                0 => Err(self
                    .source
                    .corrupt("a block stands inside the footer", table.offset(index))),
                sector => {
                    let start = u64::from(sector).saturating_mul(SECTOR);
                    Ok(Some(start.saturating_add(bitmap_bytes)))
                }
            }
        };
        let map = Blocks {
            source: &self.source,
            size: self.size,
            block_bytes: self.blocks.as_ref().map_or(self.size, |b| b.block_bytes),
            locate,
        };
        Box::new(Walk::new(map, self.size))
    }

    fn unpack(&self, packed: &Packed, _buffer: &mut [u8]) -> Result<(), Error> {
        Err(Error::not_packed(packed))
    }
}
