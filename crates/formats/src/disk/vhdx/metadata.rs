//! The metadata: what the disk is like.

use super::super::source::Source;
use super::super::table::field;
use super::super::{Error, ForeignName, Format};
use super::header::Region;

/// Bytes of the metadata's own table.
const TABLE_BYTES: usize = 64 << 10;
/// Bytes of its entries, and of what is before them.
const ENTRY_BYTES: usize = 32;
/// Most entries, by the specification.
const ENTRIES_MAX: u16 = 2047;
/// Most bytes of a list of parents that are searched for a name to say. A path has at most 64 KiB
/// there, and the list at most 64 Ki entries, which real ones are far from.
const LOCATOR_MAX: u32 = 64 << 10;
/// Bytes of the list's header, and of its entries.
const LOCATOR_HEADER: usize = 20;
const LOCATOR_ENTRY: usize = 12;
/// Largest disk, in bytes, by the specification: 64 TiB.
const SIZE_MAX: u64 = 64 << 40;

/// File parameters: CAA16737-FA36-4D43-B3B6-33F0AA44E76B.
const PARAMETERS: [u8; 16] = 0x6be7_44aa_f033_b6b3_4d43_fa36_caa1_6737u128.to_le_bytes();
/// Size of the disk: 2FA54224-CD1B-4876-B211-5DBED83BF4B8.
const SIZE: [u8; 16] = 0xb8f4_3bd8_be5d_11b2_4876_cd1b_2fa5_4224u128.to_le_bytes();
/// Size of a logical sector: 8141BF1D-A96F-4709-BA47-F233A8FAAB5F.
const LOGICAL: [u8; 16] = 0x5fab_faa8_33f2_47ba_4709_a96f_8141_bf1du128.to_le_bytes();
/// Size of a physical sector: CDA348C7-445D-4471-9CC9-E9885251C556.
const PHYSICAL: [u8; 16] = 0x56c5_5152_88e9_c99c_4471_445d_cda3_48c7u128.to_le_bytes();
/// The disk's identifier: BECA12AB-B2E6-4523-93EF-C309E000C746.
const IDENTIFIER: [u8; 16] = 0x46c7_00e0_09c3_ef93_4523_b2e6_beca_12abu128.to_le_bytes();
/// The list of parents: A8D35F2D-B30B-454D-ABF7-D3D84834AB0C.
const LOCATOR: [u8; 16] = 0x0cab_3448_d8d3_f7ab_454d_b30b_a8d3_5f2du128.to_le_bytes();

/// What the disk is like, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metadata {
    /// Size of the disk, in bytes.
    pub(super) size: u64,
    /// Size of a block, in bytes: 1 MiB to 256 MiB, a power of two.
    pub(super) block_bytes: u64,
    /// Size of a sector, in bytes: 512 or 4096.
    pub(super) sector_bytes: u64,
}

/// Where items are in the file, and how long.
#[derive(Default)]
struct Items {
    parameters: Option<(u64, u32)>,
    size: Option<(u64, u32)>,
    logical: Option<(u64, u32)>,
    locator: Option<(u64, u32)>,
}

impl Metadata {
    pub(super) fn read(source: &Source, region: Region) -> Result<Self, Error> {
        let items = Items::read(source, region)?;
        let what = "metadata that are not all there";
        let refuse = |what| Err(source.corrupt(what, region.offset));
        let (Some(parameters), Some(size), Some(logical)) =
            (items.parameters, items.size, items.logical)
        else {
            return refuse("metadata without the size of disk, blocks or sectors");
        };
        let mut bytes = [0; 8];
        source.read_exact(&mut bytes, parameters.0, what)?;
        let block_bytes = u64::from(u32::from_le_bytes(field(&bytes, 0)));
        let flags = u32::from_le_bytes(field(&bytes, 4));
        if flags & 2 != 0 {
            return Err(Error::OtherFile {
                format: Format::Vhdx,
                what: "parent",
                name: items.parent(source)?,
            });
        }
        source.read_exact(&mut bytes, size.0, what)?;
        let size = u64::from_le_bytes(bytes);
        let mut bytes = [0; 4];
        source.read_exact(&mut bytes, logical.0, what)?;
        let sector_bytes = u64::from(u32::from_le_bytes(bytes));
        if !(1 << 20..=256 << 20).contains(&block_bytes) || !block_bytes.is_power_of_two() {
            return refuse("blocks of an impossible size");
        }
        if sector_bytes != 512 && sector_bytes != 4096 {
            return refuse("sectors of another size than 512 or 4096");
        }
        if size > SIZE_MAX || !size.is_multiple_of(sector_bytes) {
            return refuse("a disk of an impossible size");
        }
        Ok(Self {
            size,
            block_bytes,
            sector_bytes,
        })
    }
}

impl Items {
    fn read(source: &Source, region: Region) -> Result<Self, Error> {
        let refuse = |what| Err(source.corrupt(what, region.offset));
        let mut bytes = vec![0; TABLE_BYTES];
        let what = "metadata that are not all there";
        source.read_exact(&mut bytes, region.offset, what)?;
        let count = u16::from_le_bytes(field(&bytes, 10));
        if !bytes.starts_with(b"metadata") || count > ENTRIES_MAX {
            return refuse("metadata without their mark, or with too many entries");
        }
        let mut items = Self::default();
        let entries = bytes.chunks_exact(ENTRY_BYTES).skip(1);
        for entry in entries.take(count.into()) {
            let (offset, length, flags) = (
                u64::from(u32::from_le_bytes(field(entry, 16))),
                u32::from_le_bytes(field(entry, 20)),
                u32::from_le_bytes(field(entry, 24)),
            );
            let (is_user, is_required) = (flags & 1 != 0, flags & 4 != 0);
            let place = match field(entry, 0) {
                _ if is_user && !is_required => continue,
                PARAMETERS => &mut items.parameters,
                SIZE => &mut items.size,
                LOGICAL => &mut items.logical,
                LOCATOR => &mut items.locator,
                PHYSICAL | IDENTIFIER => continue,
                _ if is_required => {
                    return Err(source.unsupported(
                        "metadata that must be understood and are not known",
                        "make a plain one of it with qemu-img convert",
                    ));
                }
                _ => continue,
            };
            let end = offset.saturating_add(length.into());
            if end > region.length {
                return refuse("metadata outside their region");
            }
            let offset = region.offset.saturating_add(offset);
            if place.replace((offset, length)).is_some() {
                return refuse("metadata with an entry twice");
            }
        }
        Ok(items)
    }

    /// The name of the parent, if there is one in the list of parents.
    fn parent(&self, source: &Source) -> Result<ForeignName, Error> {
        let (at, length) = self.locator.unwrap_or_default();
        let length = usize::try_from(length.min(LOCATOR_MAX)).unwrap_or(0);
        let mut bytes = vec![0; length];
        let filled = source.read(&mut bytes, at)?;
        bytes.truncate(filled);
        let count = u16::from_le_bytes(field(&bytes, 18));
        let entries = bytes.get(LOCATOR_HEADER..).unwrap_or(&[]);
        let names = entries.chunks_exact(LOCATOR_ENTRY).take(count.into());
        let text = |at: u32, length: u16| {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let text = bytes.get(at..at.saturating_add(length.into()));
            text.unwrap_or(&[])
        };
        for entry in names {
            let number = |at| u32::from_le_bytes(field(entry, at));
            let short = |at| u16::from_le_bytes(field(entry, at));
            let key = text(number(0), short(8)).iter().filter(|byte| **byte != 0);
            let key: Vec<u8> = key.copied().collect();
            if key == b"relative_path" || key == b"absolute_win32_path" {
                let value = text(number(4), short(10));
                return Ok(ForeignName::from_utf16(value, u16::from_le_bytes));
            }
        }
        Ok(ForeignName::new(b""))
    }
}
