//! An image, written.

use super::super::{Error, Format, WriteAt};
use super::layout::{CLUSTER, CLUSTER_BITS, CLUSTER_BYTES, Layout};
use super::pack::{Compression, Done, Job, Method, pack};
use crate::codec::ordered::Ordered;
use std::io;
use std::num::NonZeroUsize;

/// Bytes of the disk for which there is one L2 table.
const COVER_BYTES: u64 = CLUSTER_BYTES * (CLUSTER_BYTES / 8);
/// Largest L1 table, in bytes: what QEMU reads. 2 PiB of disk.
const L1_BYTES_MAX: u64 = 32 << 20;
/// QEMU's unit: the size of the disk is a multiple.
const SECTOR: u64 = 512;
/// Length of the header, in bytes.
const HEADER_BYTES: u32 = 112;
/// Reference counts have 16 bits: two to the power of this.
const COUNT_ORDER: u32 = 4;
/// Bit of the incompatible features: the kind of compression is not zlib.
const COMPRESSION_TYPE: u64 = 1 << 3;

/// How an image is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How clusters are packed.
    pub compression: Compression,
    /// How well: zlib 1 to 9 (6 if not given), zstd 1 to 22 (3). Without packing it means nothing.
    pub level: Option<i32>,
    /// How many threads pack; one for each processor if not given.
    pub threads: Option<NonZeroUsize>,
}

/// Writes an image of version 3, with clusters of 64 KiB.
///
/// The disk comes in ascending order. What is not written, and every cluster of zeros, takes no
/// room.
///
/// Held in memory: two clusters a thread, 1 MiB of output, 1 MiB of reference counts for each 32 GiB
/// written, and 8 bytes for each 512 MiB of the disk.
///
/// # Atomicity
/// The file is empty at first. Its first bytes, by which it is known as an image, are written
/// last: a file that is not complete is none. The caller flushes it to the disk.
#[derive(Debug)]
pub struct Writer {
    layout: Layout,
    method: Method,
    work: Work,
    /// Size of the disk.
    size: u64,
    /// Where the next bytes may begin.
    next: u64,
    l1: Vec<u64>,
    /// The L2 table in use: its number, and its entries.
    l2: Option<(u64, Vec<u64>)>,
}

/// Clusters that are being packed.
struct Work(Ordered<Job, io::Result<Done>>);

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

impl Writer {
    /// A writer for a disk of a size in bytes, which is rounded up to 512. The sink is empty.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a disk of more than 2 PiB, [`Error::Level`].
    pub fn new(sink: Box<dyn WriteAt>, size: u64, options: Options) -> Result<Self, Error> {
        let limit = L1_BYTES_MAX / 8 * COVER_BYTES;
        if size > limit {
            return Err(Error::TooLarge {
                format: Format::Qcow2,
                what: "disk",
                size,
                limit,
            });
        }
        let method = Method::new(options.compression, options.level)?;
        let threads = options
            .threads
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN);
        let tables = usize::try_from(size.div_ceil(COVER_BYTES)).unwrap_or(usize::MAX);
        Ok(Self {
            layout: Layout::new(sink),
            method,
            work: Work(Ordered::new(threads.get(), pack)),
            size: size.next_multiple_of(SECTOR),
            next: 0,
            l1: vec![0; tables],
            l2: None,
        })
    }

    /// Writes bytes of the disk at an offset: whole clusters of 64 KiB, only the last of a disk may
    /// be shorter. Offsets ascend.
    ///
    /// # Errors
    /// [`Error::Misuse`] for anything else, [`Error::Io`].
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let misuse = |what| Err(Error::Misuse { what, offset });
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = offset.saturating_add(length);
        if offset < self.next || !offset.is_multiple_of(CLUSTER_BYTES) {
            return misuse("Bytes that begin inside a cluster or before the last ones");
        }
        if end > self.size {
            return misuse("Bytes beyond the end of the disk");
        }
        // The disk's own size may be less than the rounded one.
        if !end.is_multiple_of(CLUSTER_BYTES) && end.next_multiple_of(SECTOR) < self.size {
            return misuse("Bytes that end inside a cluster");
        }
        self.next = end.next_multiple_of(CLUSTER_BYTES);
        if self.method.compression == Compression::None {
            return self.write_plain(offset, bytes);
        }
        for (number, cluster) in (offset / CLUSTER_BYTES..).zip(bytes.chunks(CLUSTER)) {
            if is_zero(cluster) {
                continue;
            }
            while !self.work.0.has_room() {
                self.take_packed()?;
            }
            let mut bytes = cluster.to_vec();
            bytes.resize(CLUSTER, 0);
            self.work.0.submit(Job {
                method: self.method,
                number,
                bytes,
            });
        }
        Ok(())
    }

    /// Completes the image.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<(), Error> {
        while !self.work.0.is_empty() {
            self.take_packed()?;
        }
        self.finish_l2()?;
        let entries: Vec<u8> = self
            .l1
            .iter()
            .flat_map(|entry| entry.to_be_bytes())
            .collect();
        // Even where there is no entry, the offset is that of a cluster.
        let l1 = self.layout.put(&entries)? & (u64::MAX >> 1);
        let counts = self.layout.finish_counts()?;
        let header = self.header(l1, counts);
        self.layout.finish(&header)
    }

    /// Runs of clusters that are not zeros, each written as one.
    fn write_plain(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let run = |bytes: &[u8], of_zeros| {
            let clusters = bytes.chunks(CLUSTER);
            let alike = clusters.take_while(|cluster| is_zero(cluster) == of_zeros);
            alike.map(<[u8]>::len).sum::<usize>()
        };
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let zeros = run(rest, true);
            let (_, after) = rest.split_at_checked(zeros).unwrap_or_default();
            let (data, after) = after
                .split_at_checked(run(after, false))
                .unwrap_or_default();
            at = at.saturating_add(u64::try_from(zeros).unwrap_or(u64::MAX));
            if !data.is_empty() {
                let entries = (self.layout.put(data)?..).step_by(CLUSTER);
                let clusters = data.len().div_ceil(CLUSTER);
                for (number, entry) in (at / CLUSTER_BYTES..).zip(entries).take(clusters) {
                    self.enter(number, entry)?;
                }
            }
            at = at.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            rest = after;
        }
        Ok(())
    }

    /// Puts the oldest of the clusters that are being packed into the image.
    fn take_packed(&mut self) -> Result<(), Error> {
        let done =
            self.work.0.next().unwrap_or_else(|| {
                Err(io::Error::other("a thread that packs clusters ended early"))
            });
        let done = done.map_err(Error::Io)?;
        let entry = match done.packed {
            Some(packed) => self.layout.put_packed(&packed)?,
            None => self.layout.put(&done.bytes)?,
        };
        self.enter(done.number, entry)
    }

    /// Notes where a cluster of the disk is.
    fn enter(&mut self, number: u64, entry: u64) -> Result<(), Error> {
        const ENTRIES: u64 = CLUSTER_BYTES / 8;
        let table = number / ENTRIES;
        if self.l2.as_ref().is_none_or(|(at, _)| *at != table) {
            self.finish_l2()?;
            self.l2 = Some((table, vec![0; CLUSTER / 8]));
        }
        let index = usize::try_from(number % ENTRIES).unwrap_or(usize::MAX);
        let entries = self.l2.as_mut().map(|(_, entries)| entries);
        if let Some(place) = entries.and_then(|entries| entries.get_mut(index)) {
            *place = entry;
        }
        Ok(())
    }

    fn finish_l2(&mut self) -> Result<(), Error> {
        let Some((table, entries)) = self.l2.take() else {
            return Ok(());
        };
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|entry| entry.to_be_bytes())
            .collect();
        let offset = self.layout.put(&bytes)?;
        let index = usize::try_from(table).unwrap_or(usize::MAX);
        if let Some(place) = self.l1.get_mut(index) {
            *place = offset;
        }
        Ok(())
    }

    /// The header, by docs/interop/qcow2.rst of QEMU.
    fn header(&self, l1_offset: u64, (counts, count_clusters): (u64, u32)) -> Vec<u8> {
        let is_zstd = self.method.compression == Compression::Zstd;
        let incompatible = if is_zstd { COMPRESSION_TYPE } else { 0 };
        let l1_entries = u32::try_from(self.l1.len()).unwrap_or(u32::MAX);
        let mut header = Vec::new();
        header.extend_from_slice(b"QFI\xfb");
        header.extend_from_slice(&3u32.to_be_bytes());
        // No backing file.
        header.extend_from_slice(&[0; 12]);
        header.extend_from_slice(&CLUSTER_BITS.to_be_bytes());
        header.extend_from_slice(&self.size.to_be_bytes());
        // No encryption.
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&l1_entries.to_be_bytes());
        header.extend_from_slice(&l1_offset.to_be_bytes());
        header.extend_from_slice(&counts.to_be_bytes());
        header.extend_from_slice(&count_clusters.to_be_bytes());
        // No snapshots.
        header.extend_from_slice(&[0; 12]);
        header.extend_from_slice(&incompatible.to_be_bytes());
        // No compatible and no autoclear features.
        header.extend_from_slice(&[0; 16]);
        header.extend_from_slice(&COUNT_ORDER.to_be_bytes());
        header.extend_from_slice(&HEADER_BYTES.to_be_bytes());
        header.push(u8::from(is_zstd));
        // Padding, and the end of the extensions, of which there are none.
        header.extend_from_slice(&[0; 7 + 8]);
        header
    }
}

/// Whether there are only zeros, as wide as the processor compares.
fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<64>();
    chunks.iter().all(|chunk| *chunk == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}
