//! One line of a checksum file.

use super::Digest;
use std::borrow::Cow;

/// Numbers of digits of a digest.
const DIGITS: [usize; 2] = [64, 128];
/// What stands before the name in lines that name their algorithm, and how many digits follow.
const TAGS: [(&[u8], usize); 4] = [
    (b"SHA256", 64),
    (b"SHA512", 128),
    (b"SHA2-256", 64),
    (b"SHA2-512", 128),
];

/// The name and the digest that a line holds; `None` for every other line. Blanks around the line
/// are cut already.
pub(super) fn parse(line: &[u8]) -> Option<(Vec<u8>, Digest)> {
    let (line, is_escaped) = match line.strip_prefix(b"\\") {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (name, digest) = coreutils(line).or_else(|| tagged(line))?;
    let name = match is_escaped {
        true => unescaped(name)?,
        false => Cow::Borrowed(name),
    };
    let name = name.strip_prefix(b"./").unwrap_or(&name);
    (!name.is_empty()).then(|| (name.to_vec(), digest))
}

/// `DIGEST  NAME`, `DIGEST *NAME`
fn coreutils(line: &[u8]) -> Option<(&[u8], Digest)> {
    let length = line.iter().position(u8::is_ascii_whitespace)?;
    let (digits, rest) = line.split_at_checked(length)?;
    if !DIGITS.contains(&length) {
        return None;
    }
    let name = rest.trim_ascii_start();
    let name = name.strip_prefix(b"*").unwrap_or(name);
    Some((name, Digest::parse(digits)?))
}

/// `SHA256 (NAME) = DIGEST`
fn tagged(line: &[u8]) -> Option<(&[u8], Digest)> {
    TAGS.iter().find_map(|(tag, length)| {
        let rest = line.strip_prefix(*tag)?.trim_ascii_start();
        let rest = rest.strip_prefix(b"(")?;
        let end = rest.iter().rposition(|byte| *byte == b')')?;
        let (name, tail) = rest.split_at_checked(end)?;
        let digits = tail.strip_prefix(b")")?.trim_ascii_start();
        let digits = digits.strip_prefix(b"=")?.trim_ascii_start();
        let digest = Digest::parse(digits).filter(|_| digits.len() == *length)?;
        Some((name, digest))
    })
}

/// A name in which backslash, line feed and carriage return are written as `\\`, `\n` and `\r`.
fn unescaped(name: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(plain.into())
}
