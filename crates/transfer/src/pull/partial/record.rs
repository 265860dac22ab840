//! What is known of the bytes that are kept of a download.
//!
//! ```text
//! importd-partial 1
//! {"length":314572800,"url":"https://server/image.raw","etag":"\"5f3\""}
//! 4194304 <64 hexadecimal digits>
//! 8388608 <64 hexadecimal digits>
//! ```
//!
//! The second line says of what the bytes are the start; instead of `etag` it may hold
//! `last_modified`, a date of HTTP, or `proven`, which is true, where the address is
//! the digest of the bytes. Each line after it is a mark: the SHA-256 digest of so many bytes
//! from the start on. Marks are added when the bytes before them have been written; a last line
//! that is cut off, as a crash leaves it, and all behind one that makes no sense, are ignored.
//! Addresses are recorded without user and password.

use crate::proof::Hex;
use crate::source::ask::Validator;
use serde_json::{Value, json};

/// The first line; its number changes with the meaning of the rest.
const FIRST_LINE: &str = "importd-partial 1";
/// Largest record read, in bytes: 16 KiB of head and a mark of some 80 bytes for each 4 MiB of a
/// download of 1 TiB take 20 MiB.
pub(super) const RECORD_MAX: u64 = 32 << 20;
/// Longest head that is read, in bytes: an address has at most 8 KiB, a validator 1 KiB.
const HEAD_MAX: usize = 16 << 10;
/// Digits of a digest.
const DIGEST_DIGITS: usize = 64;

/// Of what the bytes are the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The address, without user and password.
    pub url: String,
    /// What tells this version from others; `None` where the address does.
    pub validator: Option<Validator>,
    /// How many bytes there are in all.
    pub length: u64,
}

/// The bytes up to here have this digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// How many bytes, from the start on.
    pub(super) offset: u64,
    /// Their SHA-256 digest.
    pub(super) sha256: [u8; 32],
    /// Where its line ends in the record, in bytes.
    pub(super) end: u64,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) head: Head,
    /// Ascending, each above 0 and not above the length.
    pub(super) marks: Vec<Mark>,
}

impl Head {
    /// The first two lines.
    pub(super) fn text(&self) -> String {
        let mut members = json!({ "url": self.url, "length": self.length });
        match &self.validator {
            Some(Validator::Etag(etag)) => members["etag"] = etag.clone().into(),
            Some(date @ Validator::LastModified(_)) => {
                members["last_modified"] = date.header().into();
            }
            None => members["proven"] = true.into(),
        }
        format!("{FIRST_LINE}\n{members}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let members: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let validator = match (text("etag"), text("last_modified")) {
            (Some(etag), None) => Some(Validator::Etag(etag.to_owned())),
            (None, Some(date)) => {
                let time = httpdate::parse_http_date(date).ok()?;
                Some(Validator::LastModified(time))
            }
            (None, None) if members.get("proven").and_then(Value::as_bool)? => None,
            _ => return None,
        };
        Some(Self {
            url: text("url")?.to_owned(),
            validator,
            length: members.get("length")?.as_u64()?,
        })
    }
}

/// A mark's line.
pub(super) fn mark_line(offset: u64, sha256: &[u8; 32]) -> String {
    format!("{offset} {}\n", Hex(sha256))
}

impl Record {
    /// Reads a record; `None` if its head makes no sense.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let first = whole_line(lines.next()?)?;
        let second = lines.next()?;
        let head = Head::parse(whole_line(second).filter(|line| line.len() <= HEAD_MAX)?)?;
        if first != FIRST_LINE {
            return None;
        }
        let mut end = (first.len() + 1 + second.len()) as u64;
        let mut marks: Vec<Mark> = Vec::new();
        for line in lines {
            let least = marks.last().map_or(0, |mark| mark.offset);
            end += line.len() as u64;
            let mark = whole_line(line).and_then(|line| Mark::parse(line, end));
            match mark.filter(|mark| mark.offset > least && mark.offset <= head.length) {
                Some(mark) => marks.push(mark),
                None => break,
            }
        }
        Some(Self { head, marks })
    }
}

impl Mark {
    fn parse(line: &str, end: u64) -> Option<Self> {
        let (offset, digits) = line.split_once(' ')?;
        if digits.len() != DIGEST_DIGITS {
            return None;
        }
        let mut sha256 = [0; 32];
        for (byte, pair) in sha256.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self {
            offset: offset.parse().ok()?,
            sha256,
            end,
        })
    }
}

/// The text of a line that has its end.
fn whole_line(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line.strip_suffix(b"\n")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn head(validator: Option<Validator>) -> Head {
        Head {
            url: "https://h/\"x\"".into(),
            validator,
            length: 100,
        }
    }

    fn etag() -> Option<Validator> {
        Some(Validator::Etag("\"e\"".into()))
    }

    #[test]
    fn what_is_written_is_read() {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(981_173_106);
        for validator in [etag(), Some(Validator::LastModified(date)), None] {
            let head = head(validator);
            let mut text = head.text();
            for (offset, byte) in [(40, 1), (100, 2)] {
                text.push_str(&mark_line(offset, &[byte; 32]));
            }
            let record = Record::parse(text.as_bytes()).unwrap();
            assert_eq!(record.head, head);
            let offsets: Vec<u64> = record.marks.iter().map(|mark| mark.offset).collect();
            assert_eq!(offsets, [40, 100]);
            assert_eq!(record.marks[1].sha256, [2; 32]);
            assert_eq!(record.marks[1].end, text.len() as u64);
        }
    }

    #[test]
    fn marks_end_where_they_make_no_sense() {
        let start = head(etag()).text() + &mark_line(40, &[1; 32]);
        for bad in [
            "50".to_owned(),
            mark_line(50, &[1; 32]).trim_end().to_owned(),
            "50 xyz\n".to_owned(),
            mark_line(40, &[1; 32]),
            mark_line(101, &[1; 32]),
            format!("50 {}\n", "+1".repeat(32).replace("+1", "zz")),
            "\0\0\0\0\n".to_owned(),
        ] {
            let text = format!("{start}{bad}{}", mark_line(60, &[1; 32]));
            let record = Record::parse(text.as_bytes()).unwrap();
            assert_eq!(record.marks.len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_head_that_makes_no_sense_is_no_record() {
        let good = head(etag()).text();
        for bad in [
            String::new(),
            good.trim_end().to_owned(),
            good.replace("partial 1", "partial 2"),
            good.replace("100", "-1"),
            good.replace("etag", "tag"),
            good.replace("url", "uri"),
            format!("{FIRST_LINE}\n{}\n", "[".repeat(9999)),
            "\0".repeat(4096),
        ] {
            assert_eq!(Record::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
