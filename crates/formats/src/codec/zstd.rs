//! zstd, by libzstd: frames one after another, skippable ones skipped.

use super::source::{Guarded, Input, frame_follows};
use super::{Codec, EncodeOptions, Error, Limits, Source};
use std::io::{self, BufRead, Read, Write};
use zstd::stream::{read, write};

/// Default level.
const LEVEL: i32 = 3;
/// Largest window ever allowed, as a power of two: what `zstd --long=27` writes, and libzstd's and
/// the reference's own limit for streams.
const WINDOW_LOG_MAX: u32 = 27;

/// How a frame begins (RFC 8878, section 3.1.1), and a skippable one: sixteen magics.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Decodes frame after frame, each with a decoder of its own, so that what follows one is seen.
struct Decoder {
    state: State,
    window_log: u32,
}

enum State {
    /// A frame comes next.
    Start(Input),
    /// A frame, or the end, comes next.
    Between(Input),
    Frame(read::Decoder<'static, Input>),
    Ended,
}

pub(super) fn decoder(source: Source, limits: Limits) -> Source {
    let window_log = limits
        .memory_bytes
        .checked_ilog2()
        .unwrap_or(0)
        .clamp(10, WINDOW_LOG_MAX);
    Guarded::wrap(source, Codec::Zstd, |input| Decoder {
        state: State::Start(input),
        window_log,
    })
}

impl Decoder {
    /// Looks at what comes next.
    fn next_frame(&self, mut input: Input, is_first: bool) -> io::Result<State> {
        let next = input.fill_buf()?;
        let is_frame = next.iter().zip(MAGIC).all(|(a, b)| *a == b);
        let is_skippable = next.first().is_some_and(|byte| byte >> 4 == 5)
            && next.iter().skip(1).zip(SKIPPABLE).all(|(a, b)| *a == b);
        if !frame_follows(next, is_frame || is_skippable, is_first, Codec::Zstd)? {
            return Ok(State::Ended);
        }
        let setup = |_refused: io::Error| Error::Setup(Codec::Zstd.name());
        let mut frame = read::Decoder::with_buffer(input)
            .map_err(setup)?
            .single_frame();
        frame.window_log_max(self.window_log).map_err(setup)?;
        Ok(State::Frame(frame))
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
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Start(input) => self.next_frame(input, true)?,
                State::Between(input) => self.next_frame(input, false)?,
                State::Frame(mut frame) => {
                    match frame.read(buffer).map_err(|error| self.explain(error))? {
                        0 => State::Between(frame.finish()),
                        length => {
                            self.state = State::Frame(frame);
                            return Ok(length);
                        }
                    }
                }
            }
        }
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
