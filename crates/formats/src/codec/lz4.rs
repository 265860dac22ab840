//! lz4 frames.

use super::source::Input;
use super::{Codec, Error};
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use std::io::{self, BufRead, Read, Write};

/// First bytes of a frame (LZ4 Frame Format, General Structure).
const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// An input whose end is an error: the library takes some cut frames for whole ones, and this is
/// only read inside a frame.
struct InFrame {
    input: Input,
    /// The end was met although the frame is not complete.
    cut: bool,
}

impl Read for InFrame {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer)? {
            0 if !buffer.is_empty() => {
                self.cut = true;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            length => Ok(length),
        }
    }
}

/// Decodes frame after frame, each with a decoder of its own: the library's keeps the block size
/// of the first.
pub(super) struct Decoder(State);

enum State {
    /// A frame, or the end, comes next.
    Between(Input),
    Frame(Box<FrameDecoder<InFrame>>),
    Ended,
}

impl Decoder {
    pub(super) fn new(input: Input) -> Self {
        Self(State::Between(input))
    }
}

/// Looks at what comes next.
fn next_frame(mut input: Input) -> io::Result<State> {
    let next = input.fill_buf()?;
    if next.is_empty() {
        return Ok(State::Ended);
    }
    if !next.iter().zip(MAGIC).all(|(a, b)| *a == b) {
        return Err(Error::TrailingGarbage(Codec::Lz4.name()).into());
    }
    Ok(State::Frame(Box::new(FrameDecoder::new(InFrame {
        input,
        cut: false,
    }))))
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.0 = match std::mem::replace(&mut self.0, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(input) => next_frame(input)?,
                State::Frame(mut frame) => match frame.read(buffer)? {
                    0 if frame.get_ref().cut => {
                        return Err(Error::Truncated(Codec::Lz4.name()).into());
                    }
                    0 => State::Between(frame.into_inner().input),
                    length => {
                        self.0 = State::Frame(frame);
                        return Ok(length);
                    }
                },
            }
        }
    }
}

/// As the reference writes them: 256 KiB blocks that share a window, no checksums.
pub(super) fn encoder<W: Write>(sink: W) -> FrameEncoder<W> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max256KB)
        .block_mode(BlockMode::Linked);
    FrameEncoder::with_frame_info(info, sink)
}
