//! xz, by liblzma: blocks in parallel where the file was written in blocks.
//!
//! Streams may follow one another, with padding of four zero bytes, or a multiple, between them and
//! at the end.

use super::source::{Failure, Input, watch};
use super::{Codec, EncodeOptions, Error, Limits, Source};
use liblzma::stream::{Action, Check, MtStreamBuilder, Status, Stream};
use liblzma::write::XzEncoder;
use std::io::{self, BufRead, Read, Write};

/// Default preset.
const PRESET: u32 = 6;
/// Bytes that one thread packs with preset 6 and below. Preset 6 has a dictionary of 8 MiB, which
/// doubles with each preset above; three times that is liblzma's own choice, which loses little and
/// leaves blocks that can be unpacked in parallel.
const BLOCK_BYTES: u64 = 24 << 20;
/// How long one call of the library may wait for its threads, in milliseconds.
const TIMEOUT_MS: u32 = 300;

/// Decodes stream after stream.
pub(super) struct Decoder {
    input: Input,
    failure: Failure,
    limits: Limits,
    stream: Option<Stream>,
    /// Zero bytes seen since the last stream.
    padding: u64,
    ended: bool,
}

impl Decoder {
    pub(super) fn new(source: Source, limits: Limits) -> Result<Self, Error> {
        let (input, failure) = watch(source);
        Ok(Self {
            input,
            failure,
            limits,
            stream: Some(open(limits)?),
            padding: 0,
            ended: false,
        })
    }

    /// Skips padding; starts the next stream, or notices the end.
    fn between(&mut self) -> io::Result<()> {
        loop {
            let next = self.input.fill_buf()?;
            if next.is_empty() {
                self.ended = true;
                return self.check_padding();
            }
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            let rest = next.len() > zeros;
            self.padding = self.padding.saturating_add(zeros as u64);
            self.input.consume(zeros);
            if rest {
                break;
            }
        }
        self.check_padding()?;
        if self.input.fill_buf()?.first() != Some(&0xfd) {
            return Err(Error::TrailingGarbage(Codec::Xz.name()).into());
        }
        self.stream = Some(open(self.limits)?);
        Ok(())
    }

    fn check_padding(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.padding) % 4 {
            0 => Ok(()),
            _ => Err(Error::TrailingGarbage(Codec::Xz.name()).into()),
        }
    }

    fn step(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            self.between()?;
            return Ok(0);
        };
        let data = self.input.fill_buf()?;
        let action = match data.is_empty() {
            true => Action::Finish,
            false => Action::Run,
        };
        let (before_in, before_out) = (stream.total_in(), stream.total_out());
        let at_end = data.is_empty();
        let status = stream
            .process(data, buffer, action)
            .map_err(|error| explain(error, self.limits))?;
        let taken = stream.total_in().wrapping_sub(before_in);
        let given = stream.total_out().wrapping_sub(before_out);
        self.input.consume(usize::try_from(taken).unwrap_or(0));
        match status {
            Status::StreamEnd => self.stream = None,
            Status::MemNeeded if at_end && given == 0 => {
                return Err(Error::Truncated(Codec::Xz.name()).into());
            }
            Status::Ok | Status::GetCheck | Status::MemNeeded => {}
        }
        Ok(usize::try_from(given).unwrap_or(0))
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while !self.ended {
            match self.step(buffer) {
                Ok(0) => {}
                Ok(length) => return Ok(length),
                Err(error) => return Err(self.failure.explain(&error, Codec::Xz)),
            }
        }
        Ok(0)
    }
}

fn open(limits: Limits) -> Result<Stream, Error> {
    let threads = u32::try_from(limits.threads.get()).unwrap_or(1);
    MtStreamBuilder::new()
        .threads(threads)
        .timeout_ms(TIMEOUT_MS)
        // Beyond this it goes on with fewer threads; beyond the other it stops.
        .memlimit_threading(limits.memory_bytes)
        .memlimit_stop(limits.memory_bytes)
        .decoder()
        .map_err(|error| explain(error, limits))
}

fn explain(error: liblzma::stream::Error, limits: Limits) -> Error {
    use liblzma::stream::Error as Lzma;
    let codec = Codec::Xz.name();
    match error {
        Lzma::MemLimit | Lzma::Mem => Error::WindowTooLarge {
            codec,
            limit: limits.memory_bytes,
        },
        Lzma::Program => Error::Setup(codec),
        Lzma::Data | Lzma::Options | Lzma::Format | Lzma::NoCheck | Lzma::UnsupportedCheck => {
            Error::Corrupt(codec)
        }
    }
}

pub(super) fn encoder<W: Write>(sink: W, options: EncodeOptions) -> Result<XzEncoder<W>, Error> {
    let setup = |_refused| Error::Setup(Codec::Xz.name());
    let preset = options.level.and_then(|level| u32::try_from(level).ok());
    let preset = preset.unwrap_or(PRESET);
    let mut builder = MtStreamBuilder::new();
    builder
        .preset(preset)
        .check(Check::Crc64)
        .block_size(block_bytes(preset))
        .timeout_ms(TIMEOUT_MS);
    // One thread's share, since the library's own threads need the same each.
    let one = builder.threads(1).memusage();
    builder.threads(options.threads_of(one));
    let stream = builder.encoder().map_err(setup)?;
    Ok(XzEncoder::new_stream(sink, stream))
}

/// Bytes that one thread packs: three times the dictionary, but not less than for preset 6.
fn block_bytes(preset: u32) -> u64 {
    BLOCK_BYTES.unbounded_shl(preset.saturating_sub(PRESET))
}
