//! zstd, by libzstd: frames one after another, skippable ones skipped.

use super::source::{Guarded, Input};
use super::{Codec, EncodeOptions, Error, Limits, Source};
use std::io::{self, Read, Write};
use zstd::stream::{read, write};

/// Default level.
const LEVEL: i32 = 3;
/// Largest window ever allowed, as a power of two: what `zstd --long=27` writes, and libzstd's and
/// the reference's own limit for streams.
const WINDOW_LOG_MAX: u32 = 27;

struct Decoder {
    frames: read::Decoder<'static, Input>,
    limit: u64,
}

pub(super) fn decoder(source: Source, limits: Limits) -> Result<Source, Error> {
    let log = limits
        .memory_bytes
        .checked_ilog2()
        .unwrap_or(0)
        .clamp(10, WINDOW_LOG_MAX);
    Guarded::try_wrap(source, Codec::Zstd, |input| {
        let setup = |_refused: io::Error| Error::Setup(Codec::Zstd.name());
        let mut frames = read::Decoder::with_buffer(input).map_err(setup)?;
        frames.window_log_max(log).map_err(setup)?;
        Ok(Decoder {
            frames,
            limit: 1u64.checked_shl(log).unwrap_or(u64::MAX),
        })
    })
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.frames.read(buffer).map_err(|error| {
            // The library tells by text only (ZSTD_error_frameParameter_windowTooLarge).
            if error.to_string().contains("too much memory") {
                return Error::WindowTooLarge {
                    codec: Codec::Zstd.name(),
                    limit: self.limit,
                }
                .into();
            }
            error
        })
    }
}

pub(super) fn encoder<W: Write>(
    sink: W,
    options: EncodeOptions,
) -> Result<write::Encoder<'static, W>, Error> {
    let setup = |_refused: io::Error| Error::Setup(Codec::Zstd.name());
    let level = options.level.unwrap_or(LEVEL);
    let mut encoder = write::Encoder::new(sink, level).map_err(setup)?;
    encoder.include_checksum(true).map_err(setup)?;
    let threads = u32::try_from(options.threads().get()).unwrap_or(1);
    if threads > 1 {
        encoder.multithread(threads).map_err(setup)?;
    }
    Ok(encoder)
}
