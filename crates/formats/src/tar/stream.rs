//! The bytes of an archive, read in order and counted; for readers of all kinds of archives.

use super::Error;
use std::io::{self, Read, Seek};

/// Size of the buffer for bytes that are skipped.
const SKIP_BYTES: usize = 64 << 10;

/// A source, and how far it was read.
#[derive(Debug)]
pub(crate) struct Stream<R> {
    source: R,
    position: u64,
}

impl<R: Read> Stream<R> {
    pub(crate) const fn new(source: R) -> Self {
        Self {
            source,
            position: 0,
        }
    }

    /// Bytes of the source that were read.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Reads once, again where a signal came between.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.source.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(length) => {
                    self.position = self.position.saturating_add(length as u64);
                    return Ok(length);
                }
                Err(error) => return Err(Error::Io(error)),
            }
        }
    }

    /// Reads as much as the buffer holds, or the source has.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0usize;
        while let Some(rest) = buffer.get_mut(filled..)
            && !rest.is_empty()
        {
            match self.read(rest)? {
                0 => break,
                length => filled = filled.saturating_add(length),
            }
        }
        Ok(filled)
    }

    /// Reads as much as the buffer holds; [`Error::Truncated`] if the source has less.
    pub(crate) fn fill_whole(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        match self.fill(buffer)? {
            length if length == buffer.len() => Ok(()),
            _ => Err(Error::Truncated),
        }
    }

    /// Skips bytes; [`Error::Truncated`] if the source has fewer.
    pub(crate) fn skip(&mut self, count: u64) -> Result<(), Error> {
        let most = |left| usize::try_from(left).map_or(SKIP_BYTES, |left| left.min(SKIP_BYTES));
        let mut buffer = vec![0; most(count)];
        let mut left = count;
        while left > 0 {
            let wanted = buffer.get_mut(..most(left)).unwrap_or(&mut []);
            match self.read(wanted)? {
                0 => return Err(Error::Truncated),
                length => left = left.saturating_sub(length as u64),
            }
        }
        Ok(())
    }

    /// Passes over bytes without reading them; whether the source has them shows only later.
    pub(crate) fn pass(&mut self, count: u64) -> Result<(), Error>
    where
        R: Seek,
    {
        let distance = i64::try_from(count).map_err(|_large| Error::Truncated)?;
        self.source.seek_relative(distance).map_err(Error::Io)?;
        self.position = self.position.saturating_add(count);
        Ok(())
    }

    /// Reads to the source's end; [`Error::TrailingData`] if there is anything but zeros.
    pub(crate) fn drain_zeros(&mut self) -> Result<(), Error> {
        let mut buffer = vec![0; SKIP_BYTES];
        loop {
            let length = self.read(&mut buffer)?;
            match buffer.get(..length) {
                None | Some([]) => return Ok(()),
                Some(bytes) if bytes.iter().any(|byte| *byte != 0) => {
                    return Err(Error::TrailingData);
                }
                Some(_) => {}
            }
        }
    }
}
