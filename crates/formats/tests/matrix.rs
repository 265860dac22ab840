//! Every kind of key and signature that gpg makes, judged here and by gpgv. Where the two differ,
//! the row says why.

use crate::gpg::{Gpg, keyring};
use importd_formats::pgp::{Error, is_clear_signed, verify, verify_clear_signed};
use std::time::SystemTime;

const DATA: &[u8] = b"a list\n- with a dash\nand  blanks \t\n";
/// 2020-09-13.
const EARLY: &str = "--faked-system-time=1600000000!";
const LATE: &str = "--faked-system-time=1700000000!";

/// Why a verdict differs from gpgv's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It does not.
    Same,
    /// Weak digests and short keys can be forged; gpgv takes all but MD5.
    Weak,
    /// gpgv tells of revoked keys, and takes their signatures nevertheless.
    Revoked,
    /// Curves that the library does not have, or not in full.
    Unsupported,
    /// gpgv wants every signature of a file to be good, also of keys that it does not know.
    OneIsEnough,
    /// gpgv tells of keys that had expired when they signed, and takes that nevertheless.
    Expired,
}

/// What it is, the keyring, the signature, our verdict by the name of its error (empty if good), and
/// why it is not gpgv's.
type Row = (String, Vec<u8>, Vec<u8>, &'static str, Why);

fn name(error: &Error) -> String {
    let text = format!("{error:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

fn check(gpg: &Gpg, rows: Vec<Row>) {
    for (what, ring, signature, expected, why) in rows {
        let mut trusted = importd_formats::pgp::Keyring::new();
        let result = trusted
            .add("ring", &ring)
            .and_then(|_| verify(&trusted, &signature, DATA, SystemTime::now()));
        let ours = result.as_ref().err().map(name).unwrap_or_default();
        assert_eq!(ours, expected, "{what}: {result:?}");
        let theirs = gpg.gpgv_accepts(&ring, &signature, DATA);
        assert_eq!(
            theirs == result.is_ok(),
            why == Why::Same,
            "{what}: gpgv {theirs}"
        );
    }
}

#[test]
fn kinds_of_keys() {
    let Some(gpg) = Gpg::new() else { return };
    let mut rows: Vec<Row> = Vec::new();
    for (algorithm, expected, why) in [
        ("rsa1024", "WeakKey", Why::Weak),
        ("rsa2048", "", Why::Same),
        ("rsa4096", "", Why::Same),
        ("dsa1024", "WeakKey", Why::Weak),
        ("dsa2048", "", Why::Same),
        ("ed25519", "", Why::Same),
        ("nistp256", "", Why::Same),
        ("nistp384", "", Why::Same),
        ("nistp521", "", Why::Same),
        ("secp256k1", "UnknownAlgorithm", Why::Unsupported),
        ("brainpoolP256r1", "UnknownAlgorithm", Why::Unsupported),
        ("brainpoolP384r1", "UnknownAlgorithm", Why::Unsupported),
    ] {
        gpg.key(algorithm, algorithm, &[]);
        // The short ones would use SHA-1.
        let digest = ["--digest-algo=SHA256"];
        let options = if algorithm.ends_with("1024") {
            &digest[..]
        } else {
            &[]
        };
        let signature = gpg.sign(algorithm, DATA, options);
        let ring = gpg.export(&[algorithm], &[]);
        rows.push((algorithm.into(), ring, signature, expected, why));
    }
    check(&gpg, rows);
}

#[test]
fn kinds_of_signatures() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "rsa2048", &[]);
    gpg.key("other", "ed25519", &[]);
    let ring = gpg.export(&["key"], &[]);
    let armored = gpg.export(&["key"], &["--armor"]);
    let good = gpg.sign("key", DATA, &[]);
    let bad = gpg.sign("key", b"another", &[]);
    let unknown = gpg.sign("other", DATA, &[]);
    let digest = |digest: &str| gpg.sign("key", DATA, &["--digest-algo", digest]);
    let clear = ["--local-user", "<key@example.org>", "--clear-sign"];
    let rows = [
        ("binary", &ring, good.clone(), "", Why::Same),
        (
            "armored",
            &ring,
            gpg.sign("key", DATA, &["--armor"]),
            "",
            Why::Same,
        ),
        (
            "text",
            &ring,
            gpg.sign("key", DATA, &["--textmode"]),
            "",
            Why::Same,
        ),
        ("SHA-512", &ring, digest("SHA512"), "", Why::Same),
        ("SHA-384", &ring, digest("SHA384"), "", Why::Same),
        ("SHA-1", &ring, digest("SHA1"), "WeakDigest", Why::Weak),
        ("SHA-224", &ring, digest("SHA224"), "WeakDigest", Why::Weak),
        (
            "RIPEMD-160",
            &ring,
            digest("RIPEMD160"),
            "WeakDigest",
            Why::Weak,
        ),
        ("MD5", &ring, digest("MD5"), "WeakDigest", Why::Same),
        ("other content", &ring, bad.clone(), "Bad", Why::Same),
        (
            "unknown key",
            &ring,
            unknown.clone(),
            "UnknownKey",
            Why::Same,
        ),
        ("empty", &ring, Vec::new(), "Empty", Why::Same),
        (
            "half",
            &ring,
            good[..good.len() / 2].to_vec(),
            "Malformed",
            Why::Same,
        ),
        (
            "all but a byte",
            &ring,
            good[..good.len() - 1].to_vec(),
            "Malformed",
            Why::Same,
        ),
        (
            "clear-signed",
            &ring,
            gpg.run(&clear, DATA),
            "ClearSigned",
            Why::Same,
        ),
        (
            "good, bad",
            &ring,
            [&good[..], &bad].concat(),
            "",
            Why::OneIsEnough,
        ),
        (
            "bad, good",
            &ring,
            [&bad[..], &good].concat(),
            "",
            Why::OneIsEnough,
        ),
        (
            "good, unknown",
            &ring,
            [&good[..], &unknown].concat(),
            "",
            Why::OneIsEnough,
        ),
        (
            "unknown, good",
            &ring,
            [&unknown[..], &good].concat(),
            "",
            Why::OneIsEnough,
        ),
        (
            "good, good",
            &ring,
            [&good[..], &good].concat(),
            "",
            Why::Same,
        ),
    ];
    let rows = rows.map(|(what, ring, signature, expected, why)| {
        (what.to_owned(), ring.clone(), signature, expected, why)
    });
    check(&gpg, rows.into());
    // gpgv reads binary keyrings only.
    let verdict = verify(&keyring(&[&armored]), &good, DATA, SystemTime::now());
    assert!(verdict.is_ok());
}

#[test]
fn lives_of_keys() {
    let Some(gpg) = Gpg::new() else { return };
    let mut rows: Vec<Row> = Vec::new();
    for (what, expected, why) in [
        ("revoked", "Revoked", Why::Revoked),
        ("revoked-subkey", "Revoked", Why::Revoked),
        ("expired", "Expired", Why::Expired),
        ("expires-later", "", Why::Same),
    ] {
        gpg.key(what, "ed25519", &[EARLY]);
        gpg.subkey(what, "ed25519", &[EARLY]);
        let fingerprints = gpg.fingerprints(what);
        let when = if what == "expired" {
            LATE
        } else {
            "--faked-system-time=1600000300!"
        };
        let which = usize::from(what == "revoked-subkey");
        let signature = gpg.sign_with(&fingerprints[which], DATA, &[when]);
        match what {
            "revoked" => gpg.revoke(what),
            "revoked-subkey" => gpg.revoke_subkey(what),
            _ => {
                let expire = [
                    "--faked-system-time=1600000600!",
                    "--quick-set-expire",
                    &fingerprints[0],
                    "seconds=86400",
                ];
                gpg.run(&expire, b"");
            }
        }
        let ring = gpg.export(&[what], &[]);
        rows.push((what.into(), ring, signature, expected, why));
    }
    check(&gpg, rows);
}

#[test]
fn clear_signed_texts() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[]);
    gpg.key("other", "ed25519", &[]);
    let trusted = gpg.keyring(&["key"]);
    let sign = |who: &str, text: &[u8], options: &[&str]| {
        let who = format!("<{who}@example.org>");
        gpg.run(
            &[&["--local-user", &who], options, &["--clear-sign"]].concat(),
            text,
        )
    };
    let judge = |file: &[u8]| {
        assert!(is_clear_signed(file));
        verify_clear_signed(&trusted, file, SystemTime::now())
            .map(|(_, text)| String::from_utf8(text).unwrap())
    };
    for (text, signed) in [
        (DATA, "a list\n- with a dash\nand  blanks"),
        (b"one\n", "one"),
        (b"one", "one"),
        (b"\n\na\n\n", "\n\na\n"),
        (
            b"- -----BEGIN PGP SIGNATURE-----\n",
            "- -----BEGIN PGP SIGNATURE-----",
        ),
        (b"a\r\nb\r\n", "a\nb"),
    ] {
        let file = sign("key", text, &[]);
        assert_eq!(judge(&file).as_deref(), Ok(signed), "{text:?}");
        let windows = String::from_utf8(file).unwrap().replace('\n', "\r\n");
        assert_eq!(judge(windows.as_bytes()).as_deref(), Ok(signed), "{text:?}");
    }
    let file = sign("key", DATA, &[]);
    let text = String::from_utf8(file.clone()).unwrap();
    for (what, changed, expected) in [
        ("a word", text.replace("blanks", "blankz"), "Bad"),
        ("a line", text.replace("a list\n", "a list\nmore\n"), "Bad"),
        ("before", format!("evil\n{text}"), "ClearSigned"),
        ("behind", format!("{text}evil\n"), "Malformed"),
        ("unescaped", text.replace("- - with", "- with"), "Bad"),
        (
            "a header",
            text.replacen("Hash:", "Comment: x\nHash:", 1),
            "Malformed",
        ),
        ("cut", text[..text.len() - 30].to_owned(), "Malformed"),
    ] {
        if what == "before" {
            assert!(!is_clear_signed(changed.as_bytes()));
            continue;
        }
        let result = judge(changed.as_bytes());
        assert_eq!(
            result.as_ref().err().map(name).as_deref(),
            Some(expected),
            "{what}"
        );
    }
    let stranger = judge(&sign("other", DATA, &[]));
    assert_eq!(stranger, Err(Error::UnknownKey(gpg.key_id("other", 0))));
    let weak = judge(&sign("key", DATA, &["--digest-algo=SHA1"]));
    assert_eq!(weak.as_ref().err().map(name).as_deref(), Some("WeakDigest"));
    // A detached signature of the text, dressed up: of type binary, which no clear-signed text has.
    let detached = gpg.sign("key", b"one", &["--armor"]);
    let dressed = [
        b"-----BEGIN PGP SIGNED MESSAGE-----\n\none\n",
        &detached[..],
    ]
    .concat();
    assert_eq!(judge(&dressed), Err(Error::Malformed));
}

#[test]
fn a_key_that_a_signature_brings_with_it_is_not_trusted() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key("key", "ed25519", &[]);
    let before = gpg.export(&["key"], &[]);
    gpg.subkey("key", "ed25519", &[]);
    let signature = gpg.sign("key", DATA, &["--include-key-block"]);
    assert!(signature.len() > 500, "the key is not in it");
    let now = SystemTime::now();
    let unknown = verify(&keyring(&[&before]), &signature, DATA, now);
    assert_eq!(unknown, Err(Error::UnknownKey(gpg.key_id("key", 1))));
    assert!(verify(&gpg.keyring(&["key"]), &signature, DATA, now).is_ok());
}
