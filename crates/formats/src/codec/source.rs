//! Keeps errors of a source apart from errors of its decoder.

use super::{Codec, Error, Source};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Size of the buffer in front of a decoder, in bytes.
pub(super) const BUFFER_BYTES: usize = 256 << 10;

/// A source that remembers its own error, since decoders of libraries wrap or replace it.
pub(super) struct Watched {
    source: Source,
    failure: Failure,
    has_failed: bool,
}

/// Where a source's error is kept.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    fn set(&self, error: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// The source's own error, if that is why the decoder failed; else the decoder's, by kind.
    pub(super) fn explain(&self, error: &io::Error, codec: Codec) -> io::Error {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        own.unwrap_or_else(|| {
            if let Some(known) = Error::of(error) {
                return known.clone().into();
            }
            match error.kind() {
                io::ErrorKind::UnexpectedEof => Error::Truncated(codec.name()).into(),
                _ => Error::Corrupt(codec.name()).into(),
            }
        })
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A decoder that asks again must not take what comes then for the end.
        while !self.has_failed {
            match self.source.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure.set(error);
                    self.has_failed = true;
                }
                Ok(length) => return Ok(length),
            }
        }
        Err(io::Error::other("The source failed"))
    }
}

/// Whether a frame follows, in a format of frames one after another; `false` for the end. `next` is
/// what comes, and `is_frame` whether it looks like a frame.
pub(super) fn frame_follows(
    next: &[u8],
    is_frame: bool,
    is_first: bool,
    codec: Codec,
) -> Result<bool, Error> {
    let name = codec.name();
    match (next.is_empty(), is_frame, is_first) {
        (true, _, true) => Err(Error::Truncated(name)),
        (true, _, false) => Ok(false),
        (false, true, _) => Ok(true),
        (false, false, true) => Err(Error::Corrupt(name)),
        (false, false, false) => Err(Error::TrailingGarbage(name)),
    }
}

/// The buffered source of a decoder, which can look ahead.
pub(super) struct Input {
    reader: BufReader<Watched>,
    /// Bytes that come before those of the reader.
    ahead: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
}

impl Input {
    /// Up to `count` bytes that come next, without taking them; fewer only at the end.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.forget();
        if self.ahead.is_empty() && self.reader.buffer().len() >= count {
            return Ok(self.reader.buffer().get(..count).unwrap_or(&[]));
        }
        let missing = count.saturating_sub(self.ahead.len());
        read_into(&mut self.reader, missing, &mut self.ahead)?;
        Ok(self.ahead.get(..count).unwrap_or(&self.ahead))
    }

    /// Takes bytes and adds them to others; `false` if the end comes before.
    pub(super) fn take_into(&mut self, count: usize, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let there = self.ahead.get(self.taken..).unwrap_or(&[]);
        let now = there.get(..count).unwrap_or(there);
        bytes.extend_from_slice(now);
        let missing = count.saturating_sub(now.len());
        self.taken = self.taken.saturating_add(now.len());
        read_into(&mut self.reader, missing, bytes)
    }

    /// Takes bytes and drops them; `false` if the end comes before.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<bool> {
        io::copy(&mut self.by_ref().take(count), &mut io::sink()).map(|length| length == count)
    }

    /// Puts bytes back, to be read again before all others.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.extend_from_slice(self.ahead.get(self.taken..).unwrap_or(&[]));
        self.ahead = bytes;
        self.taken = 0;
    }

    /// Drops what was taken.
    fn forget(&mut self) {
        if self.taken >= self.ahead.len() {
            // What was put back may be large.
            self.ahead = Vec::new();
        } else {
            self.ahead.drain(..self.taken);
        }
        self.taken = 0;
    }
}

/// Adds `count` bytes of a reader to others; `false` if its end comes before.
fn read_into(reader: &mut impl BufRead, count: usize, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut missing = count;
    while missing > 0 {
        let new = reader.fill_buf()?;
        let new = new.get(..missing).unwrap_or(new);
        if new.is_empty() {
            return Ok(false);
        }
        bytes.extend_from_slice(new);
        let length = new.len();
        reader.consume(length);
        missing = missing.saturating_sub(length);
    }
    Ok(true)
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken >= self.ahead.len() {
            if !self.ahead.is_empty() {
                self.forget();
            }
            return self.reader.fill_buf();
        }
        Ok(self.ahead.get(self.taken..).unwrap_or(&[]))
    }

    fn consume(&mut self, amount: usize) {
        if self.ahead.is_empty() {
            self.reader.consume(amount);
        } else {
            self.taken = self.taken.saturating_add(amount);
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.ahead.get(self.taken..) {
            None | Some([]) => self.reader.read(buffer),
            Some(mut there) => {
                let length = there.read(buffer)?;
                self.taken = self.taken.saturating_add(length);
                Ok(length)
            }
        }
    }
}

/// A watched source with a buffer, and where its error will be.
pub(super) fn watch(source: Source) -> (Input, Failure) {
    let failure = Failure::default();
    let watched = Watched {
        source,
        failure: failure.clone(),
        has_failed: false,
    };
    let input = Input {
        reader: BufReader::with_capacity(BUFFER_BYTES, watched),
        ahead: Vec::new(),
        taken: 0,
    };
    (input, failure)
}

/// A decoder whose errors are explained.
pub(super) struct Guarded<D> {
    decoder: D,
    failure: Failure,
    codec: Codec,
}

impl<D: Read + Send + 'static> Guarded<D> {
    /// Puts a decoder behind a source.
    pub(super) fn wrap(source: Source, codec: Codec, make: impl FnOnce(Input) -> D) -> Source {
        let (input, failure) = watch(source);
        Box::new(Self {
            decoder: make(input),
            failure,
            codec,
        })
    }
}

impl<D: Read> Read for Guarded<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder
            .read(buffer)
            .map_err(|error| self.failure.explain(&error, self.codec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives few bytes at a time.
    struct Drops(io::Cursor<Vec<u8>>);

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(3);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn bytes_looked_at_or_put_back_come_once_and_in_order() {
        let bytes: Vec<u8> = (0..100).collect();
        let (mut input, _) = watch(Box::new(Drops(io::Cursor::new(bytes.clone()))));
        assert_eq!(input.peek(8).unwrap(), &bytes[..8]);
        assert_eq!(input.peek(2).unwrap(), &bytes[..2]);
        let mut taken = Vec::new();
        assert!(input.take_into(5, &mut taken).unwrap());
        assert_eq!(input.peek(4).unwrap(), &bytes[5..9]);
        assert!(input.take_into(20, &mut taken).unwrap());
        assert_eq!(taken, &bytes[..25]);
        input.put_back(taken.split_off(10));
        assert_eq!(input.fill_buf().unwrap()[0], 10);
        input.consume(1);
        assert!(input.skip(9).unwrap());
        input.put_back(vec![18, 19]);
        assert_eq!(input.peek(30).unwrap(), &bytes[18..48]);
        let mut rest = Vec::new();
        input.by_ref().take(32).read_to_end(&mut rest).unwrap();
        assert_eq!(rest, &bytes[18..50]);
        assert!(input.take_into(50, &mut taken).unwrap());
        assert_eq!(input.peek(1).unwrap(), b"");
        assert!(!input.take_into(1, &mut taken).unwrap());
        assert!(!input.skip(1).unwrap());
    }
}
