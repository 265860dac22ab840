//! Bytes that wait until they are proven.

use crate::error::{Error, Result};
use importd_host::copy;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

/// Most bytes that wait in memory; more go to the file. Lists of versions, which systemd-sysupdate
/// fetches this way, are far below that, and come through where there is no file.
const MEMORY_MAX: usize = 4 << 20;
/// How much is read back from the file at a time, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes in memory, and in a file without a name from where they become many.
#[derive(Debug)]
pub(super) struct Hold {
    memory: Vec<u8>,
    /// Bytes in the file; the memory's come after them.
    written: u64,
    file: Option<OwnedFd>,
    /// Why there is none.
    missing: Option<Error>,
}

impl Hold {
    /// An empty one, that may fill a file; why there is none is told by the write that misses it.
    pub(super) fn new(file: Result<OwnedFd>) -> Self {
        let (file, missing) = match file {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            memory: Vec::new(),
            written: 0,
            file,
            missing,
        }
    }

    /// Forgets all bytes.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        self.written = 0;
    }

    /// Writes out all bytes, in order.
    ///
    /// # Errors
    /// What reading the file and the sink say.
    pub(super) fn deliver(self, to: &mut impl Write) -> io::Result<()> {
        if let Some(file) = &self.file {
            let mut piece = vec![0; PIECE_BYTES];
            let mut position = 0;
            while position < self.written {
                let length = copy::read_at(file.as_fd(), &mut piece, position)?;
                if length == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                to.write_all(&piece[..length])?;
                position += length as u64;
            }
        }
        to.write_all(&self.memory)
    }

    /// Moves the memory's bytes to the file.
    fn spill(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else {
            let missing = self.missing.take().map(Error::into_io);
            return Err(missing.unwrap_or_else(|| io::ErrorKind::NotFound.into()));
        };
        let mut rest = self.memory.as_slice();
        while !rest.is_empty() {
            let length = rustix::io::pwrite(file, rest, self.written)?;
            self.written += length as u64;
            rest = rest.get(length..).unwrap_or_default();
        }
        self.memory.clear();
        Ok(())
    }
}

impl Write for Hold {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.memory.len() + data.len() > MEMORY_MAX {
            self.spill()?;
        }
        self.memory.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_api::failure::Kind;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect()
    }

    #[test]
    fn bytes_come_out_as_they_went_in_however_many() {
        for length in [0, 5, MEMORY_MAX, MEMORY_MAX + 1, 3 * MEMORY_MAX + 7] {
            let file = tempfile::tempfile().unwrap();
            let mut hold = Hold::new(Ok(file.into()));
            let data = bytes(length);
            for piece in data.chunks(700_000) {
                hold.write_all(piece).unwrap();
            }
            assert_eq!(hold.written > 0, length > MEMORY_MAX, "{length}");
            let mut out = Vec::new();
            hold.deliver(&mut out).unwrap();
            assert!(out == data, "{length}");
        }
    }

    #[test]
    fn without_a_file_what_fits_into_memory_comes_through_and_more_is_told() {
        let none = || Err(Error::new(Kind::NotFound, "There is no file"));
        let mut hold = Hold::new(none());
        hold.write_all(&bytes(MEMORY_MAX)).unwrap();
        let error = Error::io("Failed", hold.write_all(b"x").unwrap_err());
        assert_eq!(error.doing, "There is no file");
        let mut out = Vec::new();
        let mut hold = Hold::new(none());
        hold.write_all(b"list").unwrap();
        hold.deliver(&mut out).unwrap();
        assert_eq!(out, b"list");
    }
}
