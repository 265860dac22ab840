//! Checksum files. Never: a panic, a digest that does not stand in the file, or a day that a date
//! does not stand in it for.
#![no_main]

use importd_formats::checksums::List;
use libfuzzer_sys::fuzz_target;

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = List::parse(bytes) else { return };
    let lower = bytes.to_ascii_lowercase();
    let found = [b"x".as_slice(), b"debian.tar.xz", b"*"].map(|name| list.digest(name));
    let digests = found.into_iter().flatten().flatten();
    for digest in digests.chain(list.bare_digest()) {
        assert!(holds(&lower, &digest.to_string()));
    }
    if let Some(date) = list.best_before() {
        assert!(holds(&lower, &format!("best-before-{date}")));
    }
});
