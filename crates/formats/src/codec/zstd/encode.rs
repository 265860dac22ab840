//! Packing with zstd: one frame of jobs that all cores share, but for long runs of zeros.
//!
//! A disk image is mostly zeros. Where a run of them is long, the frame ends, ready-made frames of
//! zeros stand for the run, and another frame begins. Where frames end depends on the bytes alone:
//! neither on how they are handed over nor on the number of cores.
//!
//! # Source
//! RFC 8878, section 3: frames may follow one another, what they hold does too.

use super::super::{Codec, EncodeOptions, Error};
use std::io::{self, Read, Write};
use zstd::stream::raw::CParameter;
use zstd::stream::write;

/// Default level.
const LEVEL: i32 = 3;
/// Bytes that one thread packs at a time at the lower levels. The library's own choice is twice
/// that, and doubles the memory for no measurable gain.
const JOB_BYTES: u32 = 4 << 20;
/// Runs of zeros are counted in pieces of this many bytes, at multiples of it.
const UNIT: usize = 1 << 20;
/// Shorter runs of zeros stay within their frame, in bytes: ending it costs the time in which a core
/// packs about this much of them.
const RUN_MIN: u64 = 64 << 20;
/// What a ready-made frame holds, in bytes.
const ZERO_FRAME_BYTES: u64 = 4 << 20;

/// Packs what is written to it.
pub(crate) struct Encoder<W: Write> {
    stage: Stage<W>,
    /// There is no frame yet.
    is_empty: bool,
    options: EncodeOptions,
    /// A frame of zeros, made when the first one is needed.
    zero_frame: Vec<u8>,
    /// Zeros that were handed over and are not in a frame yet, in bytes.
    held: u64,
    /// How far the current unit is filled, in bytes.
    filled: usize,
    /// The current unit has nothing but zeros so far, all of them held.
    is_zero: bool,
}

enum Stage<W: Write> {
    /// Within a frame.
    Frame(write::Encoder<'static, W>),
    /// Behind a frame.
    Between(W),
    /// A failure took the sink.
    Lost,
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(sink: W, options: EncodeOptions) -> Result<Self, Error> {
        // Whether the library takes the level is said here, not at the first byte.
        frame(io::sink(), options).map_err(|_refused| Error::Setup(Codec::Zstd.name()))?;
        Ok(Self {
            stage: Stage::Between(sink),
            is_empty: true,
            options,
            zero_frame: Vec::new(),
            held: 0,
            filled: 0,
            is_zero: true,
        })
    }

    /// Completes the stream.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.release()?;
        if self.is_empty {
            self.frame()?;
        }
        self.end_frame()?;
        match self.stage {
            Stage::Between(sink) => Ok(sink),
            Stage::Frame(_) | Stage::Lost => Err(lost()),
        }
    }

    /// Puts the zeros that were held back where they belong.
    fn release(&mut self) -> io::Result<()> {
        let mut left = std::mem::take(&mut self.held);
        // The zeros at the beginning of a unit that has others are no part of the run.
        let within = if self.is_zero { 0 } else { self.filled };
        if left.saturating_sub(within as u64) >= RUN_MIN {
            self.end_frame()?;
            if self.zero_frame.is_empty() {
                self.zero_frame = zero_frame(self.options)?;
            }
            self.is_empty = false;
            let Stage::Between(sink) = &mut self.stage else {
                return Err(lost());
            };
            while let Some(rest) = left.checked_sub(ZERO_FRAME_BYTES) {
                sink.write_all(&self.zero_frame)?;
                left = rest;
            }
        }
        let zeros = [0; 64 << 10];
        while left > 0 {
            let now = zeros.get(..usize::try_from(left).unwrap_or(usize::MAX));
            let now = now.unwrap_or(&zeros);
            self.frame()?.write_all(now)?;
            left = left.saturating_sub(now.len() as u64);
        }
        Ok(())
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Frame(frame) => Stage::Between(frame.finish()?),
            other => other,
        };
        Ok(())
    }

    /// The current frame; a new one behind the last.
    fn frame(&mut self) -> io::Result<&mut write::Encoder<'static, W>> {
        self.is_empty = false;
        if matches!(self.stage, Stage::Between(_))
            && let Stage::Between(sink) = std::mem::replace(&mut self.stage, Stage::Lost)
        {
            self.stage = Stage::Frame(frame(sink, self.options)?);
        }
        match &mut self.stage {
            Stage::Frame(frame) => Ok(frame),
            Stage::Between(_) | Stage::Lost => Err(lost()),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = UNIT.saturating_sub(self.filled);
        let now = data.get(..room).unwrap_or(data);
        if self.filled == 0 {
            self.is_zero = true;
        }
        self.is_zero = self.is_zero && is_zero(now);
        let taken = if self.is_zero {
            self.held = self.held.saturating_add(now.len() as u64);
            now.len()
        } else {
            self.release()?;
            self.frame()?.write(now)?
        };
        // No write goes past the end of a unit.
        self.filled = match self.filled.saturating_add(taken) {
            UNIT => 0,
            filled => filled,
        };
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frame<W: Write>(sink: W, options: EncodeOptions) -> io::Result<write::Encoder<'static, W>> {
    let level = options.level.unwrap_or(LEVEL);
    let mut encoder = write::Encoder::new(sink, level)?;
    encoder.include_checksum(true)?;
    // With one thread too: without any, other bytes come out.
    encoder.multithread(options.threads_of(bytes_a_thread(level)))?;
    if level <= LOW_LEVEL_MAX {
        encoder.set_parameter(CParameter::JobSize(JOB_BYTES))?;
    }
    Ok(encoder)
}

/// A frame of zeros, by the library: with their checksum, as every other.
fn zero_frame(options: EncodeOptions) -> io::Result<Vec<u8>> {
    let mut encoder = frame(Vec::new(), options)?;
    encoder.set_pledged_src_size(Some(ZERO_FRAME_BYTES))?;
    io::copy(&mut io::repeat(0).take(ZERO_FRAME_BYTES), &mut encoder)?;
    encoder.finish()
}

/// Levels up to this have windows that are small beside a job.
const LOW_LEVEL_MAX: i32 = 9;

/// Memory of one thread, in bytes: tables, and two jobs (measured).
const fn bytes_a_thread(level: i32) -> u64 {
    match level {
        ..=LOW_LEVEL_MAX => 96 << 20,
        10..=15 => 160 << 20,
        _ => 256 << 20,
    }
}

fn is_zero(data: &[u8]) -> bool {
    // A comparison of slices is the C library's: wide, also in builds without optimisation.
    const ZEROS: [u8; 4096] = [0; 4096];
    data.chunks(ZEROS.len())
        .all(|piece| ZEROS.get(..piece.len()) == Some(piece))
}

fn lost() -> io::Error {
    io::Error::other("an earlier failure to write ended the stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(data: &[&[u8]], step: usize, threads: usize) -> Vec<u8> {
        let options = EncodeOptions {
            threads: threads.try_into().ok(),
            ..EncodeOptions::default()
        };
        let mut encoder = Encoder::new(Vec::new(), options).unwrap();
        for piece in data.iter().flat_map(|part| part.chunks(step)) {
            encoder.write_all(piece).unwrap();
        }
        encoder.finish().unwrap()
    }

    fn frames(packed: &[u8]) -> usize {
        packed
            .windows(4)
            .filter(|four| *four == [0x28, 0xb5, 0x2f, 0xfd])
            .count()
    }

    #[test]
    fn long_runs_of_zeros_become_frames_wherever_the_writes_end() {
        let text = b"text ".repeat(300_000);
        let zeros = vec![0; 70 << 20];
        let parts: [&[u8]; 3] = [&text, &zeros, &text];
        let once = packed(&parts, usize::MAX, 2);
        assert_eq!(packed(&parts, 333_333, 1), once);
        assert!(frames(&once) > 10, "{}", frames(&once));
        assert!(once.len() < 10_000, "{}", once.len());
        assert!(zstd::decode_all(once.as_slice()).unwrap() == parts.concat());
    }

    #[test]
    fn short_runs_of_zeros_stay_in_one_frame() {
        let zeros = vec![0; 63 << 20];
        for parts in [
            &[&zeros[..], b"end"][..],
            &[b"x", &zeros],
            &[b""],
            &[&zeros],
        ] {
            let packed = packed(parts, 1 << 20, 1);
            assert_eq!(frames(&packed), 1);
            assert!(zstd::decode_all(packed.as_slice()).unwrap() == parts.concat());
        }
        let all = vec![0; 64 << 20];
        let packed = packed(&[&all], 1 << 20, 1);
        assert_eq!(frames(&packed), 16);
        assert!(zstd::decode_all(packed.as_slice()).unwrap() == all);
    }
}
