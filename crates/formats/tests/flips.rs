//! Signatures and documents with one bit of them changed: what gpgv refuses is refused.

use crate::gpg::{Gpg, judge, keyring};
use base64::Engine as _;
use importd_formats::pgp::Error;

/// How many flips of each signature and each document are tried, about.
const FLIPS: usize = 200;

fn document() -> Vec<u8> {
    (0..4u8)
        .flat_map(|index| format!("{:064x}  image-{index}.raw.xz\n", u64::MAX / 3).into_bytes())
        .collect()
}

/// The bytes with one bit changed, each time another one, evenly spread.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let positions = (0..bytes.len()).step_by(bytes.len().div_ceil(FLIPS));
    positions.map(|at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        (at, flipped)
    })
}

/// The binary form of a signature. Armor's checksum, which says nothing about who signed, is left
/// out: RFC 9580, section 6.1, forbids to refuse a wrong one, gpgv does.
fn binary(signature: &[u8]) -> Vec<u8> {
    let Some(body) = signature.strip_prefix(b"-----BEGIN PGP SIGNATURE-----\n\n") else {
        return signature.to_vec();
    };
    let body = String::from_utf8_lossy(body);
    let lines = body
        .lines()
        .take_while(|line| !line.starts_with(['=', '-']));
    let text: String = lines.collect();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

/// Flips of a signature: the number tried, and of those that are good here, which must be good for
/// gpgv too.
fn flip_signature(gpg: &Gpg, name: &str, signature: &[u8], data: &[u8]) -> (usize, usize) {
    let ring = gpg.export(&[name], &[]);
    let trusted = keyring(&[&ring]);
    let (mut tried, mut good) = (0, 0);
    for (at, flipped) in flips(signature) {
        tried += 1;
        if judge(&trusted, &flipped, data).is_ok() {
            good += 1;
            let theirs = gpg.gpgv_accepts(&ring, &binary(&flipped), data);
            assert!(theirs, "{name}: byte {at} of {signature:?}");
        }
    }
    (tried, good)
}

#[test]
fn no_flip_of_a_signature_is_good_that_gpgv_refuses() {
    let Some(gpg) = Gpg::new() else { return };
    let data = document();
    for (algorithm, options) in [
        ("ed25519", &["--no-armor"][..]),
        ("ed25519", &["--armor"]),
        ("rsa2048", &["--no-armor"]),
        ("nistp256", &["--textmode"]),
    ] {
        let name = format!("{algorithm}{}", options[0]);
        gpg.key(&name, algorithm, &[]);
        let signature = gpg.sign(&name, &data, options);
        let (tried, good) = flip_signature(&gpg, &name, &signature, &data);
        println!("{name}: {good} of {tried} flips are good in both");
        assert!(tried > 100, "{name}");
        // The number of the key stands there twice, once unsigned: some flips are harmless.
        assert!(0 < good && good * 5 < tried, "{name}: {good} of {tried}");
    }
}

#[test]
fn no_flip_of_a_subkeys_signature_is_good_that_gpgv_refuses() {
    let Some(gpg) = Gpg::new() else { return };
    let data = document();
    gpg.key("key", "rsa2048", &[]);
    gpg.subkey("key", "ed25519", &[]);
    let signature = gpg.sign("key", &data, &[]);
    let (tried, good) = flip_signature(&gpg, "key", &signature, &data);
    assert!(0 < good && good * 5 < tried, "{good} of {tried}");
}

#[test]
fn every_flip_of_the_document_is_a_bad_signature() {
    let Some(gpg) = Gpg::new() else { return };
    let data = document();
    for (algorithm, option) in [
        ("ed25519", "--no-armor"),
        ("rsa2048", "--armor"),
        ("nistp256", "--textmode"),
    ] {
        gpg.key(algorithm, algorithm, &[]);
        let ring = gpg.export(&[algorithm], &[]);
        let trusted = keyring(&[&ring]);
        let signature = gpg.sign(algorithm, &data, &[option]);
        let bad = Err(Error::Bad(gpg.key_id(algorithm, 0)));
        for (at, flipped) in flips(&data) {
            assert_eq!(judge(&trusted, &signature, &flipped), bad, "byte {at}");
        }
        for length in [0, 1, data.len() - 1] {
            assert_eq!(judge(&trusted, &signature, &data[..length]), bad);
        }
        let longer = [&data[..], b"x"].concat();
        assert_eq!(judge(&trusted, &signature, &longer), bad);
        assert!(!gpg.gpgv_accepts(&ring, &signature, &longer));
    }
}

#[test]
fn every_cut_of_a_signature_is_refused() {
    let Some(gpg) = Gpg::new() else { return };
    let data = document();
    gpg.key("key", "ed25519", &[]);
    let ring = gpg.export(&["key"], &[]);
    let trusted = keyring(&[&ring]);
    for option in ["--no-armor", "--armor"] {
        let signature = gpg.sign("key", &data, &[option]);
        for length in 0..signature.len() {
            if let Ok(verdict) = judge(&trusted, &signature[..length], &data) {
                // Whole but for the armor's last line.
                let cut = String::from_utf8_lossy(&signature[length..]);
                assert!(
                    "-----END PGP SIGNATURE-----\n".ends_with(&*cut),
                    "{verdict:?} {cut}"
                );
            }
        }
    }
}
