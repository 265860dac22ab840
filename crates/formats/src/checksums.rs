//! Checksum files: `SHA256SUMS` of a folder and `NAME.sha256` of one file.
//!
//! Lines as sha256sum(1) writes them, text or binary, and as BSD tools do; tolerant of what real
//! lists have: CRLF, upper-case digits, several blanks, `./`, a missing last newline, comments and
//! other lines, which are ignored.

use std::fmt;

/// Largest checksum file accepted, in bytes. Lists of distributions are under 100 KiB; a server
/// must not make us hold more.
pub const CHECKSUMS_MAX: u64 = 1 << 20;

/// Length of a SHA-256 digest, in bytes.
const DIGEST_BYTES: usize = 32;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest256(pub [u8; DIGEST_BYTES]);

impl Digest256 {
    /// Reads 64 hexadecimal digits of either case.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != DIGEST_BYTES.checked_mul(2)? {
            return None;
        }
        let mut digest = [0; DIGEST_BYTES];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Display for Digest256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a checksum file does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is in it.
    #[error("The file is empty")]
    Empty,
    /// No line of it is a digest.
    #[error("The file holds no SHA-256 digest")]
    NoDigest,
    /// Two lines contradict each other.
    #[error("The file lists two different digests for '{}'", String::from_utf8_lossy(.0))]
    Ambiguous(Vec<u8>),
}

/// What a checksum file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    lines: Vec<(Vec<u8>, Digest256)>,
    bare: Vec<Digest256>,
}

impl List {
    /// Reads a checksum file.
    ///
    /// # Errors
    /// [`Error::Empty`], and [`Error::NoDigest`] if no line is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Error::Empty);
        }
        let mut list = Self {
            lines: Vec::new(),
            bare: Vec::new(),
        };
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if let Some(digest) = Digest256::parse(line) {
                list.bare.push(digest);
            } else if let Some((name, digest)) = coreutils(line).or_else(|| bsd(line)) {
                let name = name.strip_prefix(b"./").unwrap_or(name);
                list.lines.push((name.to_vec(), digest));
            }
        }
        if list.lines.is_empty() && list.bare.is_empty() {
            return Err(Error::NoDigest);
        }
        Ok(list)
    }

    /// The digest of the file of this name; `None` if it is not listed.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] if two lines contradict each other.
    pub fn digest(&self, file_name: &[u8]) -> Result<Option<Digest256>, Error> {
        let mut found = None;
        for (_, digest) in self.lines.iter().filter(|(name, _)| name == file_name) {
            match found {
                Some(other) if other != *digest => {
                    return Err(Error::Ambiguous(file_name.to_vec()));
                }
                _ => found = Some(*digest),
            }
        }
        Ok(found)
    }

    /// The digest of a file that holds nothing but one, without a name.
    #[must_use]
    pub fn bare_digest(&self) -> Option<Digest256> {
        match (self.lines.as_slice(), self.bare.as_slice()) {
            ([], [only]) => Some(*only),
            _ => None,
        }
    }
}

/// `DIGEST  NAME`, `DIGEST *NAME`
fn coreutils(line: &[u8]) -> Option<(&[u8], Digest256)> {
    let (digits, rest) = line.split_at_checked(DIGEST_BYTES.checked_mul(2)?)?;
    let digest = Digest256::parse(digits)?;
    let name = rest.trim_ascii_start();
    if name.len() == rest.len() {
        return None;
    }
    let name = name.strip_prefix(b"*").unwrap_or(name);
    (!name.is_empty()).then_some((name, digest))
}

/// `SHA256 (NAME) = DIGEST`
fn bsd(line: &[u8]) -> Option<(&[u8], Digest256)> {
    let rest = line.strip_prefix(b"SHA256")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"(")?;
    let end = rest.iter().rposition(|byte| *byte == b')')?;
    let (name, tail) = rest.split_at_checked(end)?;
    let digits = tail.strip_prefix(b")")?.trim_ascii_start();
    let digits = digits.strip_prefix(b"=")?.trim_ascii_start();
    Some((name, Digest256::parse(digits)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    fn find(list: &str) -> Option<Digest256> {
        List::parse(list.as_bytes()).unwrap().digest(b"x").unwrap()
    }

    #[test]
    fn every_usual_line_is_understood() {
        let digest = Some(Digest256([0xaa; 32]));
        for line in [
            format!("{A}  x\n"),
            format!("{A} *x\n"),
            format!("{A} x"),
            format!("{A}   ./x\r\n"),
            format!("{A}\tx\r\n"),
            format!("  {}  x\n", A.to_uppercase()),
            format!("SHA256 (x) = {A}\n"),
            format!("# comment\n-----BEGIN PGP SIGNED MESSAGE-----\n{B}  y\n{A}  x\n"),
            format!("junk {A}  x in mid line\n{A}  x\n{A} *x"),
        ] {
            assert_eq!(find(&line), digest, "{line}");
        }
    }

    #[test]
    fn other_names_and_near_misses_are_not_listed() {
        for line in [
            format!("{A}  xx\n"),
            format!("{A}  d/x\n"),
            format!("{A}x\n{B} y"),
            format!("a{A}  x\n{B} y"),
            format!("MD5 (x) = {A}\n{B} y"),
        ] {
            assert_eq!(find(&line), None, "{line}");
        }
    }

    #[test]
    fn contradictions_and_emptiness_are_errors() {
        let list = List::parse(format!("{A}  x\n{B}  x\n").as_bytes()).unwrap();
        assert_eq!(list.digest(b"x"), Err(Error::Ambiguous(b"x".to_vec())));
        assert_eq!(List::parse(b" \n"), Err(Error::Empty));
        assert_eq!(List::parse(b"<html>404</html>"), Err(Error::NoDigest));
    }

    #[test]
    fn a_bare_digest_is_one_only_if_it_is_alone() {
        let bare = |text: String| List::parse(text.as_bytes()).unwrap().bare_digest();
        assert_eq!(bare(format!("{A}\n")), Some(Digest256([0xaa; 32])));
        assert_eq!(bare(format!("{A}\n{B}\n")), None);
        assert_eq!(bare(format!("{A}\n{B}  y\n")), None);
    }
}
