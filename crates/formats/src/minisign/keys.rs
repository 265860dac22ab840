//! Keys that are trusted.

use super::{Error, PLAIN, UNTRUSTED};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;

/// Largest key file, in bytes: two lines, of which a comment may be long.
pub const KEY_MAX: u64 = 8 << 10;

/// Trusted keys, and where each comes from.
#[derive(Debug, Default)]
pub struct Keys(pub(super) Vec<Trusted>);

#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) number: [u8; 8],
    pub(super) key: VerifyingKey,
    pub(super) comment: Option<String>,
    pub(super) file: String,
}

impl Keys {
    /// No keys.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the key of a file.
    ///
    /// # Errors
    /// [`Error::NotAKey`].
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        let trusted = parse(file, bytes).ok_or_else(|| Error::NotAKey(file.to_owned()))?;
        self.0.push(trusted);
        Ok(())
    }
}

fn parse(file: &str, bytes: &[u8]) -> Option<Trusted> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() as u64 <= KEY_MAX)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let (comment, key) = match first.strip_prefix(UNTRUSTED) {
        Some(comment) => (Some(comment.trim()), lines.next()?),
        // The comment is often left out where keys are printed.
        None => (None, first),
    };
    let decoded = STANDARD.decode(key).ok()?;
    let (algorithm, rest) = decoded.split_first_chunk::<2>()?;
    let (number, key) = rest.split_first_chunk::<8>()?;
    if *algorithm != PLAIN || lines.next().is_some() {
        return None;
    }
    let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
    // Such a key would take signatures that nobody made.
    if key.is_weak() {
        return None;
    }
    Some(Trusted {
        number: *number,
        key,
        comment: comment
            .filter(|comment| !comment.is_empty())
            .map(str::to_owned),
        file: file.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key in minisign(1).
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn a_key_may_have_a_comment() {
        for (text, comment) in [
            (
                format!("untrusted comment: minisign public key\n{KEY}\n"),
                Some("minisign public key"),
            ),
            (format!("untrusted comment: a\r\n{KEY}\r\n\r\n"), Some("a")),
            (format!("untrusted comment:\n{KEY}"), None),
            (KEY.to_owned(), None),
        ] {
            let mut keys = Keys::new();
            keys.add("k.pub", text.as_bytes()).unwrap();
            let [trusted] = keys.0.as_slice() else {
                panic!()
            };
            assert_eq!(trusted.comment.as_deref(), comment, "{text}");
            assert_eq!(super::super::key_id(trusted.number), "E7620F1842B4E81F");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        let zeros = STANDARD.encode([&b"Ed"[..], &[0; 40]].concat());
        let short = STANDARD.encode([&b"Ed"[..], &[1; 39]].concat());
        for text in [
            String::new(),
            "untrusted comment: x\n".into(),
            format!("untrusted comment: x\n{KEY}\n{KEY}\n"),
            KEY.replacen("RWQ", "RUQ", 1),
            zeros,
            short,
            format!("{KEY}{}", "\n".repeat(10_000)),
            "-----BEGIN PGP PUBLIC KEY BLOCK-----".into(),
        ] {
            let mut keys = Keys::new();
            let result = keys.add("/etc/k.pub", text.as_bytes());
            assert_eq!(result, Err(Error::NotAKey("/etc/k.pub".into())), "{text}");
            assert!(keys.is_empty());
        }
    }
}
