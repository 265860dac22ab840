//! An image, read.

use super::super::inflate;
use super::super::source::Source;
use super::super::table::{Table, Window, field};
use super::super::walk::{Map, Walk};
use super::super::{Content, Disk, Error, Extent, Limits, Packed};
use super::entry::{self, Cluster};
use super::header::Header;

/// Parts of a cluster with extended L2 entries, as a power of two.
const PARTS_BITS: u32 = 5;

/// A qcow2 image that needs no other file.
#[derive(Debug)]
pub(in super::super) struct Image {
    source: Source,
    header: Header,
    l1: Table,
}

impl Image {
    pub(in super::super) fn open(source: Source, limits: Limits) -> Result<Self, Error> {
        let header = Header::read(&source, limits)?;
        let l1 = Table::new(
            &source,
            header.l1_offset,
            (header.l1_entries, 8),
            "the L1 table is not all there",
        )?;
        Ok(Self { source, header, l1 })
    }

    fn cluster_bytes(&self) -> u64 {
        1 << self.header.cluster_bits
    }
}

impl Disk for Image {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn extents(&self) -> Box<dyn Iterator<Item = Result<Extent, Error>> + Send + '_> {
        let clusters = self.source.size().div_ceil(self.cluster_bytes());
        let map = Tables {
            image: self,
            l1: Window::new(self.l1),
            l2: L2::Before,
            l2_left: clusters,
        };
        Box::new(Walk::new(map, self.header.size))
    }

    fn unpack(&self, packed: &Packed, buffer: &mut [u8]) -> Result<(), Error> {
        inflate::unpack(&self.source, packed, buffer)
    }
}

/// The map of an image.
struct Tables<'a> {
    image: &'a Image,
    l1: Window,
    l2: L2,
    /// How many L2 tables there may still be. Each has a cluster of its own in the file, so the work
    /// for all of them is bounded by the file's size, whatever the L1 table says.
    l2_left: u64,
}

/// The L2 table in use.
enum L2 {
    /// None was asked for.
    Before,
    /// There is none for this number of the L1 table.
    Missing(u64),
    /// That of this number.
    Found(u64, Window),
}

impl Tables<'_> {
    /// Goes to the L2 table of a number.
    fn go(&mut self, index: u64) -> Result<(), Error> {
        match self.l2 {
            L2::Missing(at) | L2::Found(at, _) if at == index => return Ok(()),
            _ => {}
        }
        let Image { source, header, .. } = self.image;
        let place = index.saturating_mul(8).saturating_add(header.l1_offset);
        let corrupt = |what| source.corrupt(what, place);
        let entry = u64::from_be_bytes(self.l1.entry(source, index)?);
        let cluster = self.image.cluster_bytes();
        self.l2 = match entry::l1(entry, cluster).map_err(corrupt)? {
            None => L2::Missing(index),
            Some(offset) => {
                self.l2_left = self
                    .l2_left
                    .checked_sub(1)
                    .ok_or_else(|| corrupt("more L2 tables than the file has room for"))?;
                let entries = if header.extended {
                    (cluster >> 4, 16)
                } else {
                    (cluster >> 3, 8)
                };
                let table = Table::new(source, offset, entries, "an L2 table is not all there")?;
                L2::Found(index, Window::new(table))
            }
        };
        Ok(())
    }

    /// What the cluster of a number within its L2 table is; `None` without a table.
    fn cluster(&mut self, index: u64) -> Result<Option<Cluster>, Error> {
        let Image { source, header, .. } = self.image;
        let L2::Found(_, window) = &mut self.l2 else {
            return Ok(None);
        };
        let place = window.offset(index);
        let cluster = if header.extended {
            let entry: [u8; 16] = window.entry(source, index)?;
            let parts = (
                u32::from_be_bytes(field(&entry, 8)),
                u32::from_be_bytes(field(&entry, 12)),
            );
            let entry = u64::from_be_bytes(field(&entry, 0));
            Cluster::extended(entry, parts, header.cluster_bits)
        } else {
            let entry = u64::from_be_bytes(window.entry(source, index)?);
            Cluster::new(entry, header.cluster_bits)
        };
        let cluster = cluster.map_err(|what| source.corrupt(what, place))?;
        let (Cluster::Stored(offset)
        | Cluster::Packed { offset, .. }
        | Cluster::Parts { offset, .. }) = cluster
        else {
            return Ok(Some(cluster));
        };
        if offset < self.image.cluster_bytes() {
            return Err(source.corrupt("a cluster stands inside the header", place));
        }
        if offset >= source.size() {
            return Err(source.corrupt("a cluster stands beyond the end of the file", place));
        }
        Ok(Some(cluster))
    }

    /// What is from `inside` a cluster on that stands at an offset, for `length` bytes. Of the last
    /// cluster of a file only the beginning may be there; the rest is zeros, as for QEMU.
    fn stored(&self, offset: u64, inside: u64, length: u64) -> (u64, Content) {
        let offset = offset.saturating_add(inside);
        match self.image.source.inside(offset, length) {
            0 => (length, Content::Hole),
            there => (there, Content::Stored { offset }),
        }
    }

    /// As [`Tables::stored`], for as many parts of a cluster as are alike.
    fn parts(&self, offset: u64, stored: u32, inside: u64) -> (u64, Content) {
        let part_bits = self.image.header.cluster_bits.saturating_sub(PARTS_BITS);
        let first = u32::try_from(inside >> part_bits.min(63)).unwrap_or(u32::MAX);
        let bits = stored.checked_shr(first).unwrap_or(0);
        let is_stored = bits & 1 != 0;
        let alike = if is_stored {
            bits.trailing_ones()
        } else {
            bits.trailing_zeros()
        };
        let end = first.saturating_add(alike).min(1 << PARTS_BITS);
        let length = (u64::from(end) << part_bits.min(63)).saturating_sub(inside);
        if is_stored {
            self.stored(offset, inside, length)
        } else {
            (length, Content::Hole)
        }
    }
}

impl Map for Tables<'_> {
    fn at(&mut self, offset: u64) -> Result<(u64, Content), Error> {
        let header = self.image.header;
        let (cover, cluster) = (1u64 << header.l2_cover_bits(), self.image.cluster_bytes());
        self.go(offset >> header.l2_cover_bits())?;
        let inside_table = offset & cover.wrapping_sub(1);
        let inside = offset & cluster.wrapping_sub(1);
        let left = cluster.saturating_sub(inside);
        Ok(match self.cluster(inside_table >> header.cluster_bits)? {
            None => (cover.saturating_sub(inside_table), Content::Hole),
            Some(Cluster::Hole) => (left, Content::Hole),
            Some(Cluster::Stored(offset)) => self.stored(offset, inside, left),
            Some(Cluster::Parts { offset, stored }) => self.parts(offset, stored, inside),
            Some(Cluster::Packed { offset, length }) => (
                left,
                Content::Packed(Packed {
                    offset,
                    length,
                    unpacked: cluster,
                    packing: header.packing,
                }),
            ),
        })
    }
}
