//! Bytes to pack, packing and unpacking.

use crate::program::run;
use importd_formats::codec::{Codec, EncodeOptions, Error, Limits, Source, decoder, encoder};
use std::io::{self, Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;

/// Every codec that changes bytes.
pub(crate) const PACKED: [Codec; 5] = [
    Codec::Gzip,
    Codec::Bzip2,
    Codec::Xz,
    Codec::Zstd,
    Codec::Lz4,
];

/// Random, zero, text-like and regular stretches in turn, the same each time.
pub(crate) fn mixed(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let random = state.to_le_bytes();
        bytes.extend_from_slice(&match (bytes.len() / 50_000) % 4 {
            0 => random,
            1 => [0; 8],
            2 => random.map(|byte| b"etaoin shrdlu\n.,"[usize::from(byte % 16)]),
            _ => [b'a' + random[0] % 3; 8],
        });
    }
    bytes.truncate(length);
    bytes
}

/// Threads of an encoder or decoder.
pub(crate) fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// Packs by us.
pub(crate) fn pack(codec: Codec, data: &[u8], options: EncodeOptions) -> Vec<u8> {
    let mut encoder = encoder(codec, Vec::new(), options).unwrap();
    // As they come out of a pipe, and not in step with anything.
    for chunk in data.chunks(65_521) {
        encoder.write_all(chunk).unwrap();
        encoder.flush().unwrap();
    }
    encoder.finish().unwrap()
}

/// Packs by the codec's own tool.
pub(crate) fn pack_by_tool(codec: Codec, arguments: &[&str], data: &[u8]) -> Vec<u8> {
    let arguments = [&["-c"], arguments].concat();
    run(codec.name(), &arguments, Path::new("/"), data)
}

/// Unpacks by us, a source with so many threads.
pub(crate) fn unpack_source(codec: Codec, source: Source, count: usize) -> io::Result<Vec<u8>> {
    let limits = Limits {
        threads: threads(count),
        ..Limits::default()
    };
    let mut decoder = decoder(codec, source, limits)?;
    let mut out = Vec::new();
    decoder.read_to_end(&mut out)?;
    Ok(out)
}

/// Unpacks by us.
///
/// # Errors
/// The decoder's own error; any other is a failure of the test.
pub(crate) fn unpack(codec: Codec, packed: &[u8], count: usize) -> Result<Vec<u8>, Error> {
    let source = Box::new(Cursor::new(packed.to_vec()));
    unpack_source(codec, source, count).map_err(|error| {
        Error::of(&error)
            .cloned()
            .unwrap_or_else(|| panic!("{error:?}"))
    })
}
