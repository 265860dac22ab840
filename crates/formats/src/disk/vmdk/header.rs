//! The header, and its copy at the end.

use super::super::source::Source;
use super::super::table::field;
use super::super::{Error, Format, Limits, SNIFF_BYTES, sniff};
use super::description;

/// The unit of the file, in bytes.
pub(super) const SECTOR: u64 = 512;
/// Bytes of a header.
const BYTES: usize = 512;
/// The directory is at the end: the header there says where.
const AT_END: u64 = u64::MAX;
/// Where the header at the end is, in bytes before the end: the mark of the end follows it.
const FOOTER: u64 = 1024;
/// Most entries of a table: what the specification fixes, and what QEMU takes at most.
const ENTRIES_MAX: u32 = 512;

/// Bits of the flags.
mod flag {
    /// The line ends in the header show whether the file was changed on its way.
    pub(super) const LINE_ENDS: u32 = 1 << 0;
    /// Entry 1 means zeros.
    pub(super) const ZEROED: u32 = 1 << 2;
    /// Packed grains say where they belong and how long they are.
    pub(super) const MARKERS: u32 = 1 << 17;
}

/// The header as it stands in the file.
#[derive(Clone, Copy)]
struct RawHeader {
    version: u32,
    flags: u32,
    sectors: u64,
    grain_sectors: u64,
    description_offset: u64,
    description_sectors: u64,
    table_entries: u32,
    directory_offset: u64,
    line_ends: [u8; 4],
    compression: u16,
}

impl RawHeader {
    fn new(bytes: &[u8]) -> Self {
        let number = |at| u64::from_le_bytes(field(bytes, at));
        Self {
            version: u32::from_le_bytes(field(bytes, 4)),
            flags: u32::from_le_bytes(field(bytes, 8)),
            sectors: number(12),
            grain_sectors: number(20),
            description_offset: number(28),
            description_sectors: number(36),
            table_entries: u32::from_le_bytes(field(bytes, 44)),
            directory_offset: number(56),
            line_ends: field(bytes, 73),
            compression: u16::from_le_bytes(field(bytes, 77)),
        }
    }

    /// The header at an offset.
    fn read(source: &Source, at: u64) -> Result<Self, Error> {
        let mut bytes = [0; BYTES];
        source.read_exact(&mut bytes, at, "it ends inside the header")?;
        if !bytes.starts_with(b"KDMV") {
            return Err(source.corrupt("there is no header where one belongs", at));
        }
        Ok(Self::new(&bytes))
    }
}

/// How grains stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grains {
    /// As they are.
    Plain,
    /// Packed; with their place and length before them, or without.
    Packed { has_marker: bool },
}

/// A header that was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Size of the disk, in bytes.
    pub(super) size: u64,
    /// Size of a grain, in bytes; a power of two.
    pub(super) grain_bytes: u64,
    /// Entries of a table; not 0.
    pub(super) table_entries: u64,
    /// Where the directory is, in bytes.
    pub(super) directory_offset: u64,
    pub(super) grains: Grains,
    /// Whether entry 1 means zeros.
    pub(super) has_zeroed: bool,
}

impl Header {
    pub(super) fn read(source: &Source, limits: Limits) -> Result<Self, Error> {
        let mut start = [0; SNIFF_BYTES];
        let length = source.read(&mut start, 0)?;
        let start = start.get(..length).unwrap_or(&[]);
        if start.starts_with(b"COWD") {
            return Err(source.unsupported(
                "the form of old ESX servers",
                "make another of it with qemu-img convert",
            ));
        }
        if !start.starts_with(b"KDMV") {
            if sniff(start) == Format::Vmdk {
                description::check(source, (0, source.size()), true)?;
            }
            return Err(source.corrupt("it does not begin with the magic", 0));
        }
        let first = RawHeader::read(source, 0)?;
        first.check_ours(source)?;
        let offset = first.description_offset.saturating_mul(SECTOR);
        let length = match first.description_offset {
            0 => 0,
            _ => first.description_sectors.saturating_mul(SECTOR),
        };
        description::check(source, (offset, length), false)?;
        let raw = if first.directory_offset == AT_END {
            let at = source.size().saturating_sub(FOOTER);
            let last = RawHeader::read(source, at)?;
            last.check_ours(source)?;
            last
        } else {
            first
        };
        raw.check(source, limits)
    }

    /// Bytes of the disk that one table covers.
    pub(super) fn table_cover(&self) -> u64 {
        self.grain_bytes.saturating_mul(self.table_entries)
    }

    /// How many tables the disk has.
    pub(super) fn tables(&self) -> u64 {
        self.size.div_ceil(self.table_cover().max(1))
    }

    /// The most bytes of a packed grain: deflate adds a few to what does not get smaller.
    pub(super) fn packed_bytes(&self) -> u64 {
        let more = self.grain_bytes / 8;
        self.grain_bytes.saturating_add(more).saturating_add(512)
    }
}

impl RawHeader {
    /// Whether the file is of a kind that we read, and came here unchanged.
    fn check_ours(&self, source: &Source) -> Result<(), Error> {
        if !(1..=3).contains(&self.version) {
            return Err(Error::Unknown {
                format: Format::Vmdk,
                what: "version",
                number: self.version.into(),
            });
        }
        if self.flags & flag::LINE_ENDS != 0 && self.line_ends != *b"\n \r\n" {
            return Err(source.corrupt("it was transferred as text", 73));
        }
        Ok(())
    }

    fn check(&self, source: &Source, limits: Limits) -> Result<Header, Error> {
        let refuse = |what, at| Err(source.corrupt(what, at));
        let grains = match self.compression {
            0 => Grains::Plain,
            1 => Grains::Packed {
                has_marker: self.flags & flag::MARKERS != 0,
            },
            other => {
                return Err(Error::Unknown {
                    format: Format::Vmdk,
                    what: "kind of compression",
                    number: other.into(),
                });
            }
        };
        // Without a size the disk would stand in other files, of which the description says nothing.
        let size = self.sectors.checked_mul(SECTOR).filter(|size| *size > 0);
        let Some(size) = size else {
            return refuse("a disk of an impossible size", 12);
        };
        if size > limits.size_bytes {
            return Err(source.too_large("disk", size, limits.size_bytes));
        }
        let grain_bytes = self.grain_sectors.saturating_mul(SECTOR);
        if !grain_bytes.is_power_of_two() {
            return refuse("grains of an impossible size", 20);
        }
        if !(1..=ENTRIES_MAX).contains(&self.table_entries) {
            return refuse("tables with an impossible number of entries", 44);
        }
        let header = Header {
            size,
            grain_bytes,
            table_entries: self.table_entries.into(),
            directory_offset: self.directory_offset.saturating_mul(SECTOR),
            grains,
            has_zeroed: self.flags & flag::ZEROED != 0,
        };
        if grains != Grains::Plain && header.packed_bytes() > limits.piece_bytes {
            return Err(source.too_large("grain", grain_bytes, limits.piece_bytes));
        }
        let directory_bytes = header.tables().saturating_mul(4);
        if directory_bytes > limits.table_bytes {
            return Err(source.too_large("directory", directory_bytes, limits.table_bytes));
        }
        if header.tables() > 0 && self.directory_offset == 0 {
            return refuse("the directory stands inside the header", 56);
        }
        Ok(header)
    }
}
