//! Bytes on their way that several stages can have at once, without copies.

use super::ahead::fill;
use super::{BUFFER_BYTES, QUEUE_DEPTH, Source};
use bytes::Bytes;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

/// Bytes on their way, in pieces as they come; each can be held by several stages.
pub trait Chunks: Send {
    /// The next bytes, at most some MiB; none at the end, again and again.
    ///
    /// # Errors
    /// What the source says.
    fn chunk(&mut self) -> io::Result<Bytes>;
}

/// Chunks of whatever kind.
pub type Flow = Box<dyn Chunks>;

impl<C: Chunks + ?Sized> Chunks for Box<C> {
    fn chunk(&mut self) -> io::Result<Bytes> {
        (**self).chunk()
    }
}

/// Reads chunks.
#[derive(Debug)]
pub struct Reader<C> {
    chunks: C,
    current: Bytes,
}

impl<C: Chunks> Reader<C> {
    /// Reads these.
    pub const fn new(chunks: C) -> Self {
        Self {
            chunks,
            current: Bytes::new(),
        }
    }
}

impl<C: Chunks> Read for Reader<C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && !buffer.is_empty() {
            self.current = self.chunks.chunk()?;
        }
        let length = self.current.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

/// What is read, in chunks, usually of [`BUFFER_BYTES`]. Their buffers are reused.
#[derive(Debug)]
pub struct Copied<R> {
    source: R,
    pool: Arc<Pool>,
}

impl<R: Read + Send> Copied<R> {
    /// Chunks of what this reads.
    pub fn new(source: R) -> Self {
        Self::sized(source, BUFFER_BYTES)
    }

    /// The same, in chunks of so many bytes.
    pub fn sized(source: R, bytes: usize) -> Self {
        let pool = Arc::new(Pool {
            bytes,
            waiting: Mutex::default(),
        });
        Self { source, pool }
    }
}

impl<R: Read + Send> Chunks for Copied<R> {
    fn chunk(&mut self) -> io::Result<Bytes> {
        let mut buffer = Pool::take(&self.pool);
        buffer.length = fill(&mut self.source, &mut buffer.bytes)?;
        Ok(match buffer.length {
            0 => Bytes::new(),
            _ => Bytes::from_owner(buffer),
        })
    }
}

/// Buffers that wait for their next use.
#[derive(Debug)]
struct Pool {
    /// How large each is.
    bytes: usize,
    waiting: Mutex<Vec<Vec<u8>>>,
}

impl Pool {
    fn take(pool: &Arc<Self>) -> Pooled {
        let waiting = pool.waiting.lock();
        let waiting = waiting.ok().and_then(|mut waiting| waiting.pop());
        Pooled {
            bytes: waiting.unwrap_or_else(|| vec![0; pool.bytes]),
            length: 0,
            pool: Arc::clone(pool),
        }
    }
}

/// A buffer that goes back to its pool when nobody holds it any more.
#[derive(Debug)]
struct Pooled {
    bytes: Vec<u8>,
    length: usize,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Ok(mut waiting) = self.pool.waiting.lock()
            && waiting.len() < QUEUE_DEPTH
        {
            waiting.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Some chunks after others.
pub struct Then<A, B> {
    first: Option<A>,
    rest: B,
}

impl<A: Chunks, B: Chunks> Then<A, B> {
    /// The `rest` comes when `first` has ended.
    pub const fn new(first: A, rest: B) -> Self {
        Self {
            first: Some(first),
            rest,
        }
    }
}

impl<A: Chunks, B: Chunks> Chunks for Then<A, B> {
    fn chunk(&mut self) -> io::Result<Bytes> {
        if let Some(first) = &mut self.first {
            let chunk = first.chunk()?;
            if !chunk.is_empty() {
                return Ok(chunk);
            }
            self.first = None;
        }
        self.rest.chunk()
    }
}

impl<A, B> std::fmt::Debug for Then<A, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Then")
            .field("is_first_over", &self.first.is_none())
            .finish_non_exhaustive()
    }
}

/// A single chunk.
impl Chunks for Bytes {
    fn chunk(&mut self) -> io::Result<Bytes> {
        Ok(std::mem::take(self))
    }
}

/// Reads chunks of whatever kind, for those who take a [`Source`].
#[must_use]
pub fn source(flow: Flow) -> Source {
    Box::new(Reader::new(flow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_into_chunks_is_read_as_it_was() {
        let data: Vec<u8> = (0..3_500_000u32).map(|i| (i % 251) as u8).collect();
        for cut in [0, 1, 1 << 20, (1 << 20) + 1] {
            let (start, rest) = data.split_at(cut);
            let start = Bytes::copy_from_slice(start);
            let rest = Copied::new(io::Cursor::new(rest.to_vec()));
            let mut out = Vec::new();
            let mut reader = Reader::new(Then::new(start, rest));
            reader.read_to_end(&mut out).unwrap();
            assert!(out == data, "{cut}");
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn a_chunk_that_somebody_holds_stays_as_it_is() {
        let data: Vec<u8> = (0..4u8).flat_map(|n| vec![n; BUFFER_BYTES]).collect();
        let mut copied = Copied::new(io::Cursor::new(data));
        let first = copied.chunk().unwrap();
        for _ in 0..3 {
            copied.chunk().unwrap();
        }
        assert!(first.iter().all(|byte| *byte == 0));
        // Dropped buffers were used again.
        assert_eq!(copied.pool.waiting.lock().unwrap().len(), 1);
        assert!(copied.chunk().unwrap().is_empty());
    }
}
