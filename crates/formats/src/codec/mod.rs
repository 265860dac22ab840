//! Compression, found by magic: decoders are `Read`, encoders `Write`.
//!
//! Decoding uses all cores where the format lets blocks be found without decoding: bzip2 always
//! (`bzip2`), xz where it was written in blocks (`xz`), zstd where there are many frames and gzip where
//! members say how long they are (`frames`). One gzip member and one zstd frame are sequential by
//! their nature. Encoding uses all cores for every format but lz4, which needs none.
//!
//! A decoder reads its source to the end: what follows the last member is another member, padding
//! where the format has it, or [`Error::TrailingGarbage`].
//!
//! # Source
//! RFC 1952 (gzip), the .xz File Format 1.2.1, RFC 8878 (zstd), LZ4 Frame Format 1.6.4; bzip2 has no
//! specification but its source's block layout.

mod bzip2;
mod foreign;
mod frames;
mod gzip;
mod lz4;
pub(crate) mod ordered;
mod source;
mod xz;
mod zstd;

pub use foreign::Foreign;
use source::Guarded;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

/// A kind of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// None: bytes as they are.
    None,
    /// gzip
    Gzip,
    /// bzip2
    Bzip2,
    /// xz
    Xz,
    /// zstd
    Zstd,
    /// An lz4 frame
    Lz4,
}

/// Bytes to decode, or decoded.
pub type Source = Box<dyn Read + Send>;

/// What decoders may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most threads of one decoder.
    pub threads: NonZeroUsize,
    /// Most memory that a file may make a decoder use for its window and dictionary, or for blocks
    /// that are decoded in advance, in bytes.
    pub memory_bytes: u64,
}

/// More threads than this only wait for the source and the sink.
const THREADS_MAX: usize = 16;
/// Largest window by default: xz -9 wants 65 MiB a thread, zstd --long=27 128 MiB.
const MEMORY_BYTES: u64 = 512 << 20;

/// How to encode.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodeOptions {
    /// The format's own level; `None` is its default: gzip 6, bzip2 9, xz 6, zstd 3.
    pub level: Option<i32>,
    /// Most threads; `None` is as many as there are cores.
    pub threads: Option<NonZeroUsize>,
    /// Most memory for all threads of xz and zstd, in bytes; one thread works in any case, and may
    /// need up to 1.1 GiB (xz, level 9). The others need 8 MiB a thread at most. `None` is 1 GiB.
    pub memory_bytes: Option<u64>,
}

/// Most memory of an encoder by default, in bytes: seven threads of xz -6.
const ENCODE_MEMORY_BYTES: u64 = 1 << 30;

/// Why a stream cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It ends in the middle.
    #[error("The {0} stream ends too early: the file is incomplete")]
    Truncated(&'static str),
    /// Something else follows it.
    #[error("The {0} stream is followed by bytes that do not belong to it")]
    TrailingGarbage(&'static str),
    /// It contradicts itself.
    #[error("The {0} stream is damaged")]
    Corrupt(&'static str),
    /// It wants more memory than it may have.
    #[error("The {codec} stream needs a larger window than the {limit} bytes allowed")]
    WindowTooLarge {
        /// The format.
        codec: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The decoder or encoder cannot be set up.
    #[error("The {0} library refuses its settings")]
    Setup(&'static str),
}

impl Error {
    /// The decoding error inside an `io::Error`, if it is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Error> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            threads: cores(),
            memory_bytes: MEMORY_BYTES,
        }
    }
}

fn cores() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    NonZeroUsize::new(THREADS_MAX).map_or(cores, |most| cores.min(most))
}

impl EncodeOptions {
    fn threads(self) -> NonZeroUsize {
        self.threads.unwrap_or_else(cores)
    }

    /// How many threads have room in the memory, at least one, if each needs so many bytes.
    fn threads_of(self, bytes_a_thread: u64) -> u32 {
        let memory = self.memory_bytes.unwrap_or(ENCODE_MEMORY_BYTES);
        let room = memory.checked_div(bytes_a_thread).unwrap_or(u64::MAX);
        let threads = self.threads().get() as u64;
        u32::try_from(threads.min(room).max(1)).unwrap_or(1)
    }
}

impl Codec {
    /// How many bytes [`Codec::sniff`] wants to see.
    pub const MAGIC_LEN: usize = 6;

    /// Tells the compression by the first bytes of a file. Fewer than [`Codec::MAGIC_LEN`] are none.
    /// A zstd file may begin with a skippable frame.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Self {
        match start.get(..Self::MAGIC_LEN) {
            Some([0x1f, 0x8b, ..]) => Codec::Gzip,
            Some([0xfd, b'7', b'z', b'X', b'Z', 0]) => Codec::Xz,
            Some([0x28, 0xb5, 0x2f, 0xfd, ..]) => Codec::Zstd,
            Some([0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) => Codec::Zstd,
            Some([0x04, 0x22, 0x4d, 0x18, ..]) => Codec::Lz4,
            Some([b'B', b'Z', b'h', ..]) => Codec::Bzip2,
            _ => Codec::None,
        }
    }

    /// The name for people and for `--format=`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "uncompressed",
            Codec::Gzip => "gzip",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
            Codec::Zstd => "zstd",
            Codec::Lz4 => "lz4",
        }
    }
}

/// The decoded bytes of a source.
///
/// Reads fail with an `io::Error` that holds an [`Error`]; an error of the source itself comes
/// through unchanged.
///
/// # Errors
/// [`Error::Setup`] if the library refuses to start.
pub fn decoder(codec: Codec, source: Source, limits: Limits) -> Result<Source, Error> {
    Ok(match codec {
        Codec::None => source,
        Codec::Gzip => gzip::decoder(source, limits),
        Codec::Bzip2 => bzip2::decoder(source, limits),
        Codec::Xz => Box::new(xz::Decoder::new(source, limits)?),
        Codec::Zstd => zstd::decoder(source, limits),
        Codec::Lz4 => Guarded::wrap(source, codec, lz4::Decoder::new),
    })
}

/// Packs what is written to it; only [`Encoder::finish`] completes the stream.
#[derive(Debug)]
pub struct Encoder<W: Write>(Inner<W>);

enum Inner<W: Write> {
    None(W),
    Gzip(gzip::Encoder<W>),
    Bzip2(bzip2::Encoder<W>),
    Xz(liblzma::write::XzEncoder<W>),
    Zstd(Box<zstd::Encoder<W>>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<W>>),
}

impl<W: Write> std::fmt::Debug for Inner<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

/// An encoder in front of a sink.
///
/// # Errors
/// [`Error::Setup`] if the library refuses the level, or to start.
pub fn encoder<W: Write + Send + 'static>(
    codec: Codec,
    sink: W,
    options: EncodeOptions,
) -> Result<Encoder<W>, Error> {
    Ok(Encoder(match codec {
        Codec::None => Inner::None(sink),
        Codec::Gzip => Inner::Gzip(gzip::Encoder::new(sink, options)),
        Codec::Bzip2 => Inner::Bzip2(bzip2::Encoder::new(sink, options)),
        Codec::Xz => Inner::Xz(xz::encoder(sink, options)?),
        Codec::Zstd => Inner::Zstd(Box::new(zstd::Encoder::new(sink, options)?)),
        Codec::Lz4 => Inner::Lz4(Box::new(lz4::encoder(sink))),
    }))
}

impl<W: Write> Encoder<W> {
    /// Completes the stream.
    ///
    /// # Errors
    /// What the sink says.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Inner::None(mut sink) => {
                sink.flush()?;
                Ok(sink)
            }
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Bzip2(encoder) => encoder.finish(),
            Inner::Xz(encoder) => encoder.finish(),
            Inner::Zstd(encoder) => encoder.finish(),
            Inner::Lz4(encoder) => encoder.finish().map_err(io::Error::from),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::None(sink) => sink.write(data),
            Inner::Gzip(encoder) => encoder.write(data),
            Inner::Bzip2(encoder) => encoder.write(data),
            Inner::Xz(encoder) => encoder.write(data),
            Inner::Zstd(encoder) => encoder.write(data),
            Inner::Lz4(encoder) => encoder.write(data),
        }
    }

    /// Does nothing: a stream is complete only when it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
