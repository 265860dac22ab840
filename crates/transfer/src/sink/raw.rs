//! A disk image file with holes where the bytes are zero.

use crate::error::{Doing, Error, Result};
use crate::proof::Staged;
use crate::stage::ahead::Ahead;
use crate::stage::limit::too_large;
use importd_api::failure::Kind;
use importd_host::cancel::Cancel;
use importd_host::dir::Dir;
use importd_host::sparse::{SparseWriter, is_zero};
use importd_host::staging::{Shape, Staging};
use importd_host::{attributes, copy};
use rustix::fs::{Mode, Timespec, Timestamps};
use std::ffi::OsStr;
use std::io::{self, BufRead};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// First bytes of a qcow2 image (QEMU's qcow2 specification, header).
const QCOW2_MAGIC: &[u8] = b"QFI\xfb";
/// How much one thread copies at a time, in bytes.
const PIECE_BYTES: u64 = 1 << 20;
/// Zeros become holes in units of this many bytes: the block size of common file systems.
const BLOCK_BYTES: usize = 4096;
/// Mode of a disk image, before the umask.
const MODE: u32 = 0o664;
/// Most threads that copy one file; more only wait for the disk.
const COPY_THREADS_MAX: usize = 8;

/// What a disk image may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most bytes, unpacked.
    pub size_max: Option<u64>,
    /// Take a qcow2 image as it is, instead of unpacking it.
    pub keep_qcow2: bool,
}

/// A new, hidden disk image file.
#[derive(Debug)]
pub struct RawSink {
    staging: Staging,
    mode: Mode,
}

impl RawSink {
    /// Makes the file for the image that will be called `file_name`.
    ///
    /// # Errors
    /// What openat(2) says.
    pub fn create(folder: &Dir, file_name: &OsStr, umask: u32) -> Result<Self> {
        let staging = Staging::create(folder, file_name, Shape::File)
            .doing(|| "Failed to create a hidden image file".into())?;
        Ok(Self {
            staging,
            mode: Mode::from_raw_mode(MODE & !umask),
        })
    }

    /// Writes a stream.
    ///
    /// # Errors
    /// [`Kind::SizeLimit`], [`Kind::Unsupported`] for qcow2, [`Kind::NoSpace`], and what the
    /// source says.
    pub fn fill(self, source: &mut Ahead, bounds: Bounds) -> Result<(Staged, u64)> {
        let failed = || "Failed to decode and write".to_owned();
        let start = source.fill_buf().doing(failed)?;
        refuse_qcow2(start, bounds)?;
        let mut writer = SparseWriter::new(self.staging.fd()).doing(failed)?;
        let mut total = 0u64;
        loop {
            let data = source.fill_buf().doing(failed)?;
            if data.is_empty() {
                break;
            }
            let length = data.len();
            total += length as u64;
            check_size(total, bounds)?;
            writer
                .write_at_end(data)
                .doing(|| "Failed to write image file".into())?;
            source.consume(length);
        }
        let size = writer
            .finish()
            .doing(|| "Failed to write image file".into())?;
        Ok((Staged(self.seal()?), size))
    }

    /// Copies a regular file from its start: cloned where the file system can, else by all cores,
    /// holes of the source not read and blocks of zeros not written.
    ///
    /// # Errors
    /// As [`RawSink::fill`].
    pub fn copy(
        self,
        source: BorrowedFd<'_>,
        bounds: Bounds,
        progress: &(dyn Fn(u64) + Sync),
        cancel: &Cancel,
    ) -> Result<(Staged, u64)> {
        let failed = || "Failed to copy image file".to_owned();
        let mut start = [0; QCOW2_MAGIC.len()];
        let length = rustix::io::pread(source, &mut start, 0).doing(failed)?;
        refuse_qcow2(&start[..length], bounds)?;
        let stat = rustix::fs::fstat(source).doing(failed)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        check_size(size, bounds)?;
        if !copy::clone_file(source, self.staging.fd()).doing(failed)? {
            rustix::fs::ftruncate(self.staging.fd(), size).doing(failed)?;
            copy_pieces(source, self.staging.fd(), size, progress, cancel).doing(failed)?;
        }
        progress(size);
        Ok((Staged(self.seal()?), size))
    }

    /// Gives the file its mode.
    fn seal(self) -> Result<Staging> {
        rustix::fs::fchmod(self.staging.fd(), self.mode)
            .doing(|| "Failed to set the mode of the image file".into())?;
        Ok(self.staging)
    }
}

impl Staged {
    /// Takes over what a source file carries beside its bytes: times, time of birth (as
    /// `user.crtime_usec`) and attributes of the `user` namespace. What cannot be taken over is
    /// left out, as in the reference.
    pub fn adopt_attributes(&self, source: BorrowedFd<'_>) {
        let target = self.0.fd();
        for name in attributes::list(source).unwrap_or_default() {
            if name.as_bytes().starts_with(b"user.")
                && let Ok(value) = attributes::get(source, &name)
            {
                attributes::set(target, &name, &value).unwrap_or(());
            }
        }
        if let Ok(Some(birth)) = attributes::birth_time(source) {
            attributes::set_crtime(target, birth).unwrap_or(());
        }
        if let Ok(stat) = rustix::fs::fstat(source) {
            let times = Timestamps {
                last_access: Timespec {
                    tv_sec: stat.st_atime,
                    tv_nsec: i64::try_from(stat.st_atime_nsec).unwrap_or(0),
                },
                last_modification: Timespec {
                    tv_sec: stat.st_mtime,
                    tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
                },
            };
            rustix::fs::futimens(target, &times).unwrap_or(());
        }
    }

    /// Notes where a download came from: `user.source_url`, `user.source_etag`, and the server's
    /// time of change as the file's. What the file system cannot hold is left out.
    pub fn note_origin(&self, url: &str, etag: Option<&str>, changed: Option<SystemTime>) {
        let target = self.0.fd();
        let note = |name: &str, value: &str| {
            attributes::set(target, OsStr::new(name), value.as_bytes()).unwrap_or(());
        };
        note("user.source_url", url);
        if let Some(etag) = etag {
            note("user.source_etag", etag);
        }
        if let Some(changed) = changed {
            attributes::set_crtime(target, changed).unwrap_or(());
            let since = changed
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            let time = Timespec {
                tv_sec: i64::try_from(since.as_secs()).unwrap_or(0),
                tv_nsec: i64::from(since.subsec_nanos()),
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            rustix::fs::futimens(target, &times).unwrap_or(());
        }
    }
}

fn refuse_qcow2(start: &[u8], bounds: Bounds) -> Result<()> {
    if start.starts_with(QCOW2_MAGIC) && !bounds.keep_qcow2 {
        let text = "This is a qcow2 image, which this version cannot unpack; convert it with \
                    'qemu-img convert -O raw', or keep it as it is with --convert-qcow2=no";
        return Err(Error::new(Kind::Unsupported, text));
    }
    Ok(())
}

fn check_size(size: u64, bounds: Bounds) -> Result<()> {
    match bounds.size_max {
        Some(most) if size > most => Err(too_large(most)),
        _ => Ok(()),
    }
}

/// Copies the data of a file piece by piece on several threads, each piece to its own place.
fn copy_pieces(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    size: u64,
    progress: &(dyn Fn(u64) + Sync),
    cancel: &Cancel,
) -> io::Result<()> {
    let pieces = Mutex::new(Pieces {
        extents: copy::data_extents(source, size)?,
        next: 0,
    });
    let copied = AtomicU64::new(0);
    let work = || -> io::Result<()> {
        let mut buffer = vec![0; usize::try_from(PIECE_BYTES).unwrap_or(BLOCK_BYTES)];
        loop {
            cancel.check()?;
            let piece = match pieces.lock() {
                Ok(mut pieces) => pieces.take(),
                Err(_poisoned) => None,
            };
            let Some((offset, length)) = piece else {
                return Ok(());
            };
            let length = usize::try_from(length).unwrap_or(0);
            copy_piece(source, target, offset, &mut buffer[..length])?;
            copied.fetch_max(offset + length as u64, Ordering::Relaxed);
            progress(copied.load(Ordering::Relaxed));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(COPY_THREADS_MAX))
            .map(|_| scope.spawn(work))
            .collect();
        let mut result = work();
        for other in others {
            let theirs = other.join();
            if result.is_ok() {
                result = theirs.unwrap_or_else(|_| Err(io::Error::other("A copying thread died")));
            }
        }
        result
    })
}

/// What is left to copy: extents with data, cut into pieces that begin at whole pieces of the file.
struct Pieces {
    extents: Vec<(u64, u64)>,
    next: usize,
}

impl Pieces {
    fn take(&mut self) -> Option<(u64, u64)> {
        let (offset, length) = self.extents.get_mut(self.next)?;
        let to_boundary = PIECE_BYTES - *offset % PIECE_BYTES;
        let piece = (*offset, to_boundary.min(*length));
        *offset += piece.1;
        *length -= piece.1;
        if *length == 0 {
            self.next += 1;
        }
        Some(piece)
    }
}

fn copy_piece(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut length = 0;
    while length < buffer.len() {
        match rustix::io::pread(source, &mut buffer[length..], offset + length as u64) {
            // The file shrank: what is missing stays a hole.
            Ok(0) => break,
            Ok(more) => length += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let data = &buffer[..length];
    let mut start = 0;
    while start < data.len() {
        let end = run_end(data, start);
        if !is_zero(&data[start..end]) {
            copy::write_at(target, &data[start..end], offset + start as u64)?;
        }
        start = end;
    }
    Ok(())
}

/// The end of the run of blocks that are all zero, or all not, like the one at `start`.
fn run_end(data: &[u8], start: usize) -> usize {
    let block_end = |at: usize| (at + BLOCK_BYTES).min(data.len());
    let zero = is_zero(&data[start..block_end(start)]);
    let mut end = block_end(start);
    while end < data.len() && is_zero(&data[end..block_end(end)]) == zero {
        end = block_end(end);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileExt, MetadataExt};

    fn bounds() -> Bounds {
        Bounds {
            size_max: None,
            keep_qcow2: false,
        }
    }

    fn sink() -> (tempfile::TempDir, RawSink) {
        let place = tempfile::tempdir().unwrap();
        let folder = Dir::open(place.path()).unwrap();
        let sink = RawSink::create(&folder, "x.raw".as_ref(), 0o022).unwrap();
        (place, sink)
    }

    #[test]
    fn a_sparse_file_is_copied_exactly_and_stays_sparse() {
        let source = tempfile::tempfile().unwrap();
        source.set_len(64 << 20).unwrap();
        source.write_all_at(&[7; 5000], 3 << 20).unwrap();
        source.write_all_at(&[0; 1 << 20], 9 << 20).unwrap();
        source.write_all_at(&[9; 3], (64 << 20) - 3).unwrap();
        let (_place, sink) = sink();
        let cancel = Cancel::new().unwrap();
        let (staged, size) = sink
            .copy(source.as_fd(), bounds(), &|_| {}, &cancel)
            .unwrap();
        assert_eq!(size, 64 << 20);
        let copy = std::fs::File::from(staged.0.fd().try_clone_to_owned().unwrap());
        let mut piece = vec![0; 64 << 20];
        copy.read_exact_at(&mut piece, 0).unwrap();
        let mut expected = vec![0; 64 << 20];
        source.read_exact_at(&mut expected, 0).unwrap();
        assert!(piece == expected);
        assert!(copy.metadata().unwrap().blocks() * 512 < 1 << 20);
        assert_eq!(copy.metadata().unwrap().mode() & 0o7777, 0o644);
    }

    #[test]
    fn qcow2_is_refused_by_name_and_sizes_are_bounded() {
        for (data, limit, kind) in [
            (&b"QFI\xfb\0\0\0\x03"[..], None, Kind::Unsupported),
            (&b"12345"[..], Some(4), Kind::SizeLimit),
        ] {
            let (_place, sink) = sink();
            let mut ahead = Ahead::new(Box::new(data)).unwrap();
            let bounds = Bounds {
                size_max: limit,
                keep_qcow2: false,
            };
            assert_eq!(sink.fill(&mut ahead, bounds).unwrap_err().kind, kind);
        }
    }

    #[test]
    fn tiny_and_empty_images_are_images() {
        for data in [&b""[..], b"abc"] {
            let (_place, sink) = sink();
            let mut ahead = Ahead::new(Box::new(data)).unwrap();
            let (_, size) = sink.fill(&mut ahead, bounds()).unwrap();
            assert_eq!(size, data.len() as u64);
        }
    }
}
