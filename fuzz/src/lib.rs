//! What the targets of decoders, and those of disk images, share.

pub mod image;

use importd_formats::codec::{self, Codec, Limits};
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;

/// Most decoded bytes of one run: a bomb must not make it slow.
pub const OUTPUT_MAX: u64 = 4 << 20;
/// Most memory of a decoder: a window that wants more is refused.
const MEMORY_BYTES: u64 = 16 << 20;

/// The outcome of a decoder: the bytes up to its error or [`OUTPUT_MAX`], and whether it was happy.
pub fn decode(codec: Codec, bytes: &[u8], threads: usize) -> (Vec<u8>, bool) {
    let limits = Limits {
        threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        memory_bytes: MEMORY_BYTES,
    };
    let source = Box::new(Cursor::new(bytes.to_vec()));
    let Ok(decoder) = codec::decoder(codec, source, limits) else {
        return (Vec::new(), false);
    };
    let mut out = Vec::new();
    let outcome = decoder.take(OUTPUT_MAX).read_to_end(&mut out);
    if let Err(error) = &outcome {
        assert!(
            codec::Error::of(error).is_some(),
            "every error says what it is: {error:?}"
        );
    }
    (out, outcome.is_ok())
}
