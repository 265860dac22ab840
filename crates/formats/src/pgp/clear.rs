//! Clear-signed texts: the text and its signatures in one file.
//!
//! ```text
//! -----BEGIN PGP SIGNED MESSAGE-----
//! Hash: SHA512
//!
//! text; lines that begin with a dash have "- " before them
//! -----BEGIN PGP SIGNATURE-----
//! …
//! ```
//!
//! Only what was signed counts: the text is handed out, never the file. Nothing may stand before the
//! text or behind the signatures, so that no two readers see two texts.
//!
//! # Source
//! RFC 9580, section 7.

use super::keyring::Keyring;
use super::signature::{self, ARMOR};
use super::{Error, Verdict};
use pgp::packet::SignatureType;
use std::time::SystemTime;

/// The line before the text.
const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
/// The last line.
const END: &[u8] = b"-----END PGP SIGNATURE-----";
/// The only header there is (section 7 forbids others): which digests are used. The signatures say
/// so themselves.
const HEADER: &[u8] = b"Hash:";

/// Whether a file is a clear-signed text, by its first line.
#[must_use]
pub fn is_clear_signed(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(BEGIN)
}

/// Judges a clear-signed text: one good signature by a trusted key is enough. Returns the text that
/// was signed, with line feeds between its lines.
///
/// # Errors
/// As [`verify`](super::verify); [`Error::Malformed`] for anything but one text and its signatures.
pub fn verify_clear_signed(
    keyring: &Keyring,
    file: &[u8],
    now: SystemTime,
) -> Result<(Verdict, Vec<u8>), Error> {
    if keyring.is_empty() {
        return Err(Error::NoKeys);
    }
    let (text, armored) = split(file).ok_or(Error::Malformed)?;
    let mut signatures = signature::parse(armored)?;
    signatures.retain(|signature| signature.typ() == Some(SignatureType::Text));
    let verdict = signature::one_good(keyring, &signatures, &text, now)?;
    Ok((verdict, text))
}

/// The text, and the armored signatures behind it.
fn split(file: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = file.trim_ascii();
    (line(&mut rest)? == BEGIN).then_some(())?;
    loop {
        match line(&mut rest)? {
            [] => break,
            header if header.starts_with(HEADER) => {}
            _ => return None,
        }
    }
    let mut text = Vec::with_capacity(rest.len());
    let mut is_first = true;
    while !rest.starts_with(ARMOR) {
        let written = line(&mut rest)?;
        let plain = match written.strip_prefix(b"- ") {
            Some(escaped) => escaped,
            None if written.starts_with(b"-") => return None,
            None => written,
        };
        if !is_first {
            text.push(b'\n');
        }
        is_first = false;
        text.extend_from_slice(plain);
    }
    // One block of signatures, and nothing but it.
    let end = rest.windows(END.len()).position(|window| window == END)?;
    (end.checked_add(END.len())? == rest.len()).then_some((text, rest))
}

/// Takes a line off: without its end, and the blanks before it, which are not signed.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, tail) = rest.split_at_checked(end)?;
    *rest = tail.get(1..)?;
    let length = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
        .map_or(0, |last| last.saturating_add(1));
    line.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: &str) -> Option<String> {
        split(file.as_bytes()).map(|(text, _)| String::from_utf8(text).unwrap())
    }

    const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----";

    #[test]
    fn the_text_is_what_stands_between_the_headers_and_the_signature() {
        for (body, expected) in [
            ("Hash: SHA512\n\na\nb\n", Some("a\nb")),
            (
                "Hash: SHA512\r\nHash: SHA256\r\n\r\na\r\nb \t\r\n",
                Some("a\nb"),
            ),
            ("\n- -dash\n- - two\n", Some("-dash\n- two")),
            ("\na\n\n", Some("a\n")),
            ("\n\na\n", Some("\na")),
            ("\n", Some("")),
            ("Comment: x\n\na\n", None),
            ("Hash: SHA512\na\n", None),
            ("\n-dash\n", None),
            ("\n-----BEGIN PGP SIGNED MESSAGE-----\n\na\n", None),
        ] {
            let file = format!("-----BEGIN PGP SIGNED MESSAGE-----\n{body}{SIGNATURE}\n");
            assert_eq!(text(&file).as_deref(), expected, "{body:?}");
        }
    }

    #[test]
    fn nothing_stands_before_or_behind() {
        let file = format!("-----BEGIN PGP SIGNED MESSAGE-----\n\na\n{SIGNATURE}\n");
        assert_eq!(text(&format!("\n{file}\n\n")).as_deref(), Some("a"));
        for (before, behind) in [("x\n", ""), ("", "x\n"), ("", SIGNATURE)] {
            assert_eq!(text(&format!("{before}{file}{behind}")), None);
        }
        assert_eq!(text(file.trim_end_matches("-----\n")), None);
    }
}
