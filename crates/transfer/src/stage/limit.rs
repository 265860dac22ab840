//! Ends a source that is longer than it may be.

use crate::error::Error;
use importd_api::failure::Kind;
use std::io::{self, Read};

/// A source that fails after so many bytes.
#[derive(Debug)]
pub struct Limit<R> {
    source: R,
    left: u64,
    most: u64,
}

impl<R: Read> Limit<R> {
    /// Lets `most` bytes through.
    pub const fn new(source: R, most: u64) -> Self {
        Self {
            source,
            left: most,
            most,
        }
    }
}

impl<R: Read> Read for Limit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        match self.left.checked_sub(length as u64) {
            Some(left) => {
                self.left = left;
                Ok(length)
            }
            None => Err(too_large(self.most).into_io()),
        }
    }
}

/// What is said of an image that is too large.
pub fn too_large(most: u64) -> Error {
    let text =
        format!("The image is larger than {most} bytes unpacked; --size-max= sets another limit");
    Error::new(Kind::SizeLimit, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bytes_pass_as_may_and_not_one_more() {
        let mut out = Vec::new();
        Limit::new(&b"12345"[..], 5).read_to_end(&mut out).unwrap();
        assert_eq!(out, b"12345");
        let error = Limit::new(&b"12345"[..], 4).read_to_end(&mut out);
        let error = Error::io("Reading", error.unwrap_err());
        assert_eq!(error.kind, Kind::SizeLimit);
    }
}
