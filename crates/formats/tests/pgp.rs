//! Which signatures are good: compared with gpgv where the rules are the same, and with the table
//! in `formats::pgp` where ours are stricter.

use crate::gpg::{Gpg, judge, keyring};
use importd_formats::pgp::{Error, Keyring, Verdict, verify};
use std::time::{Duration, SystemTime};

/// A checksum file, which is what gets signed.
const DATA: &[u8] =
    b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  image.raw\n";
/// 2020-09-13, as gpg's option takes it.
const MADE: &str = "--faked-system-time=1600000000!";
const MADE_SECONDS: u32 = 1_600_000_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at(seconds: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(seconds))
}

#[test]
fn a_signature_by_every_kind_of_key_is_good_here_and_for_gpgv() {
    let Some(gpg) = Gpg::new() else { return };
    for algorithm in ["ed25519", "rsa2048", "rsa3072", "nistp256", "nistp384"] {
        gpg.key(algorithm, algorithm, &[MADE]);
        let id = gpg.key_id(algorithm, 0);
        let expected = Verdict {
            key_id: id.clone(),
            fingerprint: gpg.fingerprints(algorithm)[0].clone(),
            user_id: Some(format!("{algorithm} <{algorithm}@example.org>")),
            keyring: "0".into(),
            created: MADE_SECONDS + 60,
            notices: Vec::new(),
        };
        let binary = gpg.export(&[algorithm], &[]);
        let armored = gpg.export(&[algorithm], &["--armor"]);
        for form in ["--no-armor", "--armor"] {
            let later = "--faked-system-time=1600000060!";
            let signature = gpg.sign(algorithm, DATA, &[form, later]);
            for file in [&binary, &armored] {
                let verdict = judge(&keyring(&[file]), &signature, DATA);
                assert_eq!(verdict, Ok(expected.clone()), "{algorithm} {form}");
            }
            let theirs = gpg.gpgv_accepts(&binary, &signature, DATA);
            assert!(theirs, "gpgv: {algorithm} {form}");
            let other = judge(&keyring(&[&binary]), &signature, b"another document");
            assert_eq!(other, Err(Error::Bad(id.clone())), "{algorithm} {form}");
        }
    }
}

#[test]
fn a_signing_subkey_signs_for_its_certificate() {
    let Some(gpg) = Gpg::new() else { return };
    for algorithm in ["ed25519", "rsa2048"] {
        gpg.key(algorithm, algorithm, &[]);
        gpg.subkey(algorithm, algorithm, &[]);
        let ring = gpg.export(&[algorithm], &[]);
        let [primary, subkey] = [0, 1].map(|index| gpg.fingerprints(algorithm)[index].clone());
        for (index, signer) in [&primary, &subkey].into_iter().enumerate() {
            let signature = gpg.sign_with(signer, DATA, &[]);
            let verdict = judge(&keyring(&[&ring]), &signature, DATA).unwrap();
            assert_eq!(verdict.key_id, gpg.key_id(algorithm, index));
            assert_eq!(verdict.fingerprint, primary);
            assert!(gpg.gpgv_accepts(&ring, &signature, DATA), "{algorithm}");
        }
    }
}

#[test]
fn only_strong_digests_of_the_data_count() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "rsa2048", &[]);
    let (trusted, key_id) = (gpg.keyring(&["key"]), gpg.key_id("key", 0));
    for (digest, refused_as) in [
        ("SHA256", None),
        ("SHA384", None),
        ("SHA512", None),
        ("SHA224", Some("SHA224")),
        ("SHA1", Some("SHA1")),
        ("RIPEMD160", Some("RIPEMD160")),
        ("MD5", Some("MD5")),
    ] {
        let signature = gpg.sign("key", DATA, &["--digest-algo", digest]);
        let result = judge(&trusted, &signature, DATA);
        let expected = match refused_as {
            None => Ok(key_id.clone()),
            Some(digest) => Err(Error::WeakDigest {
                key_id: key_id.clone(),
                digest: digest.into(),
            }),
        };
        assert_eq!(result.map(|verdict| verdict.key_id), expected, "{digest}");
    }
}

#[test]
fn a_short_key_proves_nothing() {
    let Some(gpg) = Gpg::new() else { return };
    for algorithm in ["rsa1024", "dsa1024"] {
        gpg.key(algorithm, algorithm, &[]);
        let signature = gpg.sign(algorithm, DATA, &["--digest-algo=SHA256"]);
        let result = judge(&gpg.keyring(&[algorithm]), &signature, DATA);
        let expected = Error::WeakKey(gpg.key_id(algorithm, 0));
        assert_eq!(result, Err(expected), "{algorithm}");
    }
    // A short subkey is no stronger for its long primary key.
    gpg.key("long", "rsa2048", &[]);
    gpg.subkey("long", "rsa1024", &[]);
    let signature = gpg.sign("long", DATA, &[]);
    let result = judge(&gpg.keyring(&["long"]), &signature, DATA);
    assert_eq!(result, Err(Error::WeakKey(gpg.key_id("long", 1))));
}

#[test]
fn a_key_with_only_a_sha1_signature_of_its_own_may_sign() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "rsa2048", &["--cert-digest-algo=SHA1"]);
    let ring = gpg.export(&["key"], &[]);
    let list = gpg.run(&["--list-packets"], &ring);
    let list = String::from_utf8(list).unwrap();
    assert_eq!(list.matches("digest algo ").count(), 1, "{list}");
    assert!(list.contains("digest algo 2,"), "{list}");
    let signature = gpg.sign("key", DATA, &[]);
    let verdict = judge(&keyring(&[&ring]), &signature, DATA).unwrap();
    assert_eq!(verdict.key_id, gpg.key_id("key", 0));
}

#[test]
fn a_revoked_subkey_is_refused_alone_and_a_revoked_key_with_all_its_subkeys() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[]);
    gpg.subkey("key", "ed25519", &[]);
    let ids = [0, 1].map(|index| gpg.key_id("key", index));
    let fingerprints = gpg.fingerprints("key");
    let signatures = [0, 1].map(|index| gpg.sign_with(&fingerprints[index], DATA, &[]));
    let results = || {
        let trusted = gpg.keyring(&["key"]);
        [0, 1].map(|index| {
            judge(&trusted, &signatures[index], DATA).map(|verdict| verdict.key_id == ids[index])
        })
    };
    assert_eq!(results(), [Ok(true), Ok(true)]);
    gpg.revoke_subkey("key");
    let subkey = Err(Error::Revoked(ids[1].clone()));
    assert_eq!(results(), [Ok(true), subkey]);
    gpg.revoke("key");
    let primary = Err(Error::Revoked(ids[0].clone()));
    assert_eq!(results(), [primary.clone(), primary]);
}

#[test]
fn a_signature_outlives_its_key_but_none_is_made_after_it() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[MADE]);
    gpg.subkey("key", "ed25519", &[MADE]);
    let fingerprints = gpg.fingerprints("key");
    let sign = |index: usize, time: &str| {
        let time = format!("--faked-system-time={time}!");
        gpg.sign_with(&fingerprints[index], DATA, &[&time])
    };
    let before = [0, 1].map(|index| sign(index, "1600000300"));
    let after = [0, 1].map(|index| sign(index, "1700000000"));
    // The primary key ends one day after it began, the subkey with it.
    let later = "--faked-system-time=1600000600!";
    let expire = ["--quick-set-expire", &fingerprints[0], "seconds=85800"];
    gpg.run(&[&[later], &expire[..]].concat(), b"");
    let end = MADE_SECONDS + 24 * 60 * 60;
    let trusted = gpg.keyring(&["key"]);
    for index in [0, 1] {
        let id = gpg.key_id("key", index);
        let notice = format!("Key {id} has expired since it made this signature.");
        for (now, notices) in [(at(end), vec![]), (at(end + 1), vec![notice])] {
            let verdict = verify(&trusted, &before[index], DATA, now).unwrap();
            assert_eq!(verdict.notices, notices, "{index}");
        }
        let result = judge(&trusted, &after[index], DATA);
        assert_eq!(result, Err(Error::Expired(id)), "{index}");
    }
}

#[test]
fn a_subkey_ends_before_its_primary_key() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[MADE]);
    gpg.subkey("key", "ed25519", &[MADE]);
    let fingerprints = gpg.fingerprints("key");
    let time = "--faked-system-time=1700000000!";
    let signatures = [0, 1].map(|index| gpg.sign_with(&fingerprints[index], DATA, &[time]));
    let [primary, subkey] = [&fingerprints[0], &fingerprints[1]];
    let later = "--faked-system-time=1600000600!";
    let expire = [
        later,
        "--quick-set-expire",
        primary,
        "seconds=86400",
        subkey,
    ];
    gpg.run(&expire, b"");
    let trusted = gpg.keyring(&["key"]);
    assert!(judge(&trusted, &signatures[0], DATA).is_ok());
    let result = judge(&trusted, &signatures[1], DATA);
    assert_eq!(result, Err(Error::Expired(gpg.key_id("key", 1))));
}

#[test]
fn times_that_cannot_be_are_refused() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[MADE]);
    let (trusted, id) = (gpg.keyring(&["key"]), gpg.key_id("key", 0));
    let out_of_time = Err(Error::OutOfTime(id.clone()));
    let signature = gpg.sign("key", DATA, &[MADE]);
    let made = at(MADE_SECONDS);
    // Clocks may be a day apart.
    for (now, expected) in [
        (made, Ok(())),
        (made - DAY, Ok(())),
        (made - DAY - Duration::from_secs(1), out_of_time.clone()),
        (SystemTime::UNIX_EPOCH - DAY, out_of_time.clone()),
    ] {
        let result = verify(&trusted, &signature, DATA, now);
        assert_eq!(result.map(|_| ()), expected, "{now:?}");
    }
    let future = gpg.sign("key", DATA, &["--faked-system-time=2200000000!"]);
    assert_eq!(judge(&trusted, &future, DATA).map(|_| ()), out_of_time);
    let early = ["--faked-system-time=1500000000!", "--ignore-time-conflict"];
    let early = gpg.sign("key", DATA, &early);
    assert_eq!(judge(&trusted, &early, DATA).map(|_| ()), out_of_time);
    let short = gpg.sign("key", DATA, &[MADE, "--default-sig-expire=seconds=86400"]);
    for (now, expected) in [
        (made + DAY, Ok(())),
        (made + DAY + Duration::from_secs(1), Err(Error::Expired(id))),
    ] {
        let result = verify(&trusted, &short, DATA, now);
        assert_eq!(result.map(|_| ()), expected, "{now:?}");
    }
}

#[test]
fn what_is_no_signature_of_the_document_is_refused_by_reason() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[]);
    gpg.key("other", "ed25519", &[]);
    let (ring, id) = (gpg.export(&["key"], &[]), gpg.key_id("key", 0));
    let certification = gpg.packets(&ring).pop().unwrap();
    assert_eq!(certification.0, 2);
    let signed = |mode: &str, form: &str| {
        let arguments = ["--local-user", "<key@example.org>", form, mode];
        gpg.run(&arguments, DATA)
    };
    for (what, signature, expected) in [
        ("nothing", Vec::new(), Error::Empty),
        ("blanks", b" \r\n\n".to_vec(), Error::Empty),
        ("a web page", b"<html></html>".to_vec(), Error::Malformed),
        ("high garbage", vec![0xff; 100], Error::Malformed),
        ("low garbage", vec![0; 100], Error::Malformed),
        ("the document", DATA.to_vec(), Error::Malformed),
        (
            "a signed text",
            signed("--clear-sign", "--armor"),
            Error::ClearSigned,
        ),
        (
            "a signed message",
            signed("--sign", "--no-armor"),
            Error::Malformed,
        ),
        (
            "an armored message",
            signed("--sign", "--armor"),
            Error::Malformed,
        ),
        (
            "a certification",
            certification.1,
            Error::WrongType(id.clone()),
        ),
        (
            "another document's",
            gpg.sign("key", b"another", &[]),
            Error::Bad(id.clone()),
        ),
        (
            "an unknown key's",
            gpg.sign("other", DATA, &[]),
            Error::UnknownKey(gpg.key_id("other", 0)),
        ),
    ] {
        let result = judge(&keyring(&[&ring]), &signature, DATA);
        assert_eq!(result, Err(expected), "{what}");
        assert!(!gpg.gpgv_accepts(&ring, &signature, DATA), "gpgv: {what}");
    }
    let good = gpg.sign("key", DATA, &[]);
    assert_eq!(judge(&Keyring::new(), &good, DATA), Err(Error::NoKeys));
}

#[test]
fn a_certificate_does_not_get_a_subkey_that_is_not_bound_to_it() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[]);
    gpg.subkey("key", "ed25519", &[]);
    gpg.key("thief", "ed25519", &[]);
    let signature = gpg.sign("key", DATA, &[]);
    let id = gpg.key_id("key", 1);
    let victim = gpg.packets(&gpg.export(&["key"], &[]));
    let thief = gpg.export(&["thief"], &[]);
    let [primary, name, own, subkey, binding] =
        <[_; 5]>::try_from(victim).unwrap().map(|(_, bytes)| bytes);
    let mut damaged = binding.clone();
    *damaged.last_mut().unwrap() ^= 1;
    // The binding's own numbers are the last 68 bytes; the signature back stands before them, and
    // is not covered by them.
    let mut one_sided = binding.clone();
    one_sided[binding.len() - 80] ^= 1;
    for (what, parts) in [
        ("adopted", vec![&thief, &subkey, &binding]),
        ("not owned", vec![&primary, &name, &own, &subkey, &damaged]),
        (
            "not willing",
            vec![&primary, &name, &own, &subkey, &one_sided],
        ),
    ] {
        let ring: Vec<u8> = parts.into_iter().flatten().copied().collect();
        let result = judge(&keyring(&[&ring]), &signature, DATA);
        assert_eq!(result, Err(Error::Unbound(id.clone())), "{what}");
        assert!(!gpg.gpgv_accepts(&ring, &signature, DATA), "gpgv: {what}");
    }
    // One that was made for signing, and is not any more.
    let edit = [
        "--expert",
        "--command-fd=0",
        "--edit-key",
        "<key@example.org>",
    ];
    gpg.run(&edit, b"key 1\nchange-usage\ns\nq\nsave\n");
    let ring = gpg.export(&["key"], &[]);
    let result = judge(&keyring(&[&ring]), &signature, DATA);
    assert_eq!(result, Err(Error::Unbound(id)));
    assert!(!gpg.gpgv_accepts(&ring, &signature, DATA));
}

#[test]
fn a_primary_key_that_is_not_for_signing_is_refused() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[]);
    let signature = gpg.sign("key", DATA, &[]);
    let edit = [
        "--expert",
        "--command-fd=0",
        "--edit-key",
        "<key@example.org>",
    ];
    gpg.run(&edit, b"change-usage\ns\nq\nsave\n");
    let ring = gpg.export(&["key"], &[]);
    assert!(!gpg.gpgv_accepts(&ring, &signature, DATA));
    let result = judge(&keyring(&[&ring]), &signature, DATA);
    assert_eq!(result, Err(Error::Unbound(gpg.key_id("key", 0))));
}

#[test]
fn a_key_of_an_unknown_algorithm_is_called_that() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "brainpoolP256r1", &[]);
    let ring = gpg.export(&["key"], &[]);
    let signature = gpg.sign("key", DATA, &[]);
    assert!(gpg.gpgv_accepts(&ring, &signature, DATA));
    let result = judge(&keyring(&[&ring]), &signature, DATA);
    assert_eq!(result, Err(Error::UnknownAlgorithm(gpg.key_id("key", 0))));
}
