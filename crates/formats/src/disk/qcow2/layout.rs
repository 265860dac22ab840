//! Where things go in an image that is written: clusters one after another, each counted.

use super::super::{Error, WriteAt};

/// Size of a cluster of the images we write, as a power of two: QEMU's default.
pub(super) const CLUSTER_BITS: u32 = 16;
/// The same, in bytes.
pub(super) const CLUSTER: usize = 1 << CLUSTER_BITS;
/// The same, as files count.
pub(super) const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
/// What the length of a packed cluster is counted in, in bytes.
const SECTOR: u64 = 512;
/// How much is collected before it is written, in bytes.
const COLLECT_BYTES: usize = 1 << 20;
/// What the entry of a packed cluster has beside offset and length.
const PACKED: u64 = 1 << 62;
/// Where the length stands in such an entry.
const LENGTH_SHIFT: u32 = 62 - (CLUSTER_BITS - 8);
/// The mark of what is counted once.
const COPIED: u64 = 1 << 63;
/// Reference counts in one cluster of them, of 16 bits each.
const COUNTS: u64 = CLUSTER_BYTES / 2;
/// Offsets of such clusters in one cluster.
const BLOCKS: u64 = CLUSTER_BYTES / 8;

/// The file, as far as it is filled.
pub(super) struct Layout {
    sink: Box<dyn WriteAt>,
    /// How often each cluster of the file is used. The first is the header's.
    counts: Vec<u16>,
    /// Where the next packed cluster may begin: after the last one. 0 before the first.
    packed_end: u64,
    /// Bytes that were not written yet, and where they belong.
    collected: Vec<u8>,
    collected_at: u64,
}

impl std::fmt::Debug for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layout")
            .field("clusters", &self.counts.len())
            .finish_non_exhaustive()
    }
}

impl Layout {
    pub(super) fn new(sink: Box<dyn WriteAt>) -> Self {
        Self {
            sink,
            counts: vec![1],
            packed_end: 0,
            collected: Vec::new(),
            collected_at: 0,
        }
    }

    /// Where the next cluster will be.
    fn end(&self) -> u64 {
        number(self.counts.len()).saturating_mul(CLUSTER_BYTES)
    }

    /// Puts whole clusters down, and fills the last one up with zeros. Gives the first entry: the
    /// offset with its mark.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let at = self.end();
        let clusters = bytes.len().div_ceil(CLUSTER);
        let counted = self.counts.len().saturating_add(clusters);
        self.counts.resize(counted, 1);
        self.write(bytes, at)?;
        let missing = bytes
            .len()
            .next_multiple_of(CLUSTER)
            .saturating_sub(bytes.len());
        if missing > 0 {
            let zeros = vec![0; missing];
            self.write(&zeros, at.saturating_add(number(bytes.len())))?;
        }
        Ok(at | COPIED)
    }

    /// Puts a packed cluster down, right behind the last one if it fits there. Gives its entry.
    pub(super) fn put_packed(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let length = number(bytes.len());
        let end = self.end();
        // In the cluster of the last one, and beyond only if what follows is free.
        let room = self.packed_end.next_multiple_of(CLUSTER_BYTES);
        let begun = room.saturating_sub(self.packed_end);
        let at = if length <= begun || (begun > 0 && room == end) {
            self.packed_end
        } else {
            end
        };
        self.packed_end = at.saturating_add(length);
        let first = at / CLUSTER_BYTES;
        let last = self.packed_end.div_ceil(CLUSTER_BYTES);
        for cluster in first..last {
            let index = usize::try_from(cluster).unwrap_or(usize::MAX);
            match self.counts.get_mut(index) {
                // No packed cluster is so short that more than 65535 of them fit into one.
                Some(count) => *count = count.saturating_add(1),
                None => self.counts.push(1),
            }
        }
        self.write(bytes, at)?;
        // Sectors that the bytes touch after the one they begin in.
        let last_byte = self.packed_end.saturating_sub(1);
        let more = (last_byte / SECTOR).saturating_sub(at / SECTOR);
        Ok(PACKED | more << LENGTH_SHIFT | at)
    }

    /// Writes the reference counts of all that was put down, and of themselves: their table's
    /// offset, and its clusters.
    pub(super) fn finish_counts(&mut self) -> Result<(u64, u32), Error> {
        let used = number(self.counts.len());
        let (mut blocks, mut tables) = (0u64, 0u64);
        loop {
            let all = used.saturating_add(blocks).saturating_add(tables);
            let needed = (all.div_ceil(COUNTS), blocks.div_ceil(BLOCKS));
            if needed == (blocks, tables) {
                break;
            }
            (blocks, tables) = needed;
        }
        let mut counts = self.counts.clone();
        let more = usize::try_from(blocks.saturating_add(tables)).unwrap_or(usize::MAX);
        counts.resize(counts.len().saturating_add(more), 1);
        let at = self.end();
        for counts in counts.chunks(CLUSTER / 2) {
            let bytes: Vec<u8> = counts
                .iter()
                .flat_map(|count| count.to_be_bytes())
                .collect();
            self.put(&bytes)?;
        }
        let offsets = (0..blocks).map(|block| {
            let offset = block.saturating_mul(CLUSTER_BYTES).saturating_add(at);
            offset.to_be_bytes()
        });
        let bytes: Vec<u8> = offsets.flatten().collect();
        let table = self.put(&bytes)? & !COPIED;
        Ok((table, u32::try_from(tables).unwrap_or(u32::MAX)))
    }

    /// Writes everything that is still held, and then the first bytes of the file.
    pub(super) fn finish(mut self, header: &[u8]) -> Result<(), Error> {
        self.flush()?;
        self.sink.write_at(header, 0).map_err(Error::Io)
    }

    /// Writes, a little later.
    fn write(&mut self, bytes: &[u8], at: u64) -> Result<(), Error> {
        let end = self
            .collected_at
            .saturating_add(number(self.collected.len()));
        if end != at || self.collected.len().saturating_add(bytes.len()) > COLLECT_BYTES {
            self.flush()?;
        }
        if self.collected.is_empty() {
            if bytes.len() >= COLLECT_BYTES {
                return self.sink.write_at(bytes, at).map_err(Error::Io);
            }
            self.collected_at = at;
        }
        self.collected.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if !self.collected.is_empty() {
            self.sink
                .write_at(&self.collected, self.collected_at)
                .map_err(Error::Io)?;
            self.collected.clear();
        }
        Ok(())
    }
}

/// A length as files count.
fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
