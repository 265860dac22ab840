//! Looks at the first bytes of a source and puts the right decoder behind it.

use super::{Source, ahead};
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::codec::{self, Codec, Limits};
use std::io::{Cursor, Read};

/// The decoded bytes of a source, and how they were packed. The name of a file plays no part.
///
/// # Errors
/// What the source says; [`Kind::Unsupported`] if the decoder cannot be set up.
pub fn unpacked(mut source: Source) -> Result<(Codec, Source)> {
    let mut start = [0; Codec::MAGIC_LEN];
    let length = ahead::fill(source.as_mut(), &mut start)
        .doing(|| "Failed to detect file compression".into())?;
    let start = start[..length].to_vec();
    let codec = Codec::sniff(&start);
    let whole: Source = Box::new(Cursor::new(start).chain(source));
    let decoder = codec::decoder(codec, whole, Limits::default()).map_err(|error| {
        let text = format!("Failed to set up unpacking of {}", codec.name());
        Error::caused(Kind::Unsupported, text, error)
    })?;
    Ok((codec, decoder))
}
