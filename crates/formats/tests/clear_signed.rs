//! Clear-signed texts of the real gpg, and what becomes of them when they are changed.

use crate::gpg::Gpg;
use importd_formats::pgp::{Error, is_clear_signed, verify_clear_signed};
use std::time::SystemTime;

const DATA: &[u8] = b"a list\n- with a dash\nand  blanks \t\n";

fn sign(gpg: &Gpg, who: &str, text: &[u8], options: &[&str]) -> Vec<u8> {
    let who = format!("<{who}@example.org>");
    let signer = ["--local-user", &who];
    gpg.run(&[&signer, options, &["--clear-sign"]].concat(), text)
}

/// The text that was signed by "key".
fn judge(gpg: &Gpg, file: &[u8]) -> Result<String, Error> {
    assert!(is_clear_signed(file));
    let trusted = gpg.keyring(&["key"]);
    verify_clear_signed(&trusted, file, SystemTime::now())
        .map(|(_, text)| String::from_utf8(text).unwrap())
}

fn gpg() -> Option<Gpg> {
    let gpg = Gpg::new()?;
    gpg.key("key", "ed25519", &[]);
    gpg.key("other", "ed25519", &[]);
    Some(gpg)
}

#[test]
fn the_signed_text_comes_out_as_gpg_signed_it() {
    let Some(gpg) = gpg() else { return };
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
        let file = sign(&gpg, "key", text, &[]);
        assert_eq!(judge(&gpg, &file).as_deref(), Ok(signed), "{text:?}");
        let windows = String::from_utf8(file).unwrap().replace('\n', "\r\n");
        let verdict = judge(&gpg, windows.as_bytes());
        assert_eq!(verdict.as_deref(), Ok(signed), "{text:?}");
    }
}

#[test]
fn what_was_not_signed_is_refused() {
    let Some(gpg) = gpg() else { return };
    let text = String::from_utf8(sign(&gpg, "key", DATA, &[])).unwrap();
    assert!(!is_clear_signed(format!("evil\n{text}").as_bytes()));
    let bad = Error::Bad(gpg.key_id("key", 0));
    for (what, changed, expected) in [
        ("a word", text.replace("blanks", "blankz"), &bad),
        ("a line", text.replace("a list\n", "a list\nmore\n"), &bad),
        ("unescaped", text.replace("- - with", "- with"), &bad),
        ("behind", format!("{text}evil\n"), &Error::Malformed),
        (
            "a header",
            text.replacen("Hash:", "Comment: x\nHash:", 1),
            &Error::Malformed,
        ),
        ("cut", text[..text.len() - 30].to_owned(), &Error::Malformed),
    ] {
        let result = judge(&gpg, changed.as_bytes());
        assert_eq!(result.as_ref().err(), Some(expected), "{what}");
    }
}

#[test]
fn the_rules_of_detached_signatures_hold() {
    let Some(gpg) = gpg() else { return };
    let stranger = judge(&gpg, &sign(&gpg, "other", DATA, &[]));
    assert_eq!(stranger, Err(Error::UnknownKey(gpg.key_id("other", 0))));
    let weak = judge(&gpg, &sign(&gpg, "key", DATA, &["--digest-algo=SHA1"]));
    assert!(matches!(weak, Err(Error::WeakDigest { .. })), "{weak:?}");
    // A detached signature of the text, dressed up: of type binary, which no clear-signed text has.
    let detached = gpg.sign("key", b"one", &["--armor"]);
    let head = b"-----BEGIN PGP SIGNED MESSAGE-----\n\none\n";
    let dressed = [&head[..], &detached].concat();
    assert_eq!(judge(&gpg, &dressed), Err(Error::Malformed));
}
