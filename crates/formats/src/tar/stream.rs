//! The bytes of an archive, lent in order and counted; for readers of all kinds of archives.

use super::Error;
use std::io::{self, BufRead, Seek};

/// A source, and how far it was read.
#[derive(Debug)]
pub(crate) struct Stream<R> {
    source: R,
    position: u64,
    /// Bytes at the front of the source's buffer that were lent, and are counted already.
    lent: usize,
}

impl<R: BufRead> Stream<R> {
    pub(crate) const fn new(source: R) -> Self {
        Self {
            source,
            position: 0,
            lent: 0,
        }
    }

    /// Bytes of the source that were read.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// What the source has next, where it lies: at most so many bytes, none only at the end. They
    /// count as read.
    pub(crate) fn lend(&mut self, most: u64) -> Result<&[u8], Error> {
        self.give_back();
        if most == 0 {
            return Ok(&[]);
        }
        self.wait()?;
        let bytes = self.source.fill_buf().map_err(Error::Io)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let bytes = bytes.get(..most).unwrap_or(bytes);
        self.lent = bytes.len();
        self.position = self.position.saturating_add(bytes.len() as u64);
        Ok(bytes)
    }

    /// Waits until the source has bytes or is at its end, again where a signal came between.
    fn wait(&mut self) -> Result<(), Error> {
        loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Io(error)),
                Ok(_) => return Ok(()),
            }
        }
    }

    fn give_back(&mut self) {
        self.source.consume(std::mem::take(&mut self.lent));
    }

    /// Reads as much as the buffer holds, or the source has.
    pub(crate) fn fill(&mut self, mut buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0usize;
        while !buffer.is_empty() {
            let bytes = self.lend(buffer.len() as u64)?;
            let Some((here, rest)) = buffer.split_at_mut_checked(bytes.len()) else {
                break;
            };
            if here.is_empty() {
                break;
            }
            here.copy_from_slice(bytes);
            filled = filled.saturating_add(here.len());
            buffer = rest;
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
        let mut left = count;
        while left > 0 {
            match self.lend(left)?.len() {
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
        self.give_back();
        let distance = i64::try_from(count).map_err(|_large| Error::Truncated)?;
        self.source.seek_relative(distance).map_err(Error::Io)?;
        self.position = self.position.saturating_add(count);
        Ok(())
    }

    /// Reads to the source's end; [`Error::TrailingData`] if there is anything but zeros.
    pub(crate) fn drain_zeros(&mut self) -> Result<(), Error> {
        loop {
            match self.lend(u64::MAX)? {
                [] => return Ok(()),
                bytes if bytes.iter().any(|byte| *byte != 0) => return Err(Error::TrailingData),
                _ => {}
            }
        }
    }
}
