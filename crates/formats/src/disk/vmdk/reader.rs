//! An image, read.

use super::super::inflate::{self, Packing};
use super::super::source::Source;
use super::super::table::{Table, Window};
use super::super::walk::{Map, Walk};
use super::super::{Content, Disk, Error, Extent, Limits, Packed};
use super::header::{Grains, Header, SECTOR};

/// A VMDK image that is whole in its file.
#[derive(Debug)]
pub(in super::super) struct Image {
    source: Source,
    header: Header,
    directory: Table,
}

impl Image {
    pub(in super::super) fn open(source: Source, limits: Limits) -> Result<Self, Error> {
        let header = Header::read(&source, limits)?;
        let directory = Table::new(
            &source,
            header.directory_offset,
            (header.tables(), 4),
            "the directory is not all there",
        )?;
        Ok(Self {
            source,
            header,
            directory,
        })
    }
}

impl Disk for Image {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn extents(&self) -> Box<dyn Iterator<Item = Result<Extent, Error>> + Send + '_> {
        let table_bytes = self.header.table_entries.saturating_mul(4).max(1);
        let map = Tables {
            image: self,
            directory: Window::new(self.directory),
            table: None,
            tables_left: self.source.size().div_ceil(table_bytes),
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
    directory: Window,
    /// The table in use: its number, and the table, if there is one.
    table: Option<(u64, Option<Window>)>,
    /// How many tables there may still be. Each has a place of its own in the file, so the work for
    /// all of them is bounded by the file's size, whatever the directory says.
    tables_left: u64,
}

impl Tables<'_> {
    /// The table of a number; `None` if there is none.
    fn table(&mut self, number: u64) -> Result<Option<&mut Window>, Error> {
        let source = &self.image.source;
        if self.table.as_ref().is_none_or(|(at, _)| *at != number) {
            let sector = u32::from_le_bytes(self.directory.entry(source, number)?);
            let window = if sector == 0 {
                None
            } else {
                let place = self.directory.offset(number);
                self.tables_left = self.tables_left.checked_sub(1).ok_or_else(|| {
                    source.corrupt("more tables than the file has room for", place)
                })?;
                let offset = u64::from(sector).saturating_mul(SECTOR);
                let entries = (self.image.header.table_entries, 4);
                let table = Table::new(source, offset, entries, "a table is not all there")?;
                Some(Window::new(table))
            };
            self.table = Some((number, window));
        }
        Ok(self.table.as_mut().and_then(|(_, window)| window.as_mut()))
    }
}

impl Map for Tables<'_> {
    fn at(&mut self, offset: u64) -> Result<(u64, Content), Error> {
        let Image { source, header, .. } = self.image;
        let cover = header.table_cover();
        let inside_table = offset.checked_rem(cover).unwrap_or(0);
        let number = offset.checked_div(cover).unwrap_or(0);
        let Some(table) = self.table(number)? else {
            return Ok((cover.saturating_sub(inside_table), Content::Hole));
        };
        let grain = header.grain_bytes;
        let index = inside_table.checked_div(grain).unwrap_or(0);
        let sector = u32::from_le_bytes(table.entry(source, index)?);
        let place = table.offset(index);
        // Every answer ends with a grain, so each question begins with one.
        let length = grain.min(header.size.saturating_sub(offset));
        let start = u64::from(sector).saturating_mul(SECTOR);
        match (sector, header.grains) {
            (0, _) => return Ok((length, Content::Hole)),
            (1, _) if header.has_zeroed => return Ok((length, Content::Hole)),
            _ if start >= source.size() => {
                return Err(source.corrupt("a grain stands beyond the end of the file", place));
            }
            (1, _) => return Err(source.corrupt("a grain stands inside the header", place)),
            (_, Grains::Plain) if source.inside(start, length) < length => {
                return Err(source.corrupt("a grain reaches beyond the end of the file", place));
            }
            (_, Grains::Plain) => return Ok((length, Content::Stored { offset: start })),
            (_, Grains::Packed { .. }) => {}
        }
        let marked = Packing::Grain {
            sector: offset / SECTOR,
        };
        let packing = match header.grains {
            Grains::Packed { has_marker: true } => marked,
            _ => Packing::Zlib,
        };
        let packed = Packed {
            offset: start,
            length: header.packed_bytes(),
            unpacked: grain,
            packing,
        };
        Ok((length, Content::Packed(packed)))
    }
}
