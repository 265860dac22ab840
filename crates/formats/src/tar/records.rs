//! pax headers to be written: records of `LENGTH KEY=VALUE\n`.

use super::Timestamp;
use super::pax::{BASE64, gnu_decoded};
use base64::Engine as _;

/// Records to be written.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    is_binary: bool,
}

/// What libarchive encodes in a name: everything that is not plain, and what ends a key.
const PLAIN: &percent_encoding::AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'%').add(b'=');

impl Records {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let is_text = matches!(
            key,
            b"path" | b"linkpath" | b"uname" | b"gname" | b"GNU.sparse.name"
        );
        self.is_binary |= is_text && std::str::from_utf8(value).is_err();
        push_record(&mut self.bytes, key, value);
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.add(key.as_bytes(), value.as_bytes());
    }

    pub(super) fn time(&mut self, key: &str, time: Timestamp) {
        let text = match (time.seconds, time.nanoseconds) {
            (seconds, 0) => seconds.to_string(),
            (seconds @ 0.., nanoseconds) => format!("{seconds}.{nanoseconds:09}"),
            // -2 and 0.75 is -1.25.
            (seconds, nanoseconds) => {
                let whole = seconds.saturating_add(1).unsigned_abs();
                let rest = 1_000_000_000u32.saturating_sub(nanoseconds);
                format!("-{whole}.{rest:09}")
            }
        };
        let text = match text.contains('.') {
            true => text.trim_end_matches('0'),
            false => &text,
        };
        self.text(key, text);
    }

    /// An attribute: as it is, or encoded where its name would end the key, or be read in two ways.
    pub(super) fn xattr(&mut self, name: &[u8], value: &[u8]) {
        if name.contains(&b'=') || gnu_decoded(name) != name {
            let name = percent_encoding::percent_encode(name, PLAIN).to_string();
            let value = BASE64.encode(value);
            self.text(&format!("LIBARCHIVE.xattr.{name}"), &value);
        } else {
            self.add(&[b"SCHILY.xattr.", name].concat(), value);
        }
    }

    /// All records. Where a name is not UTF-8, which pax takes all text for, a first record says so.
    pub(super) fn finish(self) -> Vec<u8> {
        if !self.is_binary {
            return self.bytes;
        }
        let mut bytes = Vec::new();
        push_record(&mut bytes, b"hdrcharset", b"BINARY");
        bytes.extend_from_slice(&self.bytes);
        bytes
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
pub(super) fn push_record(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len().saturating_add(value.len()).saturating_add(3);
    let mut length = rest.saturating_add(1);
    while length != rest.saturating_add(length.to_string().len()) {
        length = rest.saturating_add(length.to_string().len());
    }
    bytes.extend_from_slice(length.to_string().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(key);
    bytes.push(b'=');
    bytes.extend_from_slice(value);
    bytes.push(b'\n');
}
