//! The header.

use super::super::inflate::Packing;
use super::super::source::Source;
use super::super::table::field;
use super::super::{Error, ForeignName, Format, Limits};

/// Bytes of a header of version 2.
const BYTES_V2: usize = 72;
/// Bytes of the shortest header of version 3.
const BYTES_V3: usize = 104;
/// Bytes of the longest header known: that of version 3 with the kind of compression.
const BYTES_MAX: usize = 112;
/// Largest L1 table, in bytes: QEMU's own limit. 2 EiB with clusters of 2 MiB, 8 GiB of 512 bytes.
const L1_BYTES_MAX: u64 = 32 << 20;
/// Most bytes of header extensions that are searched for a name to say: more than QEMU writes.
const EXTENSIONS_MAX: u64 = 64 << 10;
/// Longest name of a backing file, in bytes, by the specification.
const BACKING_NAME_MAX: u64 = 1023;
/// The extension that names the file with the data.
const EXTENSION_DATA_FILE: u32 = 0x4441_5441;

/// What an image must understand to read it; each bit stands for one.
mod incompatible {
    /// Reference counts may be wrong: they are not looked at.
    pub(super) const DIRTY: u64 = 1 << 0;
    pub(super) const CORRUPT: u64 = 1 << 1;
    pub(super) const DATA_FILE: u64 = 1 << 2;
    pub(super) const COMPRESSION_TYPE: u64 = 1 << 3;
    pub(super) const EXTENDED_L2: u64 = 1 << 4;
    pub(super) const KNOWN: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;
}

/// The header as it stands in the file.
struct RawHeader {
    version: u32,
    backing_offset: u64,
    backing_bytes: u32,
    cluster_bits: u32,
    size: u64,
    encryption: u32,
    l1_entries: u32,
    l1_offset: u64,
    incompatible: u64,
    refcount_order: u32,
    header_bytes: u32,
    compression: u8,
}

impl RawHeader {
    /// The fields of the whole header. What version 2 does not have reads as version 3 with nothing
    /// special.
    fn new(bytes: &[u8]) -> Self {
        let version = u32::from_be_bytes(field(bytes, 4));
        let later = if version == 2 { &[][..] } else { bytes };
        Self {
            version,
            backing_offset: u64::from_be_bytes(field(bytes, 8)),
            backing_bytes: u32::from_be_bytes(field(bytes, 16)),
            cluster_bits: u32::from_be_bytes(field(bytes, 20)),
            size: u64::from_be_bytes(field(bytes, 24)),
            encryption: u32::from_be_bytes(field(bytes, 32)),
            l1_entries: u32::from_be_bytes(field(bytes, 36)),
            l1_offset: u64::from_be_bytes(field(bytes, 40)),
            incompatible: u64::from_be_bytes(field(later, 72)),
            refcount_order: u32::from_be_bytes(field(later, 96)),
            header_bytes: u32::from_be_bytes(field(later, 100)),
            compression: u8::from_be_bytes(field(later, BYTES_V3)),
        }
    }
}

/// A header that was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Size of the disk, in bytes.
    pub(super) size: u64,
    /// Size of a cluster as a power of two, 9 to 21.
    pub(super) cluster_bits: u32,
    /// Where the L1 table begins.
    pub(super) l1_offset: u64,
    /// How many of its entries the disk needs.
    pub(super) l1_entries: u64,
    /// Whether L2 entries say what each part of a cluster is.
    pub(super) extended: bool,
    /// How clusters are packed.
    pub(super) packing: Packing,
}

impl Header {
    pub(super) fn read(source: &Source, limits: Limits) -> Result<Self, Error> {
        let mut bytes = [0; BYTES_MAX];
        let length = source.read(&mut bytes, 0)?;
        if !bytes.starts_with(b"QFI\xfb") {
            return Err(source.corrupt("it does not begin with the magic", 0));
        }
        let raw = RawHeader::new(&bytes);
        let needed = match raw.version {
            // The version itself is not all there.
            _ if length < 8 => BYTES_V2,
            2 => BYTES_V2,
            3 => BYTES_V3,
            version => {
                return Err(Error::Unknown {
                    format: Format::Qcow2,
                    what: "version",
                    number: version.into(),
                });
            }
        };
        if length < needed {
            return Err(source.corrupt("it ends inside the header", 0));
        }
        raw.refuse_unsupported(source)?;
        if raw.size > limits.size_bytes {
            return Err(source.too_large("disk", raw.size, limits.size_bytes));
        }
        let header = raw.check(source)?;
        // The longest packed cluster takes twice the room of one.
        let piece = 2u64 << header.cluster_bits;
        if piece > limits.piece_bytes {
            return Err(source.too_large("cluster", piece, limits.piece_bytes));
        }
        let table = header.l1_entries.saturating_mul(8);
        let limit = L1_BYTES_MAX.min(limits.table_bytes);
        if table > limit {
            return Err(source.too_large("table (L1)", table, limit));
        }
        Ok(header)
    }

    /// How many bytes of the disk one L2 table covers, as a power of two.
    pub(super) fn l2_cover_bits(&self) -> u32 {
        let entry_bits = if self.extended { 4 } else { 3 };
        // Both at most 21.
        self.cluster_bits
            .saturating_mul(2)
            .saturating_sub(entry_bits)
    }
}

impl RawHeader {
    fn refuse_unsupported(&self, source: &Source) -> Result<(), Error> {
        const CONVERT: &str = "make a plain one of it with qemu-img convert";
        let unknown = |what, number| Error::Unknown {
            format: Format::Qcow2,
            what,
            number,
        };
        if self.incompatible & incompatible::CORRUPT != 0 {
            return Err(Error::Unclean {
                format: Format::Qcow2,
                state: "is marked as damaged",
                advice: "mend it with qemu-img check -r all",
            });
        }
        match self.encryption {
            0 => {}
            1 => return Err(source.unsupported("AES encryption", CONVERT)),
            2 => return Err(source.unsupported("LUKS encryption", CONVERT)),
            other => return Err(unknown("kind of encryption", other.into())),
        }
        if self.backing_offset != 0 && self.backing_bytes != 0 {
            let length = u64::from(self.backing_bytes).min(BACKING_NAME_MAX);
            return Err(Error::OtherFile {
                format: Format::Qcow2,
                what: "backing file",
                name: name(source, self.backing_offset, length)?,
            });
        }
        if self.incompatible & incompatible::DATA_FILE != 0 {
            return Err(Error::OtherFile {
                format: Format::Qcow2,
                what: "data file",
                name: self.data_file(source)?,
            });
        }
        let others = self.incompatible & !incompatible::KNOWN;
        if others != 0 {
            return Err(unknown("incompatible features", others));
        }
        Ok(())
    }

    fn check(&self, source: &Source) -> Result<Header, Error> {
        let has = |bit| self.incompatible & bit != 0;
        let extended = has(incompatible::EXTENDED_L2);
        let refuse = |what, at| Err(source.corrupt(what, at));
        if !(9..=21).contains(&self.cluster_bits) {
            return refuse("clusters of less than 512 bytes or more than 2 MiB", 20);
        }
        let cluster = 1u64 << self.cluster_bits;
        if self.version == 3 && u64::from(self.header_bytes) > cluster {
            return refuse("a header longer than a cluster", 100);
        }
        if self.version == 3 && self.header_bytes < 104 {
            return refuse("a header length of less than 104", 100);
        }
        if self.refcount_order > 6 {
            return refuse("reference counts of more than 64 bits", 96);
        }
        // A part of a cluster, there are 32, has at least 512 bytes.
        if extended && self.cluster_bits < 14 {
            return refuse("extended L2 entries with clusters of less than 16 KiB", 20);
        }
        let compression = if self.header_bytes > 104 {
            self.compression
        } else {
            0
        };
        let packing = match (compression, has(incompatible::COMPRESSION_TYPE)) {
            (0, false) => Packing::Deflate,
            (1, true) => Packing::Zstd,
            (0 | 1, _) => return refuse("a kind of compression without its mark", 104),
            (other, _) => {
                return Err(Error::Unknown {
                    format: Format::Qcow2,
                    what: "kind of compression",
                    number: other.into(),
                });
            }
        };
        let mut header = Header {
            size: self.size,
            cluster_bits: self.cluster_bits,
            l1_offset: self.l1_offset,
            l1_entries: 0,
            extended,
            packing,
        };
        header.l1_entries = self.size.div_ceil(1 << header.l2_cover_bits());
        if u64::from(self.l1_entries) < header.l1_entries {
            return refuse("the L1 table is too short for the disk", 36);
        }
        if header.l1_entries > 0
            && (self.l1_offset < cluster || !self.l1_offset.is_multiple_of(cluster))
        {
            return refuse("the L1 table stands where none can be", 40);
        }
        Ok(header)
    }

    /// The name in the extension for it, or none.
    fn data_file(&self, source: &Source) -> Result<ForeignName, Error> {
        let mut at = u64::from(self.header_bytes);
        while at < EXTENSIONS_MAX {
            let mut bytes = [0; 8];
            source.read(&mut bytes, at)?;
            let kind = u32::from_be_bytes(field(&bytes, 0));
            let length = u64::from(u32::from_be_bytes(field(&bytes, 4)));
            let content = at.saturating_add(8);
            match kind {
                0 => break,
                EXTENSION_DATA_FILE => {
                    return name(source, content, length.min(BACKING_NAME_MAX));
                }
                _ => at = content.saturating_add(length.next_multiple_of(8)),
            }
        }
        Ok(ForeignName::new(b""))
    }
}

/// A name that stands in the file, of so many bytes, or up to the end of the file.
fn name(source: &Source, offset: u64, length: u64) -> Result<ForeignName, Error> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let filled = source.read(&mut bytes, offset)?;
    bytes.truncate(filled);
    Ok(ForeignName::new(&bytes))
}
