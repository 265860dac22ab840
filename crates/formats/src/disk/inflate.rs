//! Packed pieces: each one stands alone, so that any thread may unpack any of them.

use super::source::Source;
use super::table::field;
use super::{Error, Packed};
use std::cell::RefCell;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

/// Largest zstd window, as a power of two: 8 MiB, which every decoder should take (RFC 8878, section
/// 3.1.1.1.2), and more than any cluster has.
const WINDOW_LOG_MAX: u32 = 23;

/// How a piece is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// A deflate stream without any frame (RFC 1951), which may be followed by anything.
    Deflate,
    /// zstd frames (RFC 8878), which may be followed by anything.
    Zstd,
    /// A zlib stream (RFC 1950), which may be followed by anything.
    Zlib,
    /// A zlib stream after its place on the disk, in sectors, and its length. The last of a disk may
    /// be shorter than the others.
    Grain { sector: u64 },
}

/// What a thread keeps from one piece to the next: making these costs as much as a small piece.
#[derive(Default)]
struct Scratch {
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    inflate: Option<flate2::Decompress>,
    zstd: Option<Decoder<'static>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Unpacks a piece into a buffer, which may be shorter than the piece: the last of a disk.
pub(super) fn unpack(source: &Source, packed: &Packed, buffer: &mut [u8]) -> Result<(), Error> {
    let whole = usize::try_from(packed.unpacked).unwrap_or(usize::MAX);
    if buffer.len() > whole {
        return Err(Error::Misuse {
            what: "The buffer is longer than the packed piece",
            offset: packed.offset,
        });
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let mut out = std::mem::take(&mut scratch.unpacked);
        let outcome = if buffer.len() == whole {
            scratch.fill(source, packed, buffer, whole)
        } else {
            out.resize(whole, 0);
            scratch
                .fill(source, packed, &mut out, buffer.len())
                .map(|()| {
                    for (to, from) in buffer.iter_mut().zip(&out) {
                        *to = *from;
                    }
                })
        };
        scratch.unpacked = out;
        outcome
    })
}

impl Scratch {
    /// Unpacks the whole piece, of which so many bytes are needed.
    fn fill(
        &mut self,
        source: &Source,
        packed: &Packed,
        whole: &mut [u8],
        needed: usize,
    ) -> Result<(), Error> {
        let mut bytes = std::mem::take(&mut self.packed);
        let outcome = read_packed(source, packed, &mut bytes).and_then(|()| {
            match packed.packing {
                Packing::Deflate => self.inflate(&bytes, whole, false),
                Packing::Zlib | Packing::Grain { .. } => self.inflate(&bytes, whole, true),
                Packing::Zstd => self.zstd(&bytes, whole),
            }
            .map_err(|trouble| trouble.explain(source, packed.offset))
        });
        self.packed = bytes;
        let least = match packed.packing {
            Packing::Deflate | Packing::Zstd => whole.len(),
            Packing::Zlib | Packing::Grain { .. } => needed,
        };
        match outcome? {
            length if length < least => Err(Trouble::Length.explain(source, packed.offset)),
            _ => Ok(()),
        }
    }

    /// How many bytes came out; more than there is room for is an error.
    fn inflate(
        &mut self,
        bytes: &[u8],
        whole: &mut [u8],
        has_header: bool,
    ) -> Result<usize, Trouble> {
        let inflate = self
            .inflate
            .get_or_insert_with(|| flate2::Decompress::new(has_header));
        inflate.reset(has_header);
        let status = inflate
            .decompress(bytes, whole, flate2::FlushDecompress::Finish)
            .map_err(|_broken| Trouble::Broken)?;
        let length = usize::try_from(inflate.total_out()).unwrap_or(usize::MAX);
        match status {
            flate2::Status::StreamEnd => Ok(length),
            _ if length == whole.len() => Err(Trouble::Length),
            _ => Err(Trouble::Broken),
        }
    }

    fn zstd(&mut self, bytes: &[u8], whole: &mut [u8]) -> Result<usize, Trouble> {
        let decoder = match &mut self.zstd {
            Some(decoder) => decoder,
            none => {
                let mut decoder = Decoder::new().map_err(Trouble::Library)?;
                decoder
                    .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
                    .map_err(Trouble::Library)?;
                none.insert(decoder)
            }
        };
        decoder.reinit().map_err(Trouble::Library)?;
        let length = whole.len();
        let mut input = InBuffer::around(bytes);
        let mut output = OutBuffer::around(whole);
        loop {
            let before = (input.pos(), output.pos());
            // The library tells by text only (ZSTD_error_frameParameter_windowTooLarge).
            let hint = decoder.run(&mut input, &mut output).map_err(|error| {
                if error.to_string().contains("too much memory") {
                    Trouble::Window
                } else {
                    Trouble::Broken
                }
            })?;
            // At the end of a frame the hint is 0. There may be several frames.
            match (output.pos() == length, hint == 0) {
                (true, true) => return Ok(length),
                _ if (input.pos(), output.pos()) == before => {
                    return Err(if output.pos() == length {
                        Trouble::Length
                    } else {
                        Trouble::Broken
                    });
                }
                _ => {}
            }
        }
    }
}

/// Reads the packed bytes of a piece, as far as the file goes.
fn read_packed(source: &Source, packed: &Packed, bytes: &mut Vec<u8>) -> Result<(), Error> {
    const MARKER: usize = 12;
    const WHAT: &str = "a packed piece ends early";
    let mut at = packed.offset;
    let mut length = source.inside(at, packed.length);
    if let Packing::Grain { sector } = packed.packing {
        let mut marker = [0; MARKER];
        source.read_exact(&mut marker, at, WHAT)?;
        let own = u64::from(u32::from_le_bytes(field(&marker, 8)));
        at = at.saturating_add(12);
        if u64::from_le_bytes(field(&marker, 0)) != sector {
            return Err(source.corrupt("a packed piece belongs elsewhere", packed.offset));
        }
        if own > source.inside(at, packed.length) {
            return Err(source.corrupt(WHAT, packed.offset));
        }
        length = own;
    }
    bytes.resize(usize::try_from(length).unwrap_or(0), 0);
    source.read_exact(bytes, at, WHAT)
}

/// Why bytes do not unpack.
enum Trouble {
    Broken,
    Length,
    Window,
    Library(std::io::Error),
}

impl Trouble {
    fn explain(self, source: &Source, at: u64) -> Error {
        match self {
            Trouble::Broken => source.corrupt("a packed piece does not unpack", at),
            Trouble::Length => source.corrupt(
                "a packed piece unpacks to another length than it should",
                at,
            ),
            Trouble::Window => source.unsupported(
                "a packed piece with a window of more than 8 MiB",
                "make another of it with qemu-img convert",
            ),
            Trouble::Library(error) => Error::Io(error),
        }
    }
}
