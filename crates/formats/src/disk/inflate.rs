//! Packed pieces: each one stands alone, so that any thread may unpack any of them.

use super::source::Source;
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
}

/// What a thread keeps from one piece to the next: making these costs as much as a small piece.
#[derive(Default)]
struct Scratch {
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    deflate: Option<flate2::Decompress>,
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
            scratch.unpack(source, packed, buffer)
        } else {
            out.resize(whole, 0);
            scratch.unpack(source, packed, &mut out).map(|()| {
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
    fn unpack(&mut self, source: &Source, packed: &Packed, buffer: &mut [u8]) -> Result<(), Error> {
        let length = source.inside(packed.offset, packed.length);
        self.packed
            .resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        let mut bytes = std::mem::take(&mut self.packed);
        let outcome = source
            .read_exact(&mut bytes, packed.offset, "a packed piece ends early")
            .and_then(|()| {
                match packed.packing {
                    Packing::Deflate => self.deflate(&bytes, buffer),
                    Packing::Zstd => self.zstd(&bytes, buffer),
                }
                .map_err(|trouble| match trouble {
                    Trouble::Broken => {
                        source.corrupt("a packed piece does not unpack", packed.offset)
                    }
                    Trouble::Length => source.corrupt(
                        "a packed piece unpacks to another length than it should",
                        packed.offset,
                    ),
                    Trouble::Window => source.unsupported(
                        "a packed piece with a window of more than 8 MiB",
                        "use qemu-img convert",
                    ),
                    Trouble::Library(error) => Error::Io(error),
                })
            });
        self.packed = bytes;
        outcome
    }

    fn deflate(&mut self, bytes: &[u8], buffer: &mut [u8]) -> Result<(), Trouble> {
        let inflate = self
            .deflate
            .get_or_insert_with(|| flate2::Decompress::new(false));
        inflate.reset(false);
        let status = inflate
            .decompress(bytes, buffer, flate2::FlushDecompress::Finish)
            .map_err(|_broken| Trouble::Broken)?;
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        match status {
            flate2::Status::StreamEnd if inflate.total_out() == length => Ok(()),
            flate2::Status::StreamEnd => Err(Trouble::Length),
            _ if inflate.total_out() == length => Err(Trouble::Length),
            _ => Err(Trouble::Broken),
        }
    }

    fn zstd(&mut self, bytes: &[u8], buffer: &mut [u8]) -> Result<(), Trouble> {
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
        let length = buffer.len();
        let mut input = InBuffer::around(bytes);
        let mut output = OutBuffer::around(buffer);
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
                (true, true) => return Ok(()),
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

/// Why bytes do not unpack.
enum Trouble {
    Broken,
    Length,
    Window,
    Library(std::io::Error),
}
