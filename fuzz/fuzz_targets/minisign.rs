//! Signatures of minisign and signify under a fixed key, and key files. Never: a panic, or a verdict
//! on another document.
#![no_main]

use importd_formats::minisign::{self, Keys};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// A key and its signature of [`DOCUMENT`], see fixtures/minisign.gen.sh.
const KEY: &[u8] = include_bytes!("../fixtures/minisign.pub");
const DOCUMENT: &[u8] = b"the document\n";

fuzz_target!(|bytes: &[u8]| {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let mut keys = Keys::new();
        keys.add("minisign.pub", KEY).expect("the fixture is a key");
        keys
    });
    if let Ok(verdict) = minisign::verify(keys, bytes, DOCUMENT) {
        assert_eq!(verdict.key_file, "minisign.pub");
        assert!(minisign::is_signature(bytes));
    }
    let other = minisign::verify(keys, bytes, b"another document\n");
    assert!(other.is_err(), "{other:?}");
    let mut more = Keys::new();
    assert_eq!(more.add("key", bytes).is_ok(), !more.is_empty());
});
