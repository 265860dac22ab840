//! VirtualBox's format: blocks, found by one map.
//!
//! ```text
//! 0x40 signature 0xbeda107f · 0x44 version · 0x4c type · 0x154 offset of the map · 0x158 of the blocks
//! 0x168 sector size · 0x170 size of the disk · 0x178 of a block · 0x180 number of blocks
//! 0x1a8 image this one follows · 0x1b8 image this one changes
//! map: 4 bytes for each block, its number in the file
//! ```
//!
//! # Source
//! `src/VBox/Storage/VDICore.h` of VirtualBox; block/vdi.c of QEMU.

use super::blocks::Blocks;
use super::source::Source;
use super::table::{Table, Window, field};
use super::walk::Walk;
use super::{Disk, Error, Extent, ForeignName, Format, Limits, Packed};
use std::fmt::Write as _;

/// Bytes of a header of version 1.1 that are looked at.
const HEADER_BYTES: usize = 0x1c8;
/// The one version that is in use: 1.1, written since 2007.
const VERSION: u32 = 0x0001_0001;
/// The unit of everything in the file, in bytes.
const SECTOR: u64 = 512;
/// The block was never written.
const FREE: u32 = 0xffff_ffff;
/// The block is all zeros.
const ZERO: u32 = 0xffff_fffe;

/// The header as it stands in the file.
struct RawHeader {
    signature: u32,
    version: u32,
    kind: u32,
    map_offset: u32,
    data_offset: u32,
    sector_bytes: u32,
    size: u64,
    block_bytes: u32,
    block_extra: u32,
    blocks: u32,
    previous: [u8; 16],
    parent: [u8; 16],
}

impl RawHeader {
    fn new(bytes: &[u8]) -> Self {
        let number = |at| u32::from_le_bytes(field(bytes, at));
        Self {
            signature: number(0x40),
            version: number(0x44),
            kind: number(0x4c),
            map_offset: number(0x154),
            data_offset: number(0x158),
            sector_bytes: number(0x168),
            size: u64::from_le_bytes(field(bytes, 0x170)),
            block_bytes: number(0x178),
            block_extra: number(0x17c),
            blocks: number(0x180),
            previous: field(bytes, 0x1a8),
            parent: field(bytes, 0x1b8),
        }
    }
}

/// A VDI image that needs no other.
#[derive(Debug)]
pub(super) struct Image {
    source: Source,
    size: u64,
    block_bytes: u64,
    data_offset: u64,
    map: Table,
}

impl Image {
    pub(super) fn open(source: Source, limits: Limits) -> Result<Self, Error> {
        let mut bytes = [0; HEADER_BYTES];
        source.read_exact(&mut bytes, 0, "it ends inside the header")?;
        let raw = RawHeader::new(&bytes);
        raw.refuse_unsupported(&source)?;
        let refuse = |what, at| Err(source.corrupt(what, at));
        if u64::from(raw.sector_bytes) != SECTOR {
            return refuse("sectors of another size than 512", 0x168);
        }
        // VirtualBox uses 1 MiB; less than a sector cannot be.
        let block_bytes = u64::from(raw.block_bytes);
        if !block_bytes.is_power_of_two() || block_bytes < SECTOR {
            return refuse("blocks of an impossible size", 0x178);
        }
        let (map_offset, data_offset) = (raw.map_offset.into(), u64::from(raw.data_offset));
        if !data_offset.is_multiple_of(SECTOR) || data_offset < SECTOR {
            return refuse("blocks that begin where none can", 0x158);
        }
        // Tools have written odd sizes; QEMU rounds them up too.
        let size = raw.size.checked_next_multiple_of(SECTOR);
        let size = size.ok_or_else(|| source.corrupt("an impossible size", 0x170))?;
        if size > limits.size_bytes {
            return Err(source.too_large("disk", size, limits.size_bytes));
        }
        let blocks = size.div_ceil(block_bytes);
        if u64::from(raw.blocks) < blocks {
            return refuse("a map that is too short for the disk", 0x180);
        }
        let map_bytes = blocks.saturating_mul(4);
        if map_bytes > limits.table_bytes {
            return Err(source.too_large("map", map_bytes, limits.table_bytes));
        }
        let map = Table::new(&source, map_offset, (blocks, 4), "the map is not all there")?;
        Ok(Self {
            source,
            size,
            block_bytes,
            data_offset,
            map,
        })
    }
}

impl RawHeader {
    fn refuse_unsupported(&self, source: &Source) -> Result<(), Error> {
        let unknown = |what, number: u32| Error::Unknown {
            format: Format::Vdi,
            what,
            number: number.into(),
        };
        if self.signature != 0xbeda_107f {
            return Err(source.corrupt("it has no signature", 0x40));
        }
        if self.version != VERSION {
            return Err(unknown("version", self.version));
        }
        let mut others = [self.parent, self.previous].into_iter();
        let parent = others.find(|uuid| *uuid != [0; 16]);
        match (self.kind, parent) {
            (1 | 2, None) => {}
            (1..=4, parent) => {
                return Err(Error::OtherFile {
                    format: Format::Vdi,
                    what: "parent",
                    name: uuid_name(parent.unwrap_or_default()),
                });
            }
            (kind, _) => return Err(unknown("type", kind)),
        }
        if self.block_extra != 0 {
            return Err(source.unsupported(
                "more than data in its blocks",
                "make a plain one of it with VBoxManage clonemedium",
            ));
        }
        Ok(())
    }
}

/// VirtualBox finds parents by their identifier only.
fn uuid_name(uuid: [u8; 16]) -> ForeignName {
    let mut text = String::from("UUID ");
    for byte in uuid {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").unwrap_or(());
    }
    ForeignName::new(text.as_bytes())
}

impl Disk for Image {
    fn size(&self) -> u64 {
        self.size
    }

    fn extents(&self) -> Box<dyn Iterator<Item = Result<Extent, Error>> + Send + '_> {
        let mut map = Window::new(self.map);
        let locate = move |index| {
            let number = u32::from_le_bytes(map.entry(&self.source, index)?);
            Ok(match number {
                FREE | ZERO => None,
                number => {
                    let inside = u64::from(number).saturating_mul(self.block_bytes);
                    Some(self.data_offset.saturating_add(inside))
                }
            })
        };
        let map = Blocks {
            source: &self.source,
            size: self.size,
            block_bytes: self.block_bytes,
            locate,
        };
        Box::new(Walk::new(map, self.size))
    }

    fn unpack(&self, packed: &Packed, _buffer: &mut [u8]) -> Result<(), Error> {
        Err(Error::not_packed(packed))
    }
}
