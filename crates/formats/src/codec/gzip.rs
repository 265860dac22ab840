//! gzip: members one after another; encoding as one member in parallel pieces.

use super::ordered::Ordered;
use super::source::Input;
use super::{Codec, EncodeOptions, Error};
use flate2::bufread::GzDecoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

/// Bytes packed by one thread at a time. Each piece starts with the 32 KiB before it as its
/// dictionary, so that the result is hardly larger than that of one thread.
const PIECE_BYTES: usize = 512 << 10;
/// The window of deflate, in bytes.
const WINDOW_BYTES: usize = 32 << 10;
/// No name, no time, written on Unix (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
/// Default level.
const LEVEL: u32 = 6;

/// Decodes member after member.
pub(super) struct Decoder {
    member: Option<GzDecoder<Input>>,
    rest: Option<Input>,
}

impl Decoder {
    pub(super) fn new(input: Input) -> Self {
        Self {
            member: Some(GzDecoder::new(input)),
            rest: None,
        }
    }

    /// Looks at what follows a member.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(mut input) = self.rest.take() else {
            return Ok(());
        };
        let next = input.fill_buf()?;
        match next.first() {
            None => Ok(()),
            Some(0x1f) => {
                self.member = Some(GzDecoder::new(input));
                Ok(())
            }
            Some(_) => Err(Error::TrailingGarbage(Codec::Gzip.name()).into()),
        }
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let length = member.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            self.rest = self.member.take().map(GzDecoder::into_inner);
            self.next_member()?;
        }
        Ok(0)
    }
}

/// One piece of a member, and what stands before it.
struct Piece {
    dictionary: Arc<Vec<u8>>,
    data: Arc<Vec<u8>>,
    level: u32,
    is_last: bool,
}

struct Packed {
    bytes: io::Result<Vec<u8>>,
    crc: Crc,
}

/// Encodes one member on several threads.
pub(super) struct Encoder<W> {
    sink: W,
    pieces: Ordered<Piece, Packed>,
    current: Vec<u8>,
    previous: Arc<Vec<u8>>,
    crc: Crc,
    length: u32,
    level: u32,
    begun: bool,
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(sink: W, options: EncodeOptions) -> Self {
        let level = options.level.and_then(|level| u32::try_from(level).ok());
        Self {
            sink,
            pieces: Ordered::new(options.threads().get(), pack),
            current: Vec::with_capacity(PIECE_BYTES),
            previous: Arc::new(Vec::new()),
            crc: Crc::new(),
            length: 0,
            level: level.unwrap_or(LEVEL).min(9),
            begun: false,
        }
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.submit(true)?;
        while !self.pieces.is_empty() {
            self.take()?;
        }
        self.sink.write_all(&self.crc.sum().to_le_bytes())?;
        self.sink.write_all(&self.length.to_le_bytes())?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn submit(&mut self, is_last: bool) -> io::Result<()> {
        while !self.pieces.has_room() {
            self.take()?;
        }
        let fresh = Vec::with_capacity(PIECE_BYTES);
        let data = Arc::new(std::mem::replace(&mut self.current, fresh));
        self.pieces.submit(Piece {
            dictionary: Arc::clone(&self.previous),
            data: Arc::clone(&data),
            level: self.level,
            is_last,
        });
        self.previous = data;
        Ok(())
    }

    fn take(&mut self) -> io::Result<()> {
        let Some(packed) = self.pieces.next() else {
            return Err(io::Error::other("A packing thread died"));
        };
        if !self.begun {
            self.begun = true;
            self.sink.write_all(&HEADER)?;
        }
        self.crc.combine(&packed.crc);
        self.length = self.length.wrapping_add(packed.crc.amount());
        self.sink.write_all(&packed.bytes?)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES.saturating_sub(self.current.len());
        let now = data.get(..room).unwrap_or(data);
        self.current.extend_from_slice(now);
        if self.current.len() >= PIECE_BYTES {
            self.submit(false)?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pack(piece: Piece) -> Packed {
    let bytes = deflate(&piece).map_err(io::Error::other);
    let Piece { data, .. } = piece;
    let mut crc = Crc::new();
    crc.update(&data);
    Packed { bytes, crc }
}

/// One piece as deflate blocks that end on a byte: joined they are one stream.
fn deflate(piece: &Piece) -> Result<Vec<u8>, flate2::CompressError> {
    let mut compress = Compress::new(Compression::new(piece.level), false);
    let start = piece.dictionary.len().saturating_sub(WINDOW_BYTES);
    if let Some(dictionary) = piece.dictionary.get(start..)
        && !dictionary.is_empty()
    {
        compress.set_dictionary(dictionary)?;
    }
    let flush = match piece.is_last {
        true => FlushCompress::Finish,
        false => FlushCompress::Sync,
    };
    let mut out = Vec::with_capacity(PIECE_BYTES);
    loop {
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = piece.data.get(taken..).unwrap_or(&[]);
        if out.len() == out.capacity() {
            out.reserve(PIECE_BYTES);
        }
        let status = compress.compress_vec(rest, &mut out, flush)?;
        let all = usize::try_from(compress.total_in()).is_ok_and(|all| all == piece.data.len());
        let done = match piece.is_last {
            true => status == flate2::Status::StreamEnd,
            // Room left over says that the flush is complete.
            false => all && out.len() < out.capacity(),
        };
        if done {
            return Ok(out);
        }
    }
}
