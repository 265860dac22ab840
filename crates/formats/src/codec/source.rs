//! Keeps errors of a source apart from errors of its decoder.

use super::{Codec, Error, Source};
use std::io::{self, BufReader, Read};
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

/// The buffered source of a decoder.
pub(super) type Input = BufReader<Watched>;

/// A watched source with a buffer, and where its error will be.
pub(super) fn watch(source: Source) -> (Input, Failure) {
    let failure = Failure::default();
    let watched = Watched {
        source,
        failure: failure.clone(),
        has_failed: false,
    };
    (BufReader::with_capacity(BUFFER_BYTES, watched), failure)
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
