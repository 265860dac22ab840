//! Every kind of key and signature that gpg makes, judged here and by gpgv. Where the two differ,
//! the row says why.

use crate::gpg::{Gpg, keyring};
use importd_formats::pgp::{Error, verify};
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

/// A key, and signatures by it and by somebody else.
struct Two {
    gpg: Gpg,
    ring: Vec<u8>,
    good: Vec<u8>,
    bad: Vec<u8>,
    unknown: Vec<u8>,
}

impl Two {
    fn new() -> Option<Self> {
        let gpg = Gpg::new()?;
        gpg.key("key", "rsa2048", &[]);
        gpg.key("other", "ed25519", &[]);
        Some(Self {
            ring: gpg.export(&["key"], &[]),
            good: gpg.sign("key", DATA, &[]),
            bad: gpg.sign("key", b"another", &[]),
            unknown: gpg.sign("other", DATA, &[]),
            gpg,
        })
    }

    fn check(&self, rows: &[(&str, &[u8], &'static str, Why)]) {
        let rows = rows.iter().map(|(what, signature, expected, why)| {
            let signature = signature.to_vec();
            (
                (*what).into(),
                self.ring.clone(),
                signature,
                *expected,
                *why,
            )
        });
        check(&self.gpg, rows.collect());
    }
}

#[test]
fn forms_of_signatures() {
    let Some(two) = Two::new() else { return };
    let sign = |option: &str| two.gpg.sign("key", DATA, &[option]);
    let clear = ["--local-user", "<key@example.org>", "--clear-sign"];
    let clear = two.gpg.run(&clear, DATA);
    let good = &two.good;
    two.check(&[
        ("binary", good, "", Why::Same),
        ("armored", &sign("--armor"), "", Why::Same),
        ("text", &sign("--textmode"), "", Why::Same),
        ("other content", &two.bad, "Bad", Why::Same),
        ("unknown key", &two.unknown, "UnknownKey", Why::Same),
        ("empty", b"", "Empty", Why::Same),
        ("half", &good[..good.len() / 2], "Malformed", Why::Same),
        (
            "all but a byte",
            &good[..good.len() - 1],
            "Malformed",
            Why::Same,
        ),
        ("clear-signed", &clear, "ClearSigned", Why::Same),
    ]);
    // gpgv reads binary keyrings only.
    let armored = two.gpg.export(&["key"], &["--armor"]);
    assert!(verify(&keyring(&[&armored]), good, DATA, SystemTime::now()).is_ok());
}

#[test]
fn digests_of_signatures() {
    let Some(two) = Two::new() else { return };
    let sign = |digest: &str| two.gpg.sign("key", DATA, &["--digest-algo", digest]);
    two.check(&[
        ("SHA-512", &sign("SHA512"), "", Why::Same),
        ("SHA-384", &sign("SHA384"), "", Why::Same),
        ("SHA-1", &sign("SHA1"), "WeakDigest", Why::Weak),
        ("SHA-224", &sign("SHA224"), "WeakDigest", Why::Weak),
        ("RIPEMD-160", &sign("RIPEMD160"), "WeakDigest", Why::Weak),
        ("MD5", &sign("MD5"), "WeakDigest", Why::Same),
    ]);
}

#[test]
fn several_signatures() {
    let Some(two) = Two::new() else { return };
    let (good, bad, unknown) = (&two.good, &two.bad, &two.unknown);
    let both = |one: &[u8], other: &[u8]| [one, other].concat();
    two.check(&[
        ("good, bad", &both(good, bad), "", Why::OneIsEnough),
        ("bad, good", &both(bad, good), "", Why::OneIsEnough),
        ("good, unknown", &both(good, unknown), "", Why::OneIsEnough),
        ("unknown, good", &both(unknown, good), "", Why::OneIsEnough),
        ("good, good", &both(good, good), "", Why::Same),
    ]);
    let trusted = keyring(&[&two.ring]);
    let notices = |file: &[u8]| {
        let verdict = verify(&trusted, file, DATA, SystemTime::now());
        verdict.unwrap().notices
    };
    // That somebody else signed too is no news; that a trusted key signed another document is.
    assert_eq!(notices(&both(good, unknown)), [""; 0]);
    let [notice] = <[String; 1]>::try_from(notices(&both(bad, good))).unwrap();
    assert!(notice.contains("is bad"), "{notice}");
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
