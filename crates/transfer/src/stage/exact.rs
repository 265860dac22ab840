//! Ends a source that has more, or fewer, bytes than it was said to have.

use super::chunks::Chunks;
use crate::error::Error;
use bytes::Bytes;
use importd_api::failure::Kind;
use std::io;

/// A source of so many bytes. Not one more is let through, wherever they come from.
#[derive(Debug)]
pub struct Exact<C> {
    source: C,
    /// How many were said to come.
    length: u64,
    /// How many are still to come.
    left: u64,
    /// What messages call the source.
    label: String,
}

impl<C> Exact<C> {
    /// Expects so many bytes of a source.
    pub const fn new(source: C, length: u64, label: String) -> Self {
        Self {
            source,
            length,
            left: length,
            label,
        }
    }
}

impl<C: Chunks> Chunks for Exact<C> {
    /// # Errors
    /// [`Kind::Corrupt`] with the first byte too many, and at an end that comes too early.
    fn chunk(&mut self) -> io::Result<Bytes> {
        let chunk = self.source.chunk()?;
        let (label, length) = (&self.label, self.length);
        if chunk.is_empty() {
            if self.left == 0 {
                return Ok(chunk);
            }
            let text = format!("{label} ends {} bytes before its {length}", self.left);
            return Err(Error::new(Kind::Corrupt, text).into_io());
        }
        match self.left.checked_sub(chunk.len() as u64) {
            Some(left) => self.left = left,
            None => {
                let text = format!("{label} has more than the {length} bytes it was said to have");
                return Err(Error::new(Kind::Corrupt, text).into_io());
            }
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::{Copied, Reader};
    use super::*;
    use std::io::Read;

    fn read(bytes: &[u8], length: u64) -> io::Result<Vec<u8>> {
        let source = Copied::new(io::Cursor::new(bytes.to_vec()));
        let mut all = Vec::new();
        let mut reader = Reader::new(Exact::new(source, length, "x".into()));
        reader.read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn neither_more_nor_fewer_bytes_pass() {
        assert_eq!(read(b"abc", 3).unwrap(), b"abc");
        assert_eq!(read(b"", 0).unwrap(), b"");
        for (bytes, length, says) in [
            (&b"abc"[..], 2, "more than the 2 bytes"),
            (b"abc", 0, "more than the 0 bytes"),
            (b"abc", 4, "ends 1 bytes before its 4"),
        ] {
            let error = Error::io("Read", read(bytes, length).unwrap_err());
            assert_eq!(error.kind, Kind::Corrupt);
            assert!(error.doing.contains(says), "{}", error.doing);
        }
    }
}
