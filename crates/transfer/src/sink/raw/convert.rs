//! A disk image in a format of its own becomes a raw one, by cluster, on all cores.

use super::PIECE_BYTES;
use super::pieces::on_all_cores;
use super::pour::Pour;
use importd_formats::disk::{self, Content, Disk, Extent, Format, Limits, ReadAt};
use importd_host::copy;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of an open file, for its reader.
struct File {
    fd: OwnedFd,
    size: u64,
}

impl ReadAt for File {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        copy::read_at(self.fd.as_fd(), buffer, offset)
    }
}

/// Reads the headers of a disk image file of `size` bytes.
pub(super) fn open(
    source: BorrowedFd<'_>,
    size: u64,
    format: Format,
) -> Result<Box<dyn Disk>, disk::Error> {
    let fd = source.try_clone_to_owned().map_err(disk::Error::Io)?;
    disk::open(format, Box::new(File { fd, size }), Limits::default())
}

/// Fills a canvas with what is on a disk; says how many bytes that has.
pub(super) fn convert(
    disk: &dyn Disk,
    source: BorrowedFd<'_>,
    pour: Pour<'_>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<u64, disk::Error> {
    let size = disk.size();
    let batches = Mutex::new(Batches {
        extents: disk.extents(),
        rest: None,
    });
    let done = AtomicU64::new(0);
    on_all_cores(&|| {
        let mut buffer = Vec::new();
        loop {
            pour.context.cancel.check().map_err(disk::Error::Io)?;
            let batch = match batches.lock() {
                Ok(mut batches) => batches.take()?,
                Err(_poisoned) => None,
            };
            let Some(batch) = batch else { return Ok(()) };
            let end = batch.end();
            write(&batch, (disk, source), pour, &mut buffer)?;
            done.fetch_max(end, Ordering::Relaxed);
            progress(done.load(Ordering::Relaxed));
        }
    })?;
    pour.canvas.finish(size).map_err(disk::Error::Io)?;
    progress(size);
    Ok(size)
}

/// Neighbouring extents that are written at once: one hole, or data.
struct Batch(Vec<Extent>);

impl Batch {
    fn start(&self) -> u64 {
        self.0.first().map_or(0, |extent| extent.offset)
    }

    fn end(&self) -> u64 {
        self.0
            .last()
            .map_or(0, |extent| extent.offset + extent.length)
    }
}

struct Batches<'a> {
    extents: Box<dyn Iterator<Item = Result<Extent, disk::Error>> + Send + 'a>,
    /// What was taken off and not handed out.
    rest: Option<Extent>,
}

impl Batches<'_> {
    /// The next batch: a hole of any length, or data up to the end of a piece.
    fn take(&mut self) -> Result<Option<Batch>, disk::Error> {
        let mut batch = Batch(Vec::new());
        loop {
            let extent = match self.rest.take() {
                Some(extent) => Some(extent),
                None => self.extents.next().transpose()?,
            };
            let Some(extent) = extent else { break };
            let is_hole = matches!(extent.content, Content::Hole);
            if batch.0.is_empty() && is_hole {
                batch.0.push(extent);
                break;
            }
            let room = PIECE_BYTES.saturating_sub(batch.end() - batch.start());
            let fits = extent.length <= room || batch.0.is_empty();
            match extent.content {
                Content::Stored { offset } if extent.length > room && room > 0 => {
                    let (now, later) = split(&extent, offset, room);
                    batch.0.push(now);
                    self.rest = Some(later);
                    break;
                }
                Content::Packed(_) | Content::Stored { .. } if fits => batch.0.push(extent),
                _ => {
                    self.rest = Some(extent);
                    break;
                }
            }
        }
        Ok((!batch.0.is_empty()).then_some(batch))
    }
}

/// Cuts an extent that lies in the file as it is after `length` bytes.
fn split(extent: &Extent, offset: u64, length: u64) -> (Extent, Extent) {
    let now = Extent {
        offset: extent.offset,
        length,
        content: Content::Stored { offset },
    };
    let later = Extent {
        offset: extent.offset + length,
        length: extent.length - length,
        content: Content::Stored {
            offset: offset + length,
        },
    };
    (now, later)
}

fn write(
    batch: &Batch,
    (disk, source): (&dyn Disk, BorrowedFd<'_>),
    pour: Pour<'_>,
    buffer: &mut Vec<u8>,
) -> Result<(), disk::Error> {
    let failed = disk::Error::Io;
    let (start, length) = (batch.start(), batch.end() - batch.start());
    if let [only] = batch.0.as_slice() {
        let range = (start, length);
        match only.content {
            Content::Hole => return pour.canvas.zero(start, length).map_err(failed),
            Content::Stored { offset } => {
                let shared = pour.canvas.share(source, offset, range);
                if shared.map_err(failed)? {
                    return Ok(());
                }
            }
            Content::Packed(_) => {}
        }
    }
    buffer.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
    let mut rest = buffer.as_mut_slice();
    for extent in &batch.0 {
        let length = usize::try_from(extent.length).unwrap_or(usize::MAX);
        let (part, after) = rest.split_at_mut(length.min(rest.len()));
        rest = after;
        match &extent.content {
            Content::Hole => part.fill(0),
            Content::Packed(packed) => disk.unpack(packed, part)?,
            Content::Stored { offset } => {
                // The file ends inside its last cluster, or shrank: the rest is zeros.
                let got = copy::read_at(source, part, *offset).map_err(failed)?;
                part[got..].fill(0);
            }
        }
    }
    pour.canvas.paint(buffer, start).map_err(failed)
}
