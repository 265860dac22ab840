//! lz4 frames.

use super::source::{Input, frame_follows};
use super::{Codec, Error};
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use std::io::{self, BufRead, Read, Write};

/// First bytes of a frame (LZ4 Frame Format, General Structure).
const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Where the flags of a frame stand, and the bit that says that a checksum follows its end mark (LZ4
/// Frame Format, Frame Descriptor).
const FLAGS_AT: u64 = 4;
const HAS_CHECKSUM: u8 = 1 << 2;

/// The bytes of one frame. Their end is an error: the library takes some cut frames for whole ones,
/// and an empty block for the end of its frame.
struct InFrame {
    input: Input,
    /// The end was met although the frame is not complete.
    cut: bool,
    taken: u64,
    flags: u8,
    /// The last eight bytes.
    last: u64,
}

impl InFrame {
    const fn new(input: Input) -> Self {
        Self {
            input,
            cut: false,
            taken: 0,
            flags: 0,
            last: u64::MAX,
        }
    }

    /// Whether what was read last is the end of a frame: four zeros, and the checksum if there is one.
    const fn has_ended(&self) -> bool {
        let [a, b, c, d, mark @ ..] = self.last.to_be_bytes();
        let mark = match self.flags & HAS_CHECKSUM {
            0 => mark,
            _ => [a, b, c, d],
        };
        u32::from_be_bytes(mark) == 0
    }
}

impl Read for InFrame {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        if length == 0 && !buffer.is_empty() {
            self.cut = true;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let flags_at = FLAGS_AT.checked_sub(self.taken).map(usize::try_from);
        if let Some(Ok(at)) = flags_at
            && let Some(flags) = buffer.get(..length).and_then(|bytes| bytes.get(at))
        {
            self.flags = *flags;
        }
        self.taken = self.taken.saturating_add(length as u64);
        let from = length.saturating_sub(8);
        for byte in buffer.get(from..length).unwrap_or(&[]) {
            self.last = (self.last << 8) | u64::from(*byte);
        }
        Ok(length)
    }
}

/// Decodes frame after frame, each with a decoder of its own: the library's keeps the block size
/// of the first.
pub(super) struct Decoder(State);

enum State {
    /// A frame comes next.
    Start(Input),
    /// A frame, or the end, comes next.
    Between(Input),
    Frame(Box<FrameDecoder<InFrame>>),
    Ended,
}

impl Decoder {
    pub(super) fn new(input: Input) -> Self {
        Self(State::Start(input))
    }
}

/// Looks at what comes next.
fn next_frame(mut input: Input, is_first: bool) -> io::Result<State> {
    let next = input.fill_buf()?;
    let is_frame = next.iter().zip(MAGIC).all(|(a, b)| *a == b);
    if !frame_follows(next, is_frame, is_first, Codec::Lz4)? {
        return Ok(State::Ended);
    }
    Ok(State::Frame(Box::new(FrameDecoder::new(InFrame::new(
        input,
    )))))
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.0 = match std::mem::replace(&mut self.0, State::Ended) {
                State::Ended => return Ok(0),
                State::Start(input) => next_frame(input, true)?,
                State::Between(input) => next_frame(input, false)?,
                State::Frame(mut frame) => {
                    let before = frame.get_ref().taken;
                    let length = frame.read(buffer)?;
                    let within = frame.get_ref();
                    if length == 0 && within.cut {
                        return Err(Error::Truncated(Codec::Lz4.name()).into());
                    }
                    if length > 0 {
                        self.0 = State::Frame(frame);
                        return Ok(length);
                    }
                    if within.has_ended() {
                        State::Between(frame.into_inner().input)
                    } else if within.taken > before {
                        // An empty block.
                        State::Frame(frame)
                    } else {
                        return Err(Error::Corrupt(Codec::Lz4.name()).into());
                    }
                }
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
