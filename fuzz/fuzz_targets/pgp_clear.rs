//! Clear-signed texts under a fixed key. Never: a panic, or a text that was not signed.
#![no_main]

use importd_formats::pgp::{self, Keyring};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// A key and its signature of [`TEXT`], see fixtures/pgp.gen.sh.
const KEY: &[u8] = include_bytes!("../fixtures/key.pgp");
const TEXT: &[u8] = b"the document\n- with a dash";

fuzz_target!(|bytes: &[u8]| {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    let keyring = KEYRING.get_or_init(|| {
        let mut keyring = Keyring::new();
        keyring.add("key.pgp", KEY).expect("the fixture is a key");
        keyring
    });
    // 2036: no signature made until then is from the future.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_082_758_400);
    if let Ok((_, text)) = pgp::verify_clear_signed(keyring, bytes, now) {
        assert_eq!(text, TEXT);
    }
});
