//! Hashes what passes, on a thread of its own.

use super::batch::{Batch, Queue};
use super::chunks::Chunks;
use crate::error::Error;
use aws_lc_rs::digest::{Context, SHA256, SHA512};
use bytes::Bytes;
use importd_api::failure::Kind;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest that chunks of a slow source wait for others.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// What a whole source turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// SHA-256 over all bytes, as they were transferred.
    pub sha256: [u8; 32],
    /// SHA-512 over the same, if it was wanted.
    pub sha512: Option<[u8; 64]>,
    /// The bytes themselves, if they were wanted.
    pub kept: Option<Vec<u8>>,
    /// How many bytes.
    pub bytes: u64,
}

/// What is wanted of a source beside SHA-256, which names its bytes in logs and caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// SHA-512 too.
    pub sha512: bool,
    /// The bytes themselves, up to so many; a larger source is an error.
    pub keep_max: Option<u64>,
}

/// A SHA-256 digest that grows, for whoever has no thread for it. Copies go on by themselves.
#[derive(Clone)]
pub struct Running(Context);

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Default for Running {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Running {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes that were added.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.0.finish().as_ref());
        sha256
    }
}

/// Chunks that are hashed as they pass.
#[derive(Debug)]
pub struct Digest<C> {
    source: C,
    /// How many bytes may still come.
    room: Option<u64>,
    /// What has passed and is not with the hashing thread yet.
    batch: Arc<Mutex<Batch>>,
    hasher: Option<SyncSender<Message>>,
}

/// The promise of a digest: kept when the source was read to its end, and only then.
#[derive(Debug)]
pub struct Pending(Receiver<Received>);

/// Sees the bytes that are hashed, in order, on a thread of its own.
pub trait Follower: Send {
    /// Takes the next bytes, in one piece or a few. `so_far` gives the SHA-256 digest of all up to and with
    /// them.
    fn follow(&mut self, pieces: &[Bytes], so_far: &dyn Fn() -> [u8; 32]);

    /// Is told that nothing more comes: of the source, or of what was read of it.
    fn end(&mut self, so_far: &dyn Fn() -> [u8; 32]);
}

#[derive(Debug)]
enum Message {
    Bytes(Vec<Bytes>),
    End,
}

impl<C: Chunks> Digest<C> {
    /// Starts the hashing thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(source: C) -> io::Result<(Self, Pending)> {
        Self::with(source, Wanted::default())
    }

    /// As [`Digest::new`], for more than SHA-256.
    ///
    /// # Errors
    /// As [`Digest::new`].
    pub fn with(source: C, wanted: Wanted) -> io::Result<(Self, Pending)> {
        Self::followed(source, wanted, Queue::ONE_OF_MANY, None)
    }

    /// As [`Digest::with`], with a queue of that size; somebody may look at the bytes too.
    ///
    /// # Errors
    /// As [`Digest::new`].
    pub fn followed(
        source: C,
        wanted: Wanted,
        queue: Queue,
        follower: Option<Box<dyn Follower>>,
    ) -> io::Result<(Self, Pending)> {
        let (hasher, messages) = sync_channel(queue.batches);
        let (result_in, result) = sync_channel(1);
        let batch = Arc::new(Mutex::new(Batch::new(queue.batch_bytes)));
        let coming = Coming {
            messages,
            batch: Arc::clone(&batch),
        };
        let follower = follower.map(follow).transpose()?;
        std::thread::Builder::new()
            .name("digest".into())
            .spawn(move || {
                let followed = follower.as_ref().map(|(followed, _)| followed);
                let received = hash_all(&coming, wanted, followed);
                if let Some(received) = received {
                    // The transfer may have failed meanwhile and not want to know.
                    result_in.send(received).unwrap_or(());
                }
                if let Some((followed, thread)) = follower {
                    drop(followed);
                    thread.join().unwrap_or(());
                }
            })?;
        let digest = Self {
            source,
            room: wanted.keep_max,
            batch,
            hasher: Some(hasher),
        };
        Ok((digest, Pending(result)))
    }
}

impl<C> Digest<C> {
    /// What goes on is sent while this is locked: what the other side takes from it is later than all in
    /// the queue.
    fn waiting(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) -> io::Result<()> {
        let mut waiting = self.waiting();
        let batch = waiting.take();
        match batch.is_empty() {
            true => Ok(()),
            false => self.send(Message::Bytes(batch)),
        }
    }

    fn send(&self, message: Message) -> io::Result<()> {
        self.hasher.as_ref().map_or(Ok(()), |hasher| {
            hasher
                .send(message)
                .map_err(|lost| io::Error::other(format!("The hashing thread ended: {lost}")))
        })
    }
}

impl<C: Chunks> Chunks for Digest<C> {
    fn chunk(&mut self) -> io::Result<Bytes> {
        let chunk = self.source.chunk()?;
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(chunk.len() as u64).ok_or_else(too_large)?;
        }
        if !chunk.is_empty() {
            let mut waiting = self.waiting();
            if let Some(batch) = waiting.add(chunk.clone()) {
                self.send(Message::Bytes(batch))?;
            }
        } else if self.hasher.is_some() {
            self.flush()?;
            self.send(Message::End)?;
            self.hasher = None;
        }
        Ok(chunk)
    }
}

/// What was read goes to whoever follows, even if the rest is not.
impl<C> Drop for Digest<C> {
    fn drop(&mut self) {
        // The hashing thread may have ended; there is no digest to come either way.
        self.flush().unwrap_or(());
    }
}

impl Pending {
    /// Waits for the digest.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stage was dropped before the end of its source.
    pub fn finish(self) -> io::Result<Received> {
        self.0
            .recv()
            .map_err(|lost| io::Error::new(io::ErrorKind::UnexpectedEof, lost))
    }
}

fn too_large() -> io::Error {
    let text = "A file that is proven by its own signature may not be as large";
    Error::new(Kind::TooLarge, text).into_io()
}

/// Where the hashing thread gets its bytes.
struct Coming {
    messages: Receiver<Message>,
    batch: Arc<Mutex<Batch>>,
}

impl Coming {
    /// The next message; what waits in the batch if the source gives nothing for a while. `None` when the stage
    /// is dropped.
    fn next(&self) -> Option<Message> {
        loop {
            match self.messages.recv_timeout(LONGEST_WAIT) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Whoever holds it is about to send.
            let Ok(mut batch) = self.batch.try_lock() else {
                continue;
            };
            match self.messages.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let chunks = batch.take();
            if !chunks.is_empty() {
                return Some(Message::Bytes(chunks));
            }
        }
    }
}

/// Hashes all that comes; `None` if the stage is dropped half-way: there is no digest then.
fn hash_all(
    coming: &Coming,
    wanted: Wanted,
    followed: Option<&SyncSender<Followed>>,
) -> Option<Received> {
    let mut sha256 = Context::new(&SHA256);
    let mut sha512 = wanted.sha512.then(|| Context::new(&SHA512));
    let mut kept = wanted.keep_max.map(|_| Vec::new());
    let mut bytes = 0u64;
    loop {
        let batch = match coming.next()? {
            Message::Bytes(batch) => batch,
            Message::End => break,
        };
        for chunk in &batch {
            sha256.update(chunk);
            if let Some(sha512) = &mut sha512 {
                sha512.update(chunk);
            }
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(chunk);
            }
            bytes += chunk.len() as u64;
        }
        if let Some(followed) = followed {
            // The follower lives as long as we send to it.
            followed.send((batch, sha256.clone())).unwrap_or(());
        }
    }
    Some(Received {
        sha256: finished(sha256),
        sha512: sha512.map(finished),
        kept,
        bytes,
    })
}

/// Chunks, and the state of the digest with them.
type Followed = (Vec<Bytes>, Context);

/// Starts the thread of a follower.
fn follow(mut follower: Box<dyn Follower>) -> io::Result<(SyncSender<Followed>, JoinHandle<()>)> {
    // One batch in the queue and one in work.
    let (followed, messages) = sync_channel::<Followed>(1);
    let work = move || {
        let mut sha256 = Context::new(&SHA256);
        for (chunks, with_them) in messages {
            sha256 = with_them;
            follower.follow(&chunks, &|| finished(sha256.clone()));
        }
        follower.end(&|| finished(sha256.clone()));
    };
    let thread = std::thread::Builder::new()
        .name("keep".into())
        .spawn(work)?;
    Ok((followed, thread))
}

fn finished<const N: usize>(context: Context) -> [u8; N] {
    let mut digest = [0; N];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::chunks::{Copied, Reader};
    use std::io::Read;

    const EMPTY: [u8; 4] = [0xe3, 0xb0, 0xc4, 0x42];
    const ABC: [u8; 4] = [0xba, 0x78, 0x16, 0xbf];

    #[test]
    fn digests_are_those_of_the_standard() {
        for (data, start) in [("", EMPTY), ("abc", ABC)] {
            let (digest, pending) = Digest::new(Bytes::from(data)).unwrap();
            io::copy(&mut Reader::new(digest), &mut io::sink()).unwrap();
            let received = pending.finish().unwrap();
            assert_eq!(received.sha256[..4], start);
            assert_eq!(received.bytes, data.len() as u64);
        }
    }

    #[test]
    fn a_source_not_read_to_its_end_has_no_digest() {
        let (digest, pending) = Digest::new(Bytes::from("abcdef")).unwrap();
        let mut reader = Reader::new(digest);
        reader.read_exact(&mut [0; 6]).unwrap();
        drop(reader);
        let error = pending.finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    /// Keeps what it sees: bytes, and the digest after each.
    #[derive(Clone, Default)]
    struct Copier(Arc<Mutex<Seen>>);

    type Seen = (Vec<u8>, Vec<[u8; 32]>);

    impl Follower for Copier {
        fn follow(&mut self, pieces: &[Bytes], so_far: &dyn Fn() -> [u8; 32]) {
            let mut seen = self.0.lock().unwrap();
            seen.0.extend_from_slice(&pieces.concat());
            seen.1.push(so_far());
        }

        fn end(&mut self, so_far: &dyn Fn() -> [u8; 32]) {
            self.0.lock().unwrap().1.push(so_far());
        }
    }

    #[test]
    fn a_follower_sees_all_that_was_read_even_if_the_rest_is_not() {
        let data: Vec<u8> = (0..(3 << 20)).map(|i: u32| (i % 251) as u8).collect();
        for count in 0..=3 {
            let read = count << 20;
            let copier = Copier::default();
            let follower: Box<dyn Follower> = Box::new(copier.clone());
            let chunks = Copied::new(io::Cursor::new(data.clone()));
            let (mut digest, pending) =
                Digest::followed(chunks, Wanted::default(), Queue::ALONE, Some(follower)).unwrap();
            for _ in 0..count {
                digest.chunk().unwrap();
            }
            drop(digest);
            // The thread is over when its promise is broken.
            pending.finish().unwrap_err();
            let seen = copier.0.lock().unwrap();
            assert!(seen.0 == data[..read], "{read}");
            let whole = aws_lc_rs::digest::digest(&SHA256, &data[..read]);
            assert_eq!(seen.1.last().unwrap(), whole.as_ref());
        }
    }

    #[test]
    fn large_sources_are_hashed_whole() {
        let data = vec![5u8; (5 << 20) + 3];
        let (digest, pending) = Digest::new(Copied::new(io::Cursor::new(data.clone()))).unwrap();
        io::copy(&mut Reader::new(digest), &mut io::sink()).unwrap();
        let whole = aws_lc_rs::digest::digest(&SHA256, &data);
        assert_eq!(pending.finish().unwrap().sha256, whole.as_ref());
    }

    #[test]
    fn more_is_told_only_where_it_is_wanted() {
        let (digest, pending) = Digest::new(Bytes::from("abc")).unwrap();
        io::copy(&mut Reader::new(digest), &mut io::sink()).unwrap();
        let received = pending.finish().unwrap();
        assert_eq!((received.sha512, received.kept), (None, None));

        let wanted = Wanted {
            sha512: true,
            keep_max: Some(3),
        };
        let (digest, pending) = Digest::with(Bytes::from("abc"), wanted).unwrap();
        io::copy(&mut Reader::new(digest), &mut io::sink()).unwrap();
        let received = pending.finish().unwrap();
        let start: [u8; 4] = [0xdd, 0xaf, 0x35, 0xa1];
        assert_eq!(received.sha512.unwrap()[..4], start);
        assert_eq!(received.sha256[..4], ABC);
        assert_eq!(received.kept.as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn what_came_before_a_stall_does_not_wait_for_its_end() {
        struct Stalling(Option<Bytes>, Receiver<()>);
        impl Chunks for Stalling {
            fn chunk(&mut self) -> io::Result<Bytes> {
                let Some(chunk) = self.0.take() else {
                    self.1.recv().unwrap();
                    return Ok(Bytes::new());
                };
                Ok(chunk)
            }
        }
        struct Told(SyncSender<usize>);
        impl Follower for Told {
            fn follow(&mut self, pieces: &[Bytes], _: &dyn Fn() -> [u8; 32]) {
                self.0.send(pieces.len()).unwrap_or(());
            }
            fn end(&mut self, _: &dyn Fn() -> [u8; 32]) {}
        }
        let (go_on, stall) = sync_channel(1);
        let (told_in, told) = sync_channel(9);
        let source = Stalling(Some(Bytes::from_static(b"a")), stall);
        let follower = Box::new(Told(told_in));
        let (mut digest, _pending) =
            Digest::followed(source, Wanted::default(), Queue::ALONE, Some(follower)).unwrap();
        assert_eq!(digest.chunk().unwrap().len(), 1);
        let reader = std::thread::spawn(move || digest.chunk().unwrap().len());
        assert_eq!(told.recv().unwrap(), 1);
        go_on.send(()).unwrap();
        assert_eq!(reader.join().unwrap(), 0);
    }

    #[test]
    fn what_is_too_large_to_be_kept_is_an_error() {
        let wanted = Wanted {
            sha512: false,
            keep_max: Some(2),
        };
        let (digest, _pending) = Digest::with(Bytes::from("abc"), wanted).unwrap();
        let error = io::copy(&mut Reader::new(digest), &mut io::sink()).unwrap_err();
        assert_eq!(Error::io("", error).kind, Kind::TooLarge);
    }
}
