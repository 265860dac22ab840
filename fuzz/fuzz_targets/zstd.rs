//! zstd streams. Never: a panic, an error without a name, or another outcome with more threads.
#![no_main]

use importd_formats::codec::Codec;
use importd_fuzz::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let one = decode(Codec::Zstd, bytes, 1);
    let many = decode(Codec::Zstd, bytes, 3);
    assert_eq!(one.1, many.1);
    assert!(!one.1 || one.0 == many.0);
});
