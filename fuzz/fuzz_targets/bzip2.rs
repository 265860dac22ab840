//! bzip2 streams, whose blocks are found by our own splitter. Never: a panic, or bytes that the
//! library's own decoder does not give for the same stream.
#![no_main]

use bzip2::read::MultiBzDecoder;
use importd_formats::codec::Codec;
use importd_fuzz::{OUTPUT_MAX, decode};
use libfuzzer_sys::fuzz_target;
use std::io::Read;

fuzz_target!(|bytes: &[u8]| {
    let (ours, is_whole) = decode(Codec::Bzip2, bytes, 3);
    let mut theirs = Vec::new();
    let outcome = MultiBzDecoder::new(bytes)
        .take(OUTPUT_MAX)
        .read_to_end(&mut theirs);
    if is_whole && outcome.is_ok() {
        assert_eq!(ours, theirs);
    }
    // The library takes what follows a stream for the end; whatever else it takes, so do we.
    if is_whole && !bytes.is_empty() {
        assert!(outcome.is_ok(), "we took what the library refuses");
    }
});
