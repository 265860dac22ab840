//! Decodes blocks on several threads.

use super::super::ordered::Ordered;
use super::super::source::{Guarded, Input};
use super::super::{Codec, Error, Limits, Source};
use super::bits::{self, Sink};
use super::split::{Block, Part, Splitter};
use super::{CRC_BITS, END_MARK, MARK_BITS};
use bzip2::{Decompress, Status};
use std::collections::VecDeque;
use std::io::{self, Read};

/// Most bytes of one block: 900 kB in which every run of 4 stands for up to 259.
const BLOCK_MAX: usize = 64 << 20;
/// What the digit of a stream's header counts, in bytes.
const UNIT_BYTES: usize = 100_000;
/// Room for the few bytes by which runs make most blocks longer.
const SLACK_BYTES: usize = 16 << 10;
/// How many pieces a block may have been cut into by bits that look like a mark and are none. One
/// is a chance of one in 2^48 a bit; more is an attack.
const FALSE_MARKS_MAX: usize = 3;

pub(in super::super) fn decoder(source: Source, limits: Limits) -> Source {
    Guarded::wrap(source, Codec::Bzip2, |input| Decoder::new(input, limits))
}

/// Blocks in flight, and the bytes of the oldest.
struct Decoder {
    parts: Splitter,
    blocks: Ordered<Block, Decoded>,
    /// What lies between the blocks in flight, in order.
    order: VecDeque<Next>,
    combined: u32,
    current: io::Cursor<Vec<u8>>,
    ended: bool,
}

enum Next {
    Block,
    End(u32),
}

struct Decoded {
    crc: u32,
    /// The bytes, or the block itself if it cannot be decoded.
    result: Result<Vec<u8>, Block>,
}

impl Decoder {
    fn new(input: Input, limits: Limits) -> Self {
        let room = limits.memory_bytes.checked_div(BLOCK_MAX as u64);
        let room = usize::try_from(room.unwrap_or(1)).unwrap_or(usize::MAX);
        Self {
            parts: Splitter::new(input),
            blocks: Ordered::with_room(limits.threads.get(), room, decode),
            order: VecDeque::new(),
            combined: 0,
            current: io::Cursor::default(),
            ended: false,
        }
    }

    /// Keeps all threads busy.
    fn feed(&mut self) -> io::Result<()> {
        while !self.ended && self.blocks.has_room() {
            match self.parts.next()? {
                None => self.ended = true,
                Some(Part::End(crc)) => self.order.push_back(Next::End(crc)),
                Some(Part::Block(block)) => {
                    self.order.push_back(Next::Block);
                    self.blocks.submit(block);
                }
            }
        }
        Ok(())
    }

    /// Gets the next block's bytes. `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            let fed = self.feed();
            match self.order.pop_front() {
                // What was complete before a failure is still good; then the failure comes.
                None => return fed.map(|()| false),
                Some(Next::End(crc)) if crc == self.combined => self.combined = 0,
                Some(Next::End(_)) => return Err(corrupt()),
                Some(Next::Block) => {
                    self.current = io::Cursor::new(self.next_block(0)?);
                    return Ok(true);
                }
            }
        }
    }

    fn next_block(&mut self, false_marks: usize) -> io::Result<Vec<u8>> {
        let decoded = self.blocks.next().ok_or_else(corrupt)?;
        let crc = decoded.crc;
        let mut result = decoded.result;
        let mut tries = false_marks;
        loop {
            match result {
                Ok(bytes) => {
                    self.combined = self.combined.rotate_left(1) ^ crc;
                    return Ok(bytes);
                }
                Err(block) if tries < FALSE_MARKS_MAX => {
                    tries = tries.saturating_add(1);
                    result = decode(self.joined(&block)?).result;
                }
                Err(_) => return Err(corrupt()),
            }
        }
    }

    /// A block and what was taken for the next one, which must be undecodable too.
    fn joined(&mut self, first: &Block) -> io::Result<Block> {
        if !matches!(self.order.front(), Some(Next::Block)) {
            return Err(corrupt());
        }
        self.order.pop_front();
        let second = self.blocks.next().ok_or_else(corrupt)?;
        let Err(second) = second.result else {
            return Err(corrupt());
        };
        let mut sink = Sink::default();
        sink.extend(&first.bytes, first.start, first.end);
        sink.extend(&second.bytes, second.start, second.end);
        let bits = first.end.saturating_sub(first.start);
        let more = second.end.saturating_sub(second.start);
        sink.align();
        Ok(Block {
            bytes: sink.bytes,
            start: 0,
            end: bits.saturating_add(more),
            level: first.level,
        })
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.current.read(buffer)?;
            if length > 0 || buffer.is_empty() || !self.advance()? {
                return Ok(length);
            }
        }
    }
}

/// Decodes one block as a stream of its own; the library checks the block's checksum.
fn decode(block: Block) -> Decoded {
    let crc_at = block.start.saturating_add(MARK_BITS);
    let crc = bits::read(&block.bytes, crc_at, CRC_BITS);
    let mut sink = Sink::default();
    sink.bytes.reserve(block.bytes.len().saturating_add(32));
    sink.bytes.extend_from_slice(b"BZh");
    sink.bytes.push(block.level);
    sink.extend(&block.bytes, block.start, block.end);
    sink.push(END_MARK, 48);
    sink.push(crc, 32);
    sink.align();
    Decoded {
        crc: u32::try_from(crc).unwrap_or(0),
        result: unpack(&sink.bytes, block.level).ok_or(block),
    }
}

/// The bytes of a stream of one block; `None` if it is none.
fn unpack(stream: &[u8], level: u8) -> Option<Vec<u8>> {
    let units = usize::from(level.saturating_sub(b'0'));
    let usual = units.saturating_mul(UNIT_BYTES).saturating_add(SLACK_BYTES);
    let mut bytes = Vec::with_capacity(usual);
    let mut unpacker = Decompress::new(false);
    loop {
        let taken = usize::try_from(unpacker.total_in()).unwrap_or(usize::MAX);
        let rest = stream.get(taken..).unwrap_or(&[]);
        let before = (taken, bytes.len());
        match unpacker.decompress_vec(rest, &mut bytes).ok()? {
            Status::StreamEnd => return Some(bytes),
            Status::Ok | Status::FlushOk | Status::RunOk | Status::FinishOk | Status::MemNeeded => {
            }
        }
        let taken = usize::try_from(unpacker.total_in()).unwrap_or(usize::MAX);
        if bytes.len() == bytes.capacity() && bytes.len() < BLOCK_MAX {
            // Runs of one byte, which are counted: a block holds more than its size then.
            bytes.reserve(bytes.len().max(usual));
        } else if (taken, bytes.len()) == before || bytes.len() >= BLOCK_MAX {
            return None;
        }
    }
}

fn corrupt() -> io::Error {
    Error::Corrupt(Codec::Bzip2.name()).into()
}
