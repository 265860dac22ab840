//! Checksum files. Never: a panic, or a digest that does not stand in the file.
#![no_main]

use importd_formats::checksums::List;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = List::parse(bytes) else { return };
    let found = [b"x".as_slice(), b"debian.tar.xz", b"*"].map(|name| list.digest(name));
    let digests = found.into_iter().flatten().flatten();
    for digest in digests.chain(list.bare_digest()) {
        let text = digest.to_string().into_bytes();
        let lower = bytes.to_ascii_lowercase();
        assert!(lower.windows(text.len()).any(|window| window == text));
    }
});
