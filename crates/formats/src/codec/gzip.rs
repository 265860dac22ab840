//! gzip: members one after another; encoding as one member in parallel pieces.
//!
//! Where a member ends is known once it is decoded, but for those of BGZF (SAM/BAM specification,
//! section 4.1), which say it in their headers and are decoded in parallel.

use super::frames::{self, Frames, Part, Piece};
use super::ordered::Ordered;
use super::source::{Guarded, Input, frame_follows};
use super::{Codec, EncodeOptions, Limits, Source};
use flate2::bufread::GzDecoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Bytes packed by one thread at a time. Each piece starts with the 32 KiB before it as its
/// dictionary, so that the result is hardly larger than that of one thread.
const PIECE_BYTES: usize = 512 << 10;
/// The window of deflate, in bytes.
const WINDOW_BYTES: usize = 32 << 10;
/// No name, no time, written on Unix (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
/// First byte of a member.
const MAGIC: u8 = 0x1f;
/// Default level.
const LEVEL: u32 = 6;

/// Length of the header of a member of BGZF, in bytes.
const BGZF_HEADER: usize = 18;
/// Most bytes of a member of BGZF, unpacked.
const BGZF_BYTES: usize = 64 << 10;
/// As many members of BGZF go to a thread at once: one is too little to be worth its while.
const BATCH_MEMBERS: usize = 32;

/// Finds members, and decodes them in sequence.
pub(super) struct Gzip;

pub(super) fn decoder(source: Source, limits: Limits) -> Source {
    Guarded::wrap(source, Codec::Gzip, |input| {
        frames::Decoder::new(Gzip, input, limits)
    })
}

/// The length of a member that says it itself, as those of BGZF do: the first field of its header's
/// extra fields is `BC`, and holds it less one.
fn stated_length(next: &[u8]) -> Option<usize> {
    match next {
        [
            0x1f,
            0x8b,
            8,
            4,
            _,
            _,
            _,
            _,
            _,
            _,
            extra,
            0,
            b'B',
            b'C',
            2,
            0,
            low,
            high,
        ] if *extra >= 6 => {
            let length = usize::from(u16::from_le_bytes([*low, *high])).saturating_add(1);
            (length > BGZF_HEADER).then_some(length)
        }
        _ => None,
    }
}

impl Frames for Gzip {
    type One = GzDecoder<Input>;

    fn next(&mut self, input: &mut Input, share: usize, is_first: bool) -> io::Result<Part> {
        let mut piece = Piece::default();
        for _ in 0..BATCH_MEMBERS.min(share / BGZF_BYTES) {
            let Some(length) = stated_length(input.peek(BGZF_HEADER)?) else {
                break;
            };
            let begin = piece.packed.len();
            if !input.take_into(length, &mut piece.packed)? {
                input.put_back(piece.packed.split_off(begin));
                break;
            }
            piece.bytes_max = piece.bytes_max.saturating_add(BGZF_BYTES);
        }
        if !piece.packed.is_empty() {
            return Ok(Part::Piece(piece));
        }
        let next = input.peek(1)?;
        let is_member = next == [MAGIC];
        match frame_follows(next, is_member, is_first, Codec::Gzip)? {
            true => Ok(Part::Frame),
            false => Ok(Part::End),
        }
    }

    fn open(&self, input: Input) -> io::Result<GzDecoder<Input>> {
        Ok(GzDecoder::new(input))
    }

    fn close(one: GzDecoder<Input>) -> Input {
        one.into_inner()
    }

    fn unpack(piece: &Piece, bytes: &mut Vec<u8>) -> bool {
        let mut rest = piece.packed.as_slice();
        while !rest.is_empty() {
            let mut member = GzDecoder::new(rest);
            let most = piece.bytes_max.saturating_sub(bytes.len()) as u64;
            let mut limited = member.by_ref().take(most.saturating_add(1));
            if limited.read_to_end(bytes).is_err() || bytes.len() > piece.bytes_max {
                return false;
            }
            rest = member.into_inner();
        }
        true
    }
}

/// A stretch of a member, and what stands before it.
struct Stretch {
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
    stretches: Ordered<Stretch, Packed>,
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
            stretches: Ordered::new(options.threads().get(), pack),
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
        while !self.stretches.is_empty() {
            self.take()?;
        }
        self.sink.write_all(&self.crc.sum().to_le_bytes())?;
        self.sink.write_all(&self.length.to_le_bytes())?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn submit(&mut self, is_last: bool) -> io::Result<()> {
        while !self.stretches.has_room() {
            self.take()?;
        }
        let fresh = Vec::with_capacity(PIECE_BYTES);
        let data = Arc::new(std::mem::replace(&mut self.current, fresh));
        self.stretches.submit(Stretch {
            dictionary: Arc::clone(&self.previous),
            data: Arc::clone(&data),
            level: self.level,
            is_last,
        });
        self.previous = data;
        Ok(())
    }

    fn take(&mut self) -> io::Result<()> {
        let Some(packed) = self.stretches.next() else {
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

fn pack(stretch: Stretch) -> Packed {
    let bytes = deflate(&stretch).map_err(io::Error::other);
    let Stretch { data, .. } = stretch;
    let mut crc = Crc::new();
    crc.update(&data);
    Packed { bytes, crc }
}

/// A stretch as deflate blocks that end on a byte: joined they are one stream.
fn deflate(stretch: &Stretch) -> Result<Vec<u8>, flate2::CompressError> {
    let mut compress = Compress::new(Compression::new(stretch.level), false);
    let start = stretch.dictionary.len().saturating_sub(WINDOW_BYTES);
    if let Some(dictionary) = stretch.dictionary.get(start..)
        && !dictionary.is_empty()
    {
        compress.set_dictionary(dictionary)?;
    }
    let flush = match stretch.is_last {
        true => FlushCompress::Finish,
        false => FlushCompress::Sync,
    };
    let mut out = Vec::with_capacity(PIECE_BYTES);
    loop {
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = stretch.data.get(taken..).unwrap_or(&[]);
        if out.len() == out.capacity() {
            out.reserve(PIECE_BYTES);
        }
        let status = compress.compress_vec(rest, &mut out, flush)?;
        let all = usize::try_from(compress.total_in()).is_ok_and(|all| all == stretch.data.len());
        let done = match stretch.is_last {
            true => status == flate2::Status::StreamEnd,
            // Room left over says that the flush is complete.
            false => all && out.len() < out.capacity(),
        };
        if done {
            return Ok(out);
        }
    }
}
