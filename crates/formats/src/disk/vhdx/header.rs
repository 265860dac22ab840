//! The two headers, and the two copies of the region table.

use super::super::source::Source;
use super::super::table::field;
use super::super::{Error, Format};
use super::crc::crc32c;

/// Where the headers are, in bytes.
const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
/// Bytes of a header, all under its checksum.
const HEADER_BYTES: usize = 4096;
/// Where the copies of the region table are, in bytes.
const REGION_TABLES: [u64; 2] = [192 << 10, 256 << 10];
/// Bytes of a region table, all under its checksum.
const REGION_TABLE_BYTES: usize = 64 << 10;
/// Most entries of a region table, by the specification.
const REGIONS_MAX: u32 = 2047;
/// Bytes of an entry.
const REGION_BYTES: usize = 32;
/// The region of the block table: 2DC27766-F623-4200-9D64-115E9BFD4A08.
const BLOCKS: [u8; 16] = 0x084a_fd9b_5e11_649d_4200_f623_2dc2_7766u128.to_le_bytes();
/// The region of the metadata: 8B7CA206-4790-4B9A-B8FE-575F050F886E.
const METADATA: [u8; 16] = 0x6e88_0f05_5f57_feb8_4b9a_4790_8b7c_a206u128.to_le_bytes();

/// A part of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Where everything is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regions {
    pub(super) blocks: Region,
    pub(super) metadata: Region,
}

/// Refuses what is no such file, or one that was not closed.
pub(super) fn check(source: &Source) -> Result<(), Error> {
    let mut mark = [0; 8];
    source.read_exact(&mut mark, 0, "it ends inside the header")?;
    if mark != *b"vhdxfile" {
        return Err(source.corrupt("it does not begin with the mark", 0));
    }
    let mut bytes = vec![0; HEADER_BYTES];
    let mut newest: Option<(u64, [u8; 16])> = None;
    for at in HEADERS {
        source.read_exact(&mut bytes, at, "it ends inside the header")?;
        let is_good = bytes.starts_with(b"head")
            && u32::from_le_bytes(field(&bytes, 4)) == crc32c(&bytes, 4)
            && u16::from_le_bytes(field(&bytes, 66)) == 1;
        let number = u64::from_le_bytes(field(&bytes, 8));
        if is_good && newest.is_none_or(|(newest, _)| newest < number) {
            newest = Some((number, field(&bytes, 48)));
        }
    }
    match newest {
        None => Err(source.corrupt("neither of its headers is whole", 64 << 10)),
        Some((_, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])) => Ok(()),
        Some(_) => Err(Error::Unclean {
            format: Format::Vhdx,
            state: "was not closed cleanly, and has changes in its log",
            advice: "open it once for writing, with Hyper-V or qemu-img check -r all",
        }),
    }
}

impl Regions {
    /// From the first copy of the table that is whole.
    pub(super) fn read(source: &Source) -> Result<Self, Error> {
        let mut bytes = vec![0; REGION_TABLE_BYTES];
        for at in REGION_TABLES {
            source.read_exact(&mut bytes, at, "it ends inside the region table")?;
            if bytes.starts_with(b"regi")
                && u32::from_le_bytes(field(&bytes, 4)) == crc32c(&bytes, 4)
            {
                return Self::new(source, &bytes, at);
            }
        }
        Err(source.corrupt("neither of its region tables is whole", 192 << 10))
    }

    fn new(source: &Source, bytes: &[u8], at: u64) -> Result<Self, Error> {
        let refuse = |what| Err(source.corrupt(what, at));
        let count = u32::from_le_bytes(field(bytes, 8));
        if count > REGIONS_MAX {
            return refuse("a region table with too many entries");
        }
        let (mut blocks, mut metadata) = (None, None);
        let entries = bytes.get(16..).unwrap_or(&[]).chunks_exact(REGION_BYTES);
        for entry in entries.take(usize::try_from(count).unwrap_or(0)) {
            let region = Region {
                offset: u64::from_le_bytes(field(entry, 16)),
                length: u32::from_le_bytes(field(entry, 24)).into(),
            };
            let is_required = u32::from_le_bytes(field(entry, 28)) & 1 != 0;
            let place = match field(entry, 0) {
                BLOCKS => &mut blocks,
                METADATA => &mut metadata,
                _ if is_required => {
                    return Err(source.unsupported(
                        "a region that must be understood and is not known",
                        "make a plain one of it with qemu-img convert",
                    ));
                }
                _ => continue,
            };
            if place.replace(region).is_some() {
                return refuse("a region table with an entry twice");
            }
            // The first MiB is the headers' own.
            if region.offset < 1 << 20 || !region.offset.is_multiple_of(1 << 20) {
                return refuse("a region that is not where regions are");
            }
        }
        match (blocks, metadata) {
            (Some(blocks), Some(metadata)) => Ok(Self { blocks, metadata }),
            _ => refuse("a region table without block table or metadata"),
        }
    }
}
