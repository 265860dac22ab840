//! Bytes on their way to a server: read by a thread, a few pieces ahead of the network.

use bytes::Bytes;
use futures_core::Stream;
use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces between the reader and the network: 2 MiB.
const PIECES_WAITING: usize = 8;

/// The body of a request, of a length that is known.
pub(crate) struct Upload {
    length: u64,
    pieces: Receiver<io::Result<Bytes>>,
    moved: Arc<AtomicU64>,
}

impl Upload {
    /// Sends what a reader gives, which must be that many bytes.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn new(source: Box<dyn Read + Send>, length: u64) -> io::Result<Self> {
        let (sender, pieces) = channel(PIECES_WAITING);
        std::thread::Builder::new()
            .name("upload".into())
            .spawn(move || read_all(source, length, &sender))?;
        Ok(Self {
            length,
            pieces,
            moved: Arc::default(),
        })
    }

    /// In bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes have been handed to the network.
    pub(super) fn moved(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.moved)
    }
}

/// Reads until the end, or until nobody wants it.
fn read_all(mut source: Box<dyn Read + Send>, length: u64, sender: &Sender<io::Result<Bytes>>) {
    let mut left = length;
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = loop {
            match source.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let message = match read {
            Ok(0) if left == 0 => return,
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => match left.checked_sub(count as u64) {
                Some(rest) => {
                    left = rest;
                    piece.truncate(count);
                    Ok(Bytes::from(piece))
                }
                None => Err(io::Error::other("there is more than was announced")),
            },
            Err(error) => Err(error),
        };
        let is_last = message.is_err();
        if sender.blocking_send(message).is_err() || is_last {
            return;
        }
    }
}

impl Stream for Upload {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let piece = self.pieces.poll_recv(context);
        if let Poll::Ready(Some(Ok(bytes))) = &piece {
            self.moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        piece
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
