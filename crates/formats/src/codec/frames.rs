//! Decodes frames that stand one after another on several threads, where they are small enough.
//!
//! The frames are found without decoding them, and go in pieces of one or more to threads; what
//! comes out keeps their order. That is only ever a shortcut: as soon as a piece turns out to be
//! damaged, or longer than its share of the memory, it and all behind it go back to the source and
//! are decoded in sequence. So the outcome is the same on any number of cores.

use super::Limits;
use super::ordered::Ordered;
use super::source::Input;
use std::io::{self, Read};

/// Most bytes of a piece, unpacked: what `pzstd -19` puts into a frame. Longer ones are decoded in
/// sequence.
const SHARE_MAX: u64 = 32 << 20;

/// A piece in work holds its packed bytes, its unpacked ones and a window.
const SHARES_A_PIECE: u64 = 3;

/// Pieces in flight beyond one a thread: the one being read, the one being handed out and one that
/// waits.
const PIECES_MORE: usize = 3;

/// What comes next in a source.
pub(super) enum Part {
    /// Whole frames, which were taken.
    Piece(Piece),
    /// A frame to be decoded in sequence, which was not taken.
    Frame,
    /// The end.
    End,
}

/// Frames that go to one thread.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) packed: Vec<u8>,
    /// Most bytes that they hold, unpacked.
    pub(super) bytes_max: usize,
}

/// A format of frames.
pub(super) trait Frames: Send + 'static {
    /// Decodes one frame from its source.
    type One: Read + Send;

    /// The next part. A piece may have `share` bytes at most, packed, unpacked and for its window
    /// each; with 0 all frames are to be decoded in sequence. `is_first` says whether nothing was
    /// taken yet.
    fn next(&mut self, input: &mut Input, share: usize, is_first: bool) -> io::Result<Part>;

    /// Starts to decode one frame in sequence.
    fn open(&self, input: Input) -> io::Result<Self::One>;

    /// The source behind a decoded frame.
    fn close(one: Self::One) -> Input;

    /// Says what an error of a decoder means.
    fn explain(&self, error: io::Error) -> io::Error {
        error
    }

    /// Decodes a piece into an empty buffer that has room for it; `false` if it is damaged, or holds
    /// more than it may.
    fn unpack(piece: &Piece, bytes: &mut Vec<u8>) -> bool;
}

/// Decodes a source of frames.
pub(super) struct Decoder<F: Frames> {
    frames: F,
    place: Place<F::One>,
    pieces: Ordered<(Piece, Vec<u8>), Unpacked>,
    /// Buffers that were used before: fresh ones of this size cost more than to fill them.
    buffers: Vec<Vec<u8>>,
    share: usize,
    /// Why no more pieces are made at the moment.
    halt: Option<Halt>,
    is_first: bool,
    current: io::Cursor<Vec<u8>>,
}

/// Where the source is.
enum Place<O> {
    /// A frame comes next.
    Between(Input),
    /// In a frame that is decoded in sequence.
    Within(O),
    Ended,
}

enum Halt {
    Frame,
    End,
    Failed(io::Error),
}

/// A piece, and what came out of it.
struct Unpacked {
    piece: Piece,
    bytes: Vec<u8>,
    is_good: bool,
}

impl<F: Frames> Decoder<F> {
    pub(super) fn new(frames: F, input: Input, limits: Limits) -> Self {
        let threads = limits.threads.get();
        let in_flight = threads.saturating_add(PIECES_MORE) as u64;
        let share = limits
            .memory_bytes
            .checked_div(in_flight.saturating_mul(SHARES_A_PIECE))
            .unwrap_or(0)
            .min(SHARE_MAX);
        Self {
            frames,
            place: Place::Between(input),
            pieces: Ordered::with_room(threads, threads.saturating_add(1), unpack::<F>),
            buffers: Vec::new(),
            share: match threads {
                1 => 0,
                _ => usize::try_from(share).unwrap_or(0),
            },
            halt: None,
            is_first: true,
            current: io::Cursor::default(),
        }
    }

    /// Keeps all threads busy.
    fn feed(&mut self) {
        let Place::Between(input) = &mut self.place else {
            return;
        };
        while self.halt.is_none() && self.pieces.has_room() {
            match self.frames.next(input, self.share, self.is_first) {
                Ok(Part::Piece(piece)) => {
                    let buffer = self.buffers.pop().unwrap_or_default();
                    self.pieces.submit((piece, buffer));
                }
                Ok(Part::Frame) => self.halt = Some(Halt::Frame),
                Ok(Part::End) => self.halt = Some(Halt::End),
                Err(error) => self.halt = Some(Halt::Failed(error)),
            }
            self.is_first = false;
        }
    }

    /// Goes on to what comes next. `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.feed();
        if !self.pieces.is_empty() {
            let next = self.pieces.next().ok_or_else(died)?;
            if next.is_good {
                let used = std::mem::replace(&mut self.current, io::Cursor::new(next.bytes));
                self.buffers.push(used.into_inner());
            } else {
                self.give_back(next.piece.packed)?;
            }
            return Ok(true);
        }
        // All pieces before the halt were handed out.
        match (
            self.halt.take(),
            std::mem::replace(&mut self.place, Place::Ended),
        ) {
            (Some(Halt::Failed(error)), _) => Err(error),
            (Some(Halt::Frame), Place::Between(input)) => {
                self.place = Place::Within(self.frames.open(input)?);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Puts a piece and all behind it back; from here on everything is decoded in sequence.
    fn give_back(&mut self, mut packed: Vec<u8>) -> io::Result<()> {
        while !self.pieces.is_empty() {
            let later = self.pieces.next().ok_or_else(died)?;
            packed.extend_from_slice(&later.piece.packed);
        }
        if let Place::Between(input) = &mut self.place {
            input.put_back(packed);
        }
        self.share = 0;
        self.halt = None;
        Ok(())
    }
}

impl<F: Frames> Read for Decoder<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let length = self.current.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            if let Place::Within(one) = &mut self.place {
                let length = one
                    .read(buffer)
                    .map_err(|error| self.frames.explain(error))?;
                if length > 0 {
                    return Ok(length);
                }
                if let Place::Within(one) = std::mem::replace(&mut self.place, Place::Ended) {
                    self.place = Place::Between(F::close(one));
                }
            } else if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

fn unpack<F: Frames>((piece, mut bytes): (Piece, Vec<u8>)) -> Unpacked {
    bytes.clear();
    bytes.reserve(piece.bytes_max);
    let is_good = F::unpack(&piece, &mut bytes);
    Unpacked {
        piece,
        bytes,
        is_good,
    }
}

fn died() -> io::Error {
    io::Error::other("A decoding thread died")
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, EncodeOptions, Error, decoder, encoder};
    use super::*;
    use std::io::Write;
    use std::num::NonZeroUsize;

    /// Just enough for the window of a frame, and less than a share of a thread.
    const MEMORY_BYTES: u64 = 1 << 20;

    fn sample(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        (0..length)
            .map(|index| {
                state = state.wrapping_mul(6_364_136_223_846_793_005) + 1;
                match (index / 9_000) % 3 {
                    0 => state.to_be_bytes()[0],
                    1 => b"zstd"[usize::from(state.to_be_bytes()[0] & 3)],
                    _ => 0,
                }
            })
            .collect()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        let options = EncodeOptions {
            level: Some(1),
            ..EncodeOptions::default()
        };
        let mut encoder = encoder(Codec::Zstd, Vec::new(), options).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn skippable(length: u32) -> Vec<u8> {
        let mut frame = vec![0x5a, 0x2a, 0x4d, 0x18];
        frame.extend(length.to_le_bytes());
        frame.extend(vec![7; length as usize]);
        frame
    }

    /// One member of BGZF, which says that it is longer than it is by `lie` bytes.
    fn bgzf(data: &[u8], lie: u16) -> Vec<u8> {
        let mut packed =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(data).unwrap();
        let packed = packed.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let mut member = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, b'B', b'C', 2, 0];
        let length = u16::try_from(packed.len() + 25).unwrap() + lie;
        member.extend(length.to_le_bytes());
        member.extend(packed);
        member.extend(crc.sum().to_le_bytes());
        member.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        member
    }

    /// What comes out up to the end or the error.
    fn unpack(
        codec: Codec,
        bytes: &[u8],
        (threads, memory_bytes): (usize, u64),
    ) -> (Vec<u8>, Option<Error>) {
        let limits = Limits {
            threads: NonZeroUsize::new(threads).unwrap(),
            memory_bytes,
        };
        let source = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut decoder = decoder(codec, source, limits).unwrap();
        let mut out = Vec::new();
        let outcome = decoder.read_to_end(&mut out);
        (
            out,
            outcome
                .err()
                .map(|error| Error::of(&error).unwrap().clone()),
        )
    }

    /// The outcome, which is the same on any number of threads, with much memory and little.
    fn outcome(codec: Codec, bytes: &[u8]) -> (Vec<u8>, Option<Error>) {
        let mut outcome = (Vec::new(), None);
        for memory in [MEMORY_BYTES, 8 << 20, 512 << 20] {
            outcome = unpack(codec, bytes, (1, memory));
            for threads in [2, 3, 9] {
                let (out, error) = unpack(codec, bytes, (threads, memory));
                let lengths = (out.len(), outcome.0.len());
                assert!(out == outcome.0, "{threads} {memory} {lengths:?} {error:?}");
                assert_eq!(error, outcome.1, "{threads} {memory}");
            }
        }
        outcome
    }

    fn parts<F: Frames>(mut frames: F, bytes: Vec<u8>, share: usize) -> String {
        let (mut input, _) = super::super::source::watch(Box::new(io::Cursor::new(bytes)));
        let mut parts = String::new();
        let mut is_first = true;
        loop {
            match frames.next(&mut input, share, is_first).unwrap() {
                Part::Piece(piece) => {
                    assert!(piece.bytes_max <= share, "{} {share}", piece.bytes_max);
                    parts.push('p');
                }
                Part::Frame => {
                    let mut one = frames.open(input).unwrap();
                    io::copy(&mut one, &mut io::sink()).unwrap();
                    input = F::close(one);
                    parts.push('f');
                }
                Part::End => return parts,
            }
            is_first = false;
        }
    }

    #[test]
    fn frames_of_all_sizes_with_skippable_ones_anywhere_come_out_in_order() {
        let mut packed = skippable(100_000);
        let mut data = Vec::new();
        for (index, length) in [0, 1, 40_000, 3, 300_000, 5, 2_000_000, 70_000, 0]
            .iter()
            .enumerate()
        {
            let frame = sample(*length, index as u64);
            packed.extend(zstd(&frame));
            packed.extend(skippable(u32::try_from(index).unwrap()));
            data.extend(frame);
        }
        let (out, error) = outcome(Codec::Zstd, &packed);
        assert_eq!(error, None);
        assert!(out == data);
        let (out, error) = outcome(Codec::Zstd, &skippable(9));
        assert_eq!((out.len(), error), (0, None));
    }

    #[test]
    fn small_frames_go_to_threads_and_large_ones_do_not() {
        let small = zstd(&sample(100_000, 1)).repeat(3);
        let long = zstd(&sample(10_000_000, 2));
        let bytes = [small.as_slice(), &long, &small].concat();
        let find = |share| parts(super::super::zstd::frames(64 << 20), bytes.clone(), share);
        assert_eq!(find(16 << 20), "pp");
        assert_eq!(find(4 << 20), "pfp");
        assert_eq!(find(0), "fffffff");
        let members = bgzf(&sample(60_000, 3), 0).repeat(70);
        assert_eq!(parts(super::super::gzip::Gzip, members, 8 << 20), "ppp");
    }

    #[test]
    fn damage_and_cuts_end_alike_on_any_number_of_threads() {
        let frame = |seed| zstd(&sample(30_000, seed));
        let whole: Vec<u8> = (0..8).flat_map(frame).collect();
        for at in (0..whole.len()).step_by(whole.len() / 40) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            outcome(Codec::Zstd, &damaged);
            let (_, error) = outcome(Codec::Zstd, &whole[..at]);
            assert!(error.is_some() || at % frame(0).len() == 0, "cut at {at}");
        }
        let cut = [frame(1), skippable(100)[..50].to_vec()].concat();
        let (_, error) = outcome(Codec::Zstd, &cut);
        assert_eq!(error, Some(Error::Truncated("zstd")));
    }

    #[test]
    fn members_that_state_their_length_are_decoded_and_lies_do_not_matter() {
        let member = |seed| sample(40_000, seed);
        let data: Vec<u8> = (0..100).flat_map(member).collect();
        let honest: Vec<u8> = (0..100).flat_map(|seed| bgzf(&member(seed), 0)).collect();
        assert!(outcome(Codec::Gzip, &honest) == (data.clone(), None));
        let lie = |seed: u64| bgzf(&member(seed), u16::from(seed == 50) * 9);
        let lying: Vec<u8> = (0..100).flat_map(lie).collect();
        assert!(outcome(Codec::Gzip, &lying) == (data.clone(), None));
        let zeros = bgzf(&vec![0; 1 << 20], 0).repeat(9);
        assert_eq!(outcome(Codec::Gzip, &zeros), (vec![0; 9 << 20], None));
        let mut damaged = honest.clone();
        damaged[honest.len() / 2] ^= 1;
        let (_, error) = outcome(Codec::Gzip, &damaged);
        assert_eq!(error, Some(Error::Corrupt("gzip")));
        let (_, error) = outcome(Codec::Gzip, &honest[..honest.len() - 30]);
        assert_eq!(error, Some(Error::Truncated("gzip")));
    }
}
