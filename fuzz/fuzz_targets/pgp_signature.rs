//! Detached signatures of a fixed document under a fixed key. Never: a panic, or a verdict on
//! anything that says another document.
#![no_main]

use importd_formats::pgp::{self, Keyring};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// A key and its signature of [`DOCUMENT`], see fixtures/pgp.gen.sh.
const KEY: &[u8] = include_bytes!("../fixtures/key.pgp");
const DOCUMENT: &[u8] = b"the document\n";

fuzz_target!(|bytes: &[u8]| {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    let keyring = KEYRING.get_or_init(|| {
        let mut keyring = Keyring::new();
        keyring.add("key.pgp", KEY).expect("the fixture is a key");
        keyring
    });
    // 2036: no signature made until then is from the future.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_082_758_400);
    drop(pgp::verify(keyring, bytes, DOCUMENT, now));
    let other = pgp::verify(keyring, bytes, b"another document\n", now);
    assert!(other.is_err(), "{other:?}");
});
