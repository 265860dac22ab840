//! zstd, by libzstd: frames one after another, skippable ones skipped.
//!
//! ```text
//! frame = 28 B5 2F FD  flags  [window 1] [dictionary 1, 2, 4] [size 1, 2, 4, 8]  block+ [checksum 4]
//! block = header (3 bytes, little endian: 1 bit last, 2 kind, 21 size)  size bytes, of kind 1: 1
//! skippable frame = 5x 2A 4D 18  size (4)  size bytes
//! ```

mod encode;

pub(super) use encode::Encoder;

use super::frames::{self, Frames, Part, Piece};
use super::source::{Guarded, Input, frame_follows};
use super::{Codec, Error, Limits, Source};
use std::io;
use zstd::stream::read;
use zstd::zstd_safe::DCtx;

/// Largest window ever allowed, as a power of two: what `zstd --long=27` writes, and libzstd's and
/// the reference's own limit for streams.
const WINDOW_LOG_MAX: u32 = 27;

/// How a frame begins (RFC 8878, section 3.1.1), and a skippable one: sixteen magics.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// Length of the header of a skippable frame, in bytes.
const SKIPPABLE_HEADER: usize = 8;
/// Longest header of a frame, in bytes.
const HEADER_MAX: usize = 18;
/// Most bytes of a block, packed or not (RFC 8878, section 3.1.1.2.4).
const BLOCK_MAX: usize = 128 << 10;
/// Frames are gathered up to this many packed and unpacked bytes, so that small ones are worth a
/// thread's while.
const PIECE_PACKED: usize = 512 << 10;
const PIECE_BYTES: usize = 4 << 20;
/// Frames that are longer than this are not worth waiting for, in packed bytes.
const PACKED_MAX: usize = 16 << 20;

/// Finds frames, and decodes them in sequence.
pub(super) struct Zstd {
    window_log: u32,
}

/// The frames of a source whose windows are not larger than this.
pub(super) fn frames(memory_bytes: u64) -> Zstd {
    let window_log = memory_bytes.checked_ilog2().unwrap_or(0);
    Zstd {
        window_log: window_log.clamp(10, WINDOW_LOG_MAX),
    }
}

pub(super) fn decoder(source: Source, limits: Limits) -> Source {
    Guarded::wrap(source, Codec::Zstd, |input| {
        frames::Decoder::new(frames(limits.memory_bytes), input, limits)
    })
}

/// What the header of a frame says.
struct Header {
    /// Its own length, in bytes.
    length: usize,
    window_bytes: u64,
    content_bytes: Option<u64>,
    has_checksum: bool,
}

impl Header {
    /// Reads a header; `None` if it is cut, or has something that the library should speak about.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let flags = *bytes.get(4)?;
        let is_single = flags & 0x20 != 0;
        if flags & 8 != 0 || flags & 3 != 0 {
            return None;
        }
        let (window, at) = match is_single {
            true => (0, 5),
            false => (*bytes.get(5)?, 6),
        };
        let size_bytes = match flags >> 6 {
            0 => usize::from(is_single),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let length = size_bytes.saturating_add(at);
        let size = bytes.get(at..length)?;
        let size = size
            .iter()
            .rev()
            .fold(0u64, |size, byte| size << 8 | u64::from(*byte));
        let content_bytes = match size_bytes {
            0 => None,
            2 => Some(size.saturating_add(256)),
            _ => Some(size),
        };
        let base = 1u64.unbounded_shl(u32::from(window >> 3).saturating_add(10));
        let more = (base / 8).saturating_mul(u64::from(window & 7));
        Some(Self {
            length,
            window_bytes: match (is_single, content_bytes) {
                (true, Some(size)) => size,
                _ => base.saturating_add(more),
            },
            content_bytes,
            has_checksum: flags & 4 != 0,
        })
    }
}

impl Header {
    /// Most bytes of a block of this frame, packed or not (RFC 8878, section 3.1.1.2.4).
    fn block_max(&self) -> usize {
        let window = usize::try_from(self.window_bytes).unwrap_or(BLOCK_MAX);
        window.min(BLOCK_MAX)
    }
}

fn is_frame(next: &[u8]) -> bool {
    next.iter().zip(MAGIC).all(|(a, b)| *a == b)
}

fn is_skippable(next: &[u8]) -> bool {
    next.first().is_some_and(|byte| byte >> 4 == 5)
        && next.iter().skip(1).zip(SKIPPABLE).all(|(a, b)| *a == b)
}

/// Skips all skippable frames that come; whether there were some.
fn skip(input: &mut Input) -> io::Result<bool> {
    let mut any = false;
    loop {
        let next = input.peek(SKIPPABLE_HEADER)?;
        if !is_skippable(next) {
            return Ok(any);
        }
        any = true;
        let size = next.last_chunk().copied().map_or(0, u32::from_le_bytes);
        let whole = u64::from(size).saturating_add(SKIPPABLE_HEADER as u64);
        if next.len() < SKIPPABLE_HEADER || !input.skip(whole)? {
            return Err(Error::Truncated(Codec::Zstd.name()).into());
        }
    }
}

impl Piece {
    /// Adds a frame. `false`, and nothing was taken, if it is cut, damaged, or there is no room for it
    /// in a share.
    fn gather(&mut self, input: &mut Input, share: usize) -> io::Result<bool> {
        let Some(header) = Header::parse(input.peek(HEADER_MAX)?) else {
            return Ok(false);
        };
        if header.content_bytes.unwrap_or(0).max(header.window_bytes) > share as u64 {
            return Ok(false);
        }
        let (begin, bytes_before) = (self.packed.len(), self.bytes_max);
        let mut is_whole = input.take_into(header.length, &mut self.packed)?;
        let mut is_last = false;
        while is_whole && !is_last {
            is_whole = match self.block(input, header.block_max(), &mut is_last)? {
                true => {
                    self.bytes_max <= share
                        && self.packed.len().saturating_sub(begin) <= share.min(PACKED_MAX)
                }
                false => false,
            };
        }
        if is_whole && header.has_checksum {
            is_whole = input.take_into(4, &mut self.packed)?;
        }
        if !is_whole {
            input.put_back(self.packed.split_off(begin));
            self.bytes_max = bytes_before;
        }
        Ok(is_whole)
    }

    /// Adds a block, which says how many bytes it holds, or holds at most `most`. `false` if it is cut,
    /// damaged, or larger than blocks of its frame may be: the library minds that only where it decodes
    /// in sequence.
    fn block(&mut self, input: &mut Input, most: usize, is_last: &mut bool) -> io::Result<bool> {
        if !input.take_into(3, &mut self.packed)? {
            return Ok(false);
        }
        let header = match self.packed.last_chunk() {
            Some([low, middle, high]) => u32::from_le_bytes([*low, *middle, *high, 0]),
            None => 0,
        };
        *is_last = header & 1 == 1;
        let size = usize::try_from(header >> 3).unwrap_or(usize::MAX);
        if size > most {
            return Ok(false);
        }
        let (length, bytes) = match (header >> 1) & 3 {
            0 => (size, size),
            1 => (1, size),
            2 => (size, most),
            _ => return Ok(false),
        };
        self.bytes_max = self.bytes_max.saturating_add(bytes);
        input.take_into(length, &mut self.packed)
    }
}

impl Frames for Zstd {
    type One = read::Decoder<'static, Input>;

    fn next(&mut self, input: &mut Input, share: usize, is_first: bool) -> io::Result<Part> {
        let is_first = !skip(input)? && is_first;
        let next = input.peek(MAGIC.len())?;
        if !frame_follows(next, is_frame(next), is_first, Codec::Zstd)? {
            return Ok(Part::End);
        }
        let mut piece = Piece::default();
        while piece.packed.len() < PIECE_PACKED && piece.bytes_max < PIECE_BYTES && share > 0 {
            let next = input.peek(MAGIC.len())?;
            if next.is_empty() || !is_frame(next) || !piece.gather(input, share)? {
                break;
            }
        }
        match piece.packed.is_empty() {
            true => Ok(Part::Frame),
            false => Ok(Part::Piece(piece)),
        }
    }

    fn open(&self, input: Input) -> io::Result<Self::One> {
        let setup = |_refused: io::Error| Error::Setup(Codec::Zstd.name());
        let mut frame = read::Decoder::with_buffer(input)
            .map_err(setup)?
            .single_frame();
        frame.window_log_max(self.window_log).map_err(setup)?;
        Ok(frame)
    }

    fn close(one: Self::One) -> Input {
        one.finish()
    }

    fn explain(&self, error: io::Error) -> io::Error {
        // The library tells by text only (ZSTD_error_frameParameter_windowTooLarge).
        if error.to_string().contains("too much memory") {
            return Error::WindowTooLarge {
                codec: Codec::Zstd.name(),
                limit: 1u64.checked_shl(self.window_log).unwrap_or(u64::MAX),
            }
            .into();
        }
        error
    }

    fn unpack(piece: &Piece, bytes: &mut Vec<u8>) -> bool {
        // Straight into the buffer, all frames at once.
        let unpacked = DCtx::create().decompress(bytes, &piece.packed);
        unpacked.is_ok()
    }
}
