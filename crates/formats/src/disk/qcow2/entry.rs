//! Entries of the two tables.

/// Bits 9 to 55: an offset in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// The reference count of what this points to is exactly one: only writers care.
const COPIED: u64 = 1 << 63;
/// The cluster is packed.
const PACKED: u64 = 1 << 62;
/// The cluster reads as zeros.
const ZERO: u64 = 1 << 0;

/// Where an L2 table is, if there is one.
///
/// # Errors
/// The name of what is wrong.
pub(super) fn l1(entry: u64, cluster: u64) -> Result<Option<u64>, &'static str> {
    if entry & !(OFFSET | COPIED) != 0 {
        return Err("an L1 entry with reserved bits");
    }
    match entry & OFFSET {
        0 => Ok(None),
        offset if offset < cluster || !offset.is_multiple_of(cluster) => {
            Err("an L2 table stands where none can be")
        }
        offset => Ok(Some(offset)),
    }
}

/// What a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cluster {
    /// Zeros.
    Hole,
    /// All of it stands at this offset.
    Stored(u64),
    /// Packed, at an offset, in so many bytes at most.
    Packed { offset: u64, length: u64 },
    /// Of its 32 parts these stand at their place in the cluster at this offset, the others are
    /// zeros. Bit 0 is the first part.
    Parts { offset: u64, stored: u32 },
}

impl Cluster {
    /// From an L2 entry of 8 bytes.
    ///
    /// # Errors
    /// The name of what is wrong.
    pub(super) fn new(entry: u64, cluster_bits: u32) -> Result<Self, &'static str> {
        if entry & PACKED != 0 {
            return Ok(Self::packed(entry, cluster_bits));
        }
        let offset = stored(entry & !ZERO, cluster_bits)?;
        Ok(if entry & ZERO != 0 || offset == 0 {
            Cluster::Hole
        } else {
            Cluster::Stored(offset)
        })
    }

    /// From an L2 entry of 16 bytes: the number, and the bits of the parts.
    ///
    /// # Errors
    /// The name of what is wrong.
    pub(super) fn extended(
        entry: u64,
        (zeros, is_stored): (u32, u32),
        cluster_bits: u32,
    ) -> Result<Self, &'static str> {
        if entry & PACKED != 0 {
            return Ok(Self::packed(entry, cluster_bits));
        }
        let offset = stored(entry, cluster_bits)?;
        if zeros & is_stored != 0 {
            return Err("an L2 entry with a part that is both stored and zeros");
        }
        match (offset, is_stored) {
            (_, 0) => Ok(Cluster::Hole),
            (0, _) => Err("an L2 entry with a part that is stored nowhere"),
            (offset, u32::MAX) => Ok(Cluster::Stored(offset)),
            (offset, stored) => Ok(Cluster::Parts { offset, stored }),
        }
    }

    /// The offset is to the byte; the length is in sectors of 512 bytes, of which the first is the
    /// one that the offset lies in.
    fn packed(entry: u64, cluster_bits: u32) -> Self {
        let sector_bits = cluster_bits.saturating_sub(8);
        let offset_bits = 62u32.saturating_sub(sector_bits);
        let below = |bits: u32| (1u64 << bits.min(63)).wrapping_sub(1);
        let offset = entry & below(offset_bits);
        let more = (entry >> offset_bits.min(63)) & below(sector_bits);
        let length = more.saturating_add(1).saturating_mul(512);
        Cluster::Packed {
            offset,
            length: length.saturating_sub(offset % 512),
        }
    }
}

/// The offset in an entry of a cluster that is not packed.
fn stored(entry: u64, cluster_bits: u32) -> Result<u64, &'static str> {
    if entry & !(OFFSET | COPIED) != 0 {
        return Err("an L2 entry with reserved bits");
    }
    let (offset, cluster) = (entry & OFFSET, 1u64 << cluster_bits.min(63));
    if !offset.is_multiple_of(cluster) {
        return Err("a cluster that is not where clusters are");
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_l2_entries_mean_what_the_specification_says() {
        for (entry, bits, cluster) in [
            (0, 16, Ok(Cluster::Hole)),
            (COPIED | 0x20000, 16, Ok(Cluster::Stored(0x20000))),
            (COPIED | 0x20001, 16, Ok(Cluster::Hole)),
            (1, 9, Ok(Cluster::Hole)),
            (0x200, 9, Ok(Cluster::Stored(0x200))),
            (0x20200, 16, Err("a cluster that is not where clusters are")),
            (0x20002, 16, Err("an L2 entry with reserved bits")),
            (1 << 56, 16, Err("an L2 entry with reserved bits")),
            // With 8 bits for the length, the offset has 54.
            (
                PACKED | 3 << 54 | 0x5_0001,
                16,
                Ok(Cluster::Packed {
                    offset: 0x5_0001,
                    length: 4 * 512 - 1,
                }),
            ),
            (
                u64::MAX,
                9,
                Ok(Cluster::Packed {
                    offset: (1 << 61) - 1,
                    length: 2 * 512 - 511,
                }),
            ),
        ] {
            assert_eq!(Cluster::new(entry, bits), cluster, "{entry:#x} {bits}");
        }
    }

    #[test]
    fn long_l2_entries_mean_what_the_specification_says() {
        let part = |stored| Cluster::Parts {
            offset: 0x20000,
            stored,
        };
        for (entry, parts, cluster) in [
            (0, (0, 0), Ok(Cluster::Hole)),
            (0, (7, 0), Ok(Cluster::Hole)),
            (0x20000, (7, 0), Ok(Cluster::Hole)),
            (0x20000, (7, 8), Ok(part(8))),
            (0x20000, (0, u32::MAX), Ok(Cluster::Stored(0x20000))),
            (
                0x20000,
                (8, 8),
                Err("an L2 entry with a part that is both stored and zeros"),
            ),
            (
                0,
                (0, 1),
                Err("an L2 entry with a part that is stored nowhere"),
            ),
            (0x20001, (0, 1), Err("an L2 entry with reserved bits")),
        ] {
            assert_eq!(Cluster::extended(entry, parts, 16), cluster, "{entry:#x}");
        }
    }

    #[test]
    fn l1_entries_mean_what_the_specification_says() {
        for (entry, table) in [
            (0, Ok(None)),
            (COPIED | 0x30000, Ok(Some(0x30000))),
            (0x30001, Err("an L1 entry with reserved bits")),
            (PACKED | 0x30000, Err("an L1 entry with reserved bits")),
            (0x30200, Err("an L2 table stands where none can be")),
            (0x200, Err("an L2 table stands where none can be")),
        ] {
            assert_eq!(l1(entry, 0x10000), table, "{entry:#x}");
        }
    }
}
