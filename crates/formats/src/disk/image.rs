//! Any image, opened.

use super::source::Source;
use super::{Error, Extent, Format, Packed, ReadAt, qcow2, raw, vdi, vhd, vhdx, vmdk};

/// What one image may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest disk, in bytes. By default what an offset in a file can name; a caller that knows the
    /// room it has sets less.
    pub size_bytes: u64,
    /// Largest first table (qcow2: L1; vmdk: grain directory; vhd, vhdx: block allocation table; vdi:
    /// block map), in bytes. It is read piece by piece and must stand in the file, so this bounds
    /// time. A vhdx of 64 TiB, the largest there is, with the smallest blocks has 512 MiB.
    pub table_bytes: u64,
    /// Largest piece that is held in memory: a second table, a packed piece before and after it is
    /// unpacked, in bytes. The largest cluster of qcow2 has 2 MiB.
    pub piece_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size_bytes: i64::MAX.unsigned_abs(),
            table_bytes: 520 << 20,
            piece_bytes: 4 << 20,
        }
    }
}

/// A disk in an image.
pub trait Disk: Send + Sync {
    /// How large the disk is, in bytes.
    fn size(&self) -> u64;

    /// The whole disk, from byte 0 to its size, in order and without a gap. Neighbours that are
    /// alike come as one. After an error nothing follows.
    ///
    /// # Errors
    /// Each item: [`Error::Corrupt`], [`Error::Unsupported`] and [`Error::TooLarge`] for tables, and
    /// [`Error::Io`].
    fn extents(&self) -> Box<dyn Iterator<Item = Result<Extent, Error>> + Send + '_>;

    /// Unpacks a piece that [`Disk::extents`] of this disk gave. The buffer has exactly the extent's
    /// length.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the bytes unpack to more or less than the piece, or not at all;
    /// [`Error::Misuse`] for a buffer that is longer than the piece; [`Error::Io`].
    fn unpack(&self, packed: &Packed, buffer: &mut [u8]) -> Result<(), Error>;
}

/// Opens an image: reads and checks its header.
///
/// # Errors
/// [`Error::Unsupported`], [`Error::Unknown`] and [`Error::OtherFile`] for what is not read here,
/// [`Error::Corrupt`], [`Error::TooLarge`], [`Error::Io`].
pub fn open(format: Format, file: Box<dyn ReadAt>, limits: Limits) -> Result<Box<dyn Disk>, Error> {
    let source = Source::new(file, format);
    Ok(match format {
        Format::Raw => Box::new(raw::Image::open(source, limits)?),
        Format::Qcow2 => Box::new(qcow2::Image::open(source, limits)?),
        Format::Vmdk => Box::new(vmdk::Image::open(source, limits)?),
        Format::Vhd => Box::new(vhd::Image::open(source, limits)?),
        Format::Vhdx => Box::new(vhdx::Image::open(source, limits)?),
        Format::Vdi => Box::new(vdi::Image::open(source, limits)?),
    })
}
