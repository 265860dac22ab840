//! Encodes blocks on several threads and joins them to one stream.

use super::super::EncodeOptions;
use super::super::ordered::Ordered;
use super::bits::{self, Sink};
use super::{CRC_BITS, END_MARK, MARK_BITS};
use bzip2::Compression;
use std::io::{self, Read, Write};

/// Bytes of one block. The format's first stage turns runs of 4 into 5, so 4/5 of the smallest
/// limit below 900 kB always fit into one block of level 9.
const BLOCK_BYTES: usize = 700_000;
/// Default level.
const LEVEL: u32 = 9;
/// Length of the stream header, in bits.
const HEADER_BITS: u64 = 32;

struct Piece {
    data: Vec<u8>,
    level: u32,
}

/// Encodes one stream.
pub(in super::super) struct Encoder<W> {
    sink: W,
    pieces: Ordered<Piece, io::Result<Vec<u8>>>,
    current: Vec<u8>,
    joined: Sink,
    combined: u32,
    level: u32,
    piece_bytes: usize,
    begun: bool,
}

impl<W: Write> Encoder<W> {
    pub(in super::super) fn new(sink: W, options: EncodeOptions) -> Self {
        let level = options.level.and_then(|level| u32::try_from(level).ok());
        let level = level.unwrap_or(LEVEL).clamp(1, 9);
        let share = usize::try_from(level)
            .unwrap_or(9)
            .saturating_mul(BLOCK_BYTES);
        Self {
            sink,
            pieces: Ordered::new(options.threads().get(), encode),
            current: Vec::new(),
            joined: Sink::default(),
            combined: 0,
            level,
            piece_bytes: share.checked_div(9).unwrap_or(BLOCK_BYTES),
            begun: false,
        }
    }

    pub(in super::super) fn finish(mut self) -> io::Result<W> {
        if !self.current.is_empty() {
            self.submit()?;
        }
        while !self.pieces.is_empty() {
            self.take()?;
        }
        self.begin();
        self.joined.push(END_MARK, 48);
        self.joined.push(u64::from(self.combined), 32);
        self.joined.align();
        self.write_joined()?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn submit(&mut self) -> io::Result<()> {
        while !self.pieces.has_room() {
            self.take()?;
        }
        self.pieces.submit(Piece {
            data: std::mem::take(&mut self.current),
            level: self.level,
        });
        Ok(())
    }

    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            let level = u64::from(self.level).saturating_add(u64::from(b'0'));
            self.joined.push(0x42_5a68, 24);
            self.joined.push(level, 8);
        }
    }

    /// Takes the bits of the oldest block out of its own stream and adds them to ours.
    fn take(&mut self) -> io::Result<()> {
        let died = || io::Error::other("A packing thread died");
        let stream = self.pieces.next().ok_or_else(died)??;
        self.begin();
        let end = end_of_blocks(&stream).ok_or_else(died)?;
        let crc = bits::read(&stream, HEADER_BITS.saturating_add(MARK_BITS), CRC_BITS);
        self.combined = self.combined.rotate_left(1) ^ u32::try_from(crc).unwrap_or(0);
        self.joined.extend(&stream, HEADER_BITS, end);
        self.write_joined()
    }

    fn write_joined(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.joined.bytes)?;
        self.joined.bytes.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = self.piece_bytes.saturating_sub(self.current.len());
        let now = data.get(..room).unwrap_or(data);
        self.current.extend_from_slice(now);
        if self.current.len() >= self.piece_bytes {
            self.submit()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn encode(piece: Piece) -> io::Result<Vec<u8>> {
    let Piece { data, level } = piece;
    let mut stream = Vec::with_capacity(data.len() / 2);
    bzip2::read::BzEncoder::new(data.as_slice(), Compression::new(level))
        .read_to_end(&mut stream)?;
    Ok(stream)
}

/// Where the end mark of a stream begins, in bits: the padding behind it is 0 to 7 bits.
fn end_of_blocks(stream: &[u8]) -> Option<u64> {
    let bits_in_all = (stream.len() as u64).checked_mul(8)?;
    let tail = CRC_BITS.checked_add(MARK_BITS)?;
    (0..8u64).find_map(|padding| {
        let at = bits_in_all.checked_sub(tail)?.checked_sub(padding)?;
        (bits::read(stream, at, MARK_BITS) == END_MARK).then_some(at)
    })
}
