//! Looks at the first bytes of a source and puts the right decoder behind it.

use super::BUFFER_BYTES;
use super::chunks::{self, Chunks, Copied, Flow, Then};
use crate::error::{Doing, Error, Result};
use bytes::{Bytes, BytesMut};
use importd_api::failure::Kind;
use importd_formats::codec::{self, Codec, Limits};

/// The decoded bytes of a source, and how they were packed. The name of a file plays no part.
///
/// # Errors
/// What the source says; [`Kind::Unsupported`] if the decoder cannot be set up.
pub fn unpacked(flow: Flow) -> Result<(Codec, Flow)> {
    unpacked_in(flow, BUFFER_BYTES)
}

/// The same, in chunks of so many bytes if it is packed.
///
/// # Errors
/// As [`unpacked`].
pub fn unpacked_in(mut flow: Flow, bytes: usize) -> Result<(Codec, Flow)> {
    let (codec, start) = look(&mut flow).doing(|| "Failed to detect file compression".into())?;
    let whole: Flow = Box::new(Then::new(start, flow));
    if codec == Codec::None {
        return Ok((codec, whole));
    }
    let decoder = codec::decoder(codec, chunks::source(whole), Limits::default());
    let decoder = decoder.map_err(|error| {
        let text = format!("Failed to set up unpacking of {}", codec.name());
        Error::caused(Kind::Unsupported, text, error)
    })?;
    Ok((codec, Box::new(Copied::sized(decoder, bytes))))
}

/// How a source is packed, and the bytes that were taken from it to see that.
///
/// # Errors
/// What the source says.
pub fn look(flow: &mut Flow) -> std::io::Result<(Codec, Bytes)> {
    let mut start = flow.chunk()?;
    while start.len() < Codec::MAGIC_LEN {
        let chunk = flow.chunk()?;
        if chunk.is_empty() {
            break;
        }
        let mut longer = BytesMut::from(start);
        longer.extend_from_slice(&chunk);
        start = longer.freeze();
    }
    let magic = start.len().min(Codec::MAGIC_LEN);
    Ok((Codec::sniff(&start[..magic]), start))
}
