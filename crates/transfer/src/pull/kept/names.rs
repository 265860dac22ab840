//! What a kept download is called, and what a name says.
//!
//! `.raw-` or `.tar-`, the address, a dot and the ETag if there is one, and `.raw` for a disk image;
//! address and ETag escaped. Where the whole path would have 240 bytes or more, a hash stands for the
//! address: all as in the reference, so that both find each other's objects.

use crate::pull::companions::Companion;
use importd_api::name::Form;
use importd_api::url::Url;
use std::ffi::{OsStr, OsString};
use std::hash::Hasher;
use std::path::Path;

/// Whole paths of this many bytes or more have the address replaced by a hash.
const PATH_BYTES_MAX: usize = 240;
/// Longest ETag that becomes part of a name, escaped, in bytes; longer ones are left out, and stand
/// in the record only.
const ETAG_BYTES_MAX: usize = 120;
/// Key of the hash over addresses that are too long for a name; the reference's, so that its
/// objects have the same names.
const HASH_KEY: (u64, u64) = (0x3042_cc01_8716_89df, 0x4f63_a5a6_194a_ab98);

/// What a name of this form begins and ends with.
pub(super) const fn affixes(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Raw => (".raw-", ".raw"),
        Form::Tar => (".tar-", ""),
    }
}

/// What a name says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The ETag; `None` if the name has none.
    pub(super) etag: Option<String>,
    /// A hash stands for the address: the object has to say itself which one it is.
    pub(super) hashed: bool,
}

/// The name of the kept download of an address, in the image root of that path.
pub(in crate::pull) fn pristine(
    url: &Url,
    form: Form,
    etag: Option<&str>,
    root: &Path,
) -> OsString {
    let (prefix, suffix) = affixes(form);
    let url = url.without_credentials();
    let etag = etag
        .map(|etag| format!(".{}", escaped(etag)))
        .filter(|etag| etag.len() <= ETAG_BYTES_MAX)
        .unwrap_or_default();
    let name = format!("{prefix}{}{etag}{suffix}", escaped(&url));
    let path_bytes = root.as_os_str().len() + 1 + name.len();
    if path_bytes < PATH_BYTES_MAX {
        return name.into();
    }
    format!("{prefix}{:x}{etag}{suffix}", hash(&url)).into()
}

/// What a name says, if it can be that of a kept download of the address.
pub(super) fn parse(name: &OsStr, url: &Url, form: Form) -> Option<Named> {
    let (prefix, suffix) = affixes(form);
    let middle = name.to_str()?.strip_prefix(prefix)?.strip_suffix(suffix)?;
    let (stem, etag) = split(middle);
    let etag = etag.map(unescaped);
    // The reference keeps user and password in its names.
    let addresses = [url.without_credentials(), url.as_str().to_owned()];
    let is_named = |address: &String| stem == escaped(address);
    let is_hashed = |address: &String| stem == format!("{:x}", hash(address));
    if addresses.iter().any(is_named) {
        Some(Named {
            etag,
            hashed: false,
        })
    } else if addresses.iter().any(is_hashed) {
        Some(Named { etag, hashed: true })
    } else {
        None
    }
}

/// The names that files kept beside an object may have.
pub(super) fn companions(name: &OsStr, form: Form) -> Vec<OsString> {
    let stem = match (form, name.to_str()) {
        (Form::Raw, Some(name)) => OsString::from(name.strip_suffix(".raw").unwrap_or(name)),
        _ => name.to_owned(),
    };
    Companion::ALL
        .iter()
        .map(|one| {
            let mut companion = stem.clone();
            companion.push(one.ending());
            companion
        })
        .collect()
}

/// Whether a name is that of a file kept beside an object of the address.
pub(in crate::pull) fn is_beside(
    name: &OsStr,
    companion: Companion,
    url: &Url,
    form: Form,
) -> bool {
    let (_, suffix) = affixes(form);
    let stem = name
        .to_str()
        .and_then(|name| name.strip_suffix(companion.ending()));
    stem.is_some_and(|stem| parse(OsStr::new(&format!("{stem}{suffix}")), url, form).is_some())
}

/// Parts a name without its affixes into address and ETag, both still escaped. Neither has a dot.
pub(super) fn split(middle: &str) -> (&str, Option<&str>) {
    match middle.split_once('.') {
        Some((stem, etag)) => (stem, Some(etag)),
        None => (middle, None),
    }
}

/// Text as part of a file name: separators, quotes, dots, hashes, backslashes and everything that
/// is no printable ASCII become `\xNN`.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'/' | b'.' | b'#' | b'"' | b'\'' | b'\\' | 0..=31 | 127..=255 => {
                out.push_str(&format!("\\x{byte:02x}"));
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// Escaped text as it was; what is no escape stays.
pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = rest.strip_prefix("\\x").and_then(|rest| rest.get(..2));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.extend_from_slice(first.to_string().as_bytes());
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[expect(
    deprecated,
    reason = "the names of the reference's objects need SipHash-2-4, which is what this is"
)]
pub(super) fn hash(url: &str) -> u64 {
    let mut hasher = std::hash::SipHasher::new_with_keys(HASH_KEY.0, HASH_KEY.1);
    hasher.write(url.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn addresses_become_single_file_names_and_come_back() {
        for (text, name) in [
            ("http://h/f/a.raw", r"http:\x2f\x2fh\x2ff\x2fa\x2eraw"),
            ("\"e1\"", r"\x22e1\x22"),
            ("a?b=c@d", "a?b=c@d"),
            (r"back\slash", r"back\x5cslash"),
        ] {
            assert_eq!(escaped(text), name);
            assert_eq!(unescaped(name), text);
        }
        assert_eq!(unescaped(r"\x2"), r"\x2");
        assert_eq!(unescaped(r"\xzz\x41ü"), r"\xzzAü");
    }

    #[test]
    fn names_are_those_of_the_reference() {
        // As systemd 262 made them, from its `user.source_url` and `user.source_etag`.
        let raw = url("http://h/f/a.raw");
        let name = r".raw-http:\x2f\x2fh\x2ff\x2fa\x2eraw.\x22e1\x22.raw";
        let root = Path::new("/var/lib/machines");
        assert_eq!(pristine(&raw, Form::Raw, Some("\"e1\""), root), *name);
        let named = parse(OsStr::new(name), &raw, Form::Raw).unwrap();
        assert_eq!(named.etag.as_deref(), Some("\"e1\""));
        assert!(!named.hashed);
        assert_eq!(parse(OsStr::new(name), &raw, Form::Tar), None);
        assert_eq!(
            parse(OsStr::new(name), &url("http://h/f/a.ra"), Form::Raw),
            None
        );
        for etag in [None, Some("W/\"w\""), Some("plain"), Some("a.b#c")] {
            for form in [Form::Raw, Form::Tar] {
                let name = pristine(&raw, form, etag, root);
                let named = parse(&name, &raw, form).unwrap();
                assert_eq!(named.etag.as_deref(), etag, "{name:?}");
            }
        }
    }

    #[test]
    fn long_addresses_are_hashed_and_found_but_have_to_say_who_they_are() {
        let long = url(&format!("http://h/{}.tar", "x".repeat(300)));
        let root = Path::new("/var/lib/machines");
        let name = pristine(&long, Form::Tar, Some("\"e\""), root);
        assert!(name.len() < 60, "{name:?}");
        let named = parse(&name, &long, Form::Tar).unwrap();
        assert!(named.hashed && named.etag.as_deref() == Some("\"e\""));
        let etag = "e".repeat(300);
        let name = pristine(&url("http://h/a"), Form::Raw, Some(&etag), root);
        assert_eq!(name, *r".raw-http:\x2f\x2fh\x2fa.raw");
    }

    #[test]
    fn companions_stand_beside_their_object() {
        let names = companions(OsStr::new(r".raw-u.e.raw"), Form::Raw);
        assert_eq!(names[0], *".raw-u.e.nspawn");
        let names = companions(OsStr::new(r".tar-u.e"), Form::Tar);
        assert_eq!(names[3], *".tar-u.e.verity");
    }
}
