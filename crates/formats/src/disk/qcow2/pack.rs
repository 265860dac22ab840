//! Packing of one cluster, on any thread.

use super::super::Error;
use std::cell::RefCell;
use std::io;

/// Default level of zlib: its own.
const ZLIB_LEVEL: i32 = 6;
/// Default level of zstd: its own.
const ZSTD_LEVEL: i32 = 3;
/// Largest level of zlib.
const ZLIB_LEVEL_MAX: i32 = 9;
/// Largest level of zstd.
const ZSTD_LEVEL_MAX: i32 = 22;
/// The window that readers of qcow2 have for zlib, as a power of two.
const ZLIB_WINDOW_BITS: u8 = 12;

/// How clusters are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Deflate: every reader of qcow2 knows it.
    Zlib,
    /// zstd, faster and smaller: QEMU reads it since version 5.1, systemd 262 does not.
    Zstd,
}

/// A kind of packing and its level, which were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) compression: Compression,
    level: i32,
}

impl Method {
    /// # Errors
    /// [`Error::Level`].
    pub(super) fn new(compression: Compression, level: Option<i32>) -> Result<Self, Error> {
        let (name, default, most) = match compression {
            Compression::None => {
                return Ok(Self {
                    compression,
                    level: 0,
                });
            }
            Compression::Zlib => ("zlib", ZLIB_LEVEL, ZLIB_LEVEL_MAX),
            Compression::Zstd => ("zstd", ZSTD_LEVEL, ZSTD_LEVEL_MAX),
        };
        let level = level.unwrap_or(default);
        if !(1..=most).contains(&level) {
            return Err(Error::Level { name, level, most });
        }
        Ok(Self { compression, level })
    }
}

/// A cluster on its way into an image.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) method: Method,
    /// Number of the cluster on the disk.
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) number: u64,
    /// The packed bytes, if there are fewer than of the cluster.
    pub(super) packed: Option<Vec<u8>>,
    /// The cluster's own bytes.
    pub(super) bytes: Vec<u8>,
}

/// What a thread keeps from one cluster to the next.
#[derive(Default)]
struct Scratch {
    packed: Vec<u8>,
    zlib: Option<(i32, flate2::Compress)>,
    zstd: Option<(i32, zstd::bulk::Compressor<'static>)>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Packs a cluster.
pub(super) fn pack(job: Job) -> io::Result<Done> {
    let Job {
        method,
        number,
        bytes,
    } = job;
    let length = SCRATCH.with_borrow_mut(|scratch| {
        let length = match method.compression {
            Compression::None => None,
            Compression::Zlib => scratch.zlib(method.level, &bytes)?,
            Compression::Zstd => scratch.zstd(method.level, &bytes)?,
        };
        let packed = length.and_then(|length| scratch.packed.get(..length));
        let packed = packed.filter(|packed| packed.len() < bytes.len());
        Ok::<_, io::Error>(packed.map(<[u8]>::to_vec))
    });
    Ok(Done {
        number,
        packed: length?,
        bytes,
    })
}

impl Scratch {
    /// The length of the packed bytes; `None` if there would be more than of the cluster.
    fn zlib(&mut self, level: i32, bytes: &[u8]) -> io::Result<Option<usize>> {
        let deflate = match &mut self.zlib {
            Some((kept, deflate)) if *kept == level => deflate,
            other => {
                let strength = flate2::Compression::new(level.unsigned_abs());
                let deflate =
                    flate2::Compress::new_with_window_bits(strength, false, ZLIB_WINDOW_BITS);
                &mut other.insert((level, deflate)).1
            }
        };
        deflate.reset();
        self.packed.resize(bytes.len(), 0);
        let status = deflate
            .compress(bytes, &mut self.packed, flate2::FlushCompress::Finish)
            .map_err(io::Error::other)?;
        let length = usize::try_from(deflate.total_out()).ok();
        Ok(length.filter(|_| status == flate2::Status::StreamEnd))
    }

    fn zstd(&mut self, level: i32, bytes: &[u8]) -> io::Result<Option<usize>> {
        let compressor = match &mut self.zstd {
            Some((kept, compressor)) if *kept == level => compressor,
            other => {
                let compressor = zstd::bulk::Compressor::new(level)?;
                &mut other.insert((level, compressor)).1
            }
        };
        self.packed
            .resize(zstd::zstd_safe::compress_bound(bytes.len()), 0);
        let packed = self.packed.as_mut_slice();
        compressor.compress_to_buffer(bytes, packed).map(Some)
    }
}
