//! Finds the blocks of a stream without decoding them.

use super::super::source::Input;
use super::super::{Codec, Error};
use super::bits;
use super::marks::Search;
use super::{BLOCK_MARK, CRC_BITS, END_MARK, MARK_BITS};
use std::io::{self, BufRead};

/// Longest packed block, in bytes: 900 kB that cannot be packed grow by less than a fifth.
const PACKED_MAX: usize = 2 << 20;

/// What a stream consists of.
#[derive(Debug)]
pub(super) enum Part {
    /// A block, from its mark up to the next mark.
    Block(Block),
    /// The end of a stream, with the combined checksum of its blocks.
    End(u32),
}

/// The bits of one block, its mark included.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// First bit in `bytes`, 0 to 7.
    pub(super) start: u64,
    /// One past the last bit.
    pub(super) end: u64,
    /// The digit of its stream's header: how large it may be, in units of 100 kB, as text.
    pub(super) level: u8,
}

/// Reads a source part by part.
pub(super) struct Splitter {
    input: Input,
    /// Bytes read and not handed out yet.
    window: Vec<u8>,
    /// Where the current part begins, in bits of the window.
    position: u64,
    at_eof: bool,
    /// The digit in the header of the current stream.
    level: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A stream header, or after the first one the end, comes next.
    Header {
        first: bool,
    },
    /// A mark comes next.
    Mark,
    Done,
}

impl Splitter {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            window: Vec::new(),
            position: 0,
            at_eof: false,
            level: b'9',
            state: State::Header { first: true },
        }
    }

    /// The next part; `None` at the end of the source.
    pub(super) fn next(&mut self) -> io::Result<Option<Part>> {
        if let State::Header { first } = self.state
            && !self.header(first)?
        {
            self.state = State::Done;
        }
        if self.state == State::Done {
            return Ok(None);
        }
        self.need(MARK_BITS + CRC_BITS)?;
        let mark = bits::read(&self.window, self.position, MARK_BITS);
        match mark {
            END_MARK => self.end().map(|crc| Some(Part::End(crc))),
            BLOCK_MARK => self.block().map(|block| Some(Part::Block(block))),
            _ => Err(corrupt()),
        }
    }

    /// Reads a stream header. `false` at the end of the source.
    fn header(&mut self, first: bool) -> io::Result<bool> {
        self.forget();
        while self.window.len() < 4 && self.more()? {}
        match self.window.get(..4) {
            Some([b'B', b'Z', b'h', level @ b'1'..=b'9']) => {
                self.level = *level;
                self.position = 32;
                self.state = State::Mark;
                Ok(true)
            }
            None if self.window.is_empty() && !first => Ok(false),
            None if first || b"BZh".starts_with(self.window.get(..3).unwrap_or(&self.window)) => {
                Err(truncated())
            }
            _ if first => Err(corrupt()),
            _ => Err(Error::TrailingGarbage(Codec::Bzip2.name()).into()),
        }
    }

    fn end(&mut self) -> io::Result<u32> {
        let crc = bits::read(
            &self.window,
            self.position.saturating_add(MARK_BITS),
            CRC_BITS,
        );
        let end = self
            .position
            .saturating_add(MARK_BITS)
            .saturating_add(CRC_BITS);
        self.position = end.next_multiple_of(8);
        self.state = State::Header { first: false };
        Ok(u32::try_from(crc).unwrap_or(0))
    }

    fn block(&mut self) -> io::Result<Block> {
        let from = self
            .position
            .saturating_add(MARK_BITS)
            .saturating_add(CRC_BITS);
        let end = self.find_mark(from)?;
        let first = usize::try_from(self.position / 8).unwrap_or(usize::MAX);
        let last = usize::try_from(end.div_ceil(8)).unwrap_or(usize::MAX);
        let base = self.position.saturating_sub(self.position % 8);
        let block = Block {
            bytes: self.window.get(first..last).unwrap_or(&[]).to_vec(),
            start: self.position % 8,
            end: end.saturating_sub(base),
            level: self.level,
        };
        self.position = end;
        self.forget();
        Ok(block)
    }

    /// The bit at which the next mark begins.
    fn find_mark(&mut self, from: u64) -> io::Result<u64> {
        let mut search = Search::new(from);
        loop {
            if let Some(found) = search.next(&self.window) {
                return Ok(found);
            }
            let start = usize::try_from(self.position / 8).unwrap_or(usize::MAX);
            if self.window.len().saturating_sub(start) > PACKED_MAX {
                return Err(corrupt());
            }
            if !self.more()? {
                return Err(truncated());
            }
        }
    }

    fn need(&mut self, count: u64) -> io::Result<()> {
        let wanted = self.position.saturating_add(count).div_ceil(8);
        while (self.window.len() as u64) < wanted {
            if !self.more()? {
                return Err(truncated());
            }
        }
        Ok(())
    }

    fn more(&mut self) -> io::Result<bool> {
        if self.at_eof {
            return Ok(false);
        }
        let new = loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let length = new.len();
        self.window.extend_from_slice(new);
        self.input.consume(length);
        self.at_eof = length == 0;
        Ok(!self.at_eof)
    }

    /// Drops whole bytes that were handed out.
    fn forget(&mut self) {
        let done = usize::try_from(self.position / 8)
            .unwrap_or(0)
            .min(self.window.len());
        self.window.drain(..done);
        self.position %= 8;
    }
}

fn corrupt() -> io::Error {
    Error::Corrupt(Codec::Bzip2.name()).into()
}

fn truncated() -> io::Error {
    Error::Truncated(Codec::Bzip2.name()).into()
}
