//! A whole checksum file.

use super::{Algorithm, Date, Digest, line};

/// Largest checksum file accepted, in bytes. Lists of distributions are under 100 KiB; a server
/// must not make us hold more.
pub const CHECKSUMS_MAX: u64 = 1 << 20;
/// How the entry is called that says until when a list is good; the day follows.
const BEST_BEFORE: &[u8] = b"BEST-BEFORE-";

/// Why a checksum file does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is in it.
    #[error("The file is empty")]
    Empty,
    /// No line of it is a digest.
    #[error("The file holds no SHA-256 and no SHA-512 digest")]
    NoDigest,
    /// Two lines contradict each other.
    #[error("The file lists two different digests for '{}'", String::from_utf8_lossy(.0))]
    Ambiguous(Vec<u8>),
}

/// What a checksum file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    lines: Vec<(Vec<u8>, Digest)>,
    bare: Vec<Digest>,
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
            if let Some(digest) = Digest::parse(line) {
                list.bare.push(digest);
            } else if let Some(entry) = line::parse(line) {
                list.lines.push(entry);
            }
        }
        if list.lines.is_empty() && list.bare.is_empty() {
            return Err(Error::NoDigest);
        }
        Ok(list)
    }

    /// How many lines name a file.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.lines.len()
    }

    /// The digest of the file of this name; `None` if it is not listed. Of two kinds of digests
    /// SHA-256.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] if two lines contradict each other.
    pub fn digest(&self, file_name: &[u8]) -> Result<Option<Digest>, Error> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut found = None;
            for digest in self.digests(file_name) {
                match found {
                    _ if digest.algorithm() != algorithm => {}
                    Some(other) if other != digest => {
                        return Err(Error::Ambiguous(file_name.to_vec()));
                    }
                    _ => found = Some(digest),
                }
            }
            if let Some(digest) = found {
                return Ok(Some(*digest));
            }
        }
        Ok(None)
    }

    fn digests(&self, file_name: &[u8]) -> impl Iterator<Item = &Digest> {
        let lines = self.lines.iter();
        lines
            .filter(move |(name, _)| name == file_name)
            .map(|(_, digest)| digest)
    }

    /// The digest of a file that holds nothing but one, without a name.
    #[must_use]
    pub fn bare_digest(&self) -> Option<Digest> {
        match (self.lines.as_slice(), self.bare.as_slice()) {
            ([], [only]) => Some(*only),
            _ => None,
        }
    }

    /// The day from whose beginning (UTC) the list is out of date: that of an entry
    /// `BEST-BEFORE-YYYY-MM-DD` with the digest of an empty file, the earliest of several. Entries
    /// of that name with another digest are files like others.
    ///
    /// # Source
    /// sysupdate.d(5).
    #[must_use]
    pub fn best_before(&self) -> Option<Date> {
        let dates = self.lines.iter().filter_map(|(name, digest)| {
            let date = Date::parse(name.strip_prefix(BEST_BEFORE)?)?;
            (Digest::of_nothing(digest.algorithm()) == Some(*digest)).then_some(date)
        });
        dates.min()
    }
}

#[cfg(test)]
mod tests;
