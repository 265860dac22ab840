//! Keyring files. Never: a panic, or a certificate counted that is not there.
#![no_main]

use importd_formats::pgp::{self, Keyring};
use libfuzzer_sys::fuzz_target;
use std::time::SystemTime;

/// A signature, so that the certificates are looked at too; see fixtures/pgp.gen.sh.
const SIGNATURE: &[u8] = include_bytes!("../fixtures/document.sig");

fuzz_target!(|bytes: &[u8]| {
    let mut keyring = Keyring::new();
    let added = keyring.add("fuzzed", bytes);
    assert_eq!(added.is_ok(), !keyring.is_empty());
    drop(pgp::verify(
        &keyring,
        SIGNATURE,
        b"the document\n",
        SystemTime::now(),
    ));
});
