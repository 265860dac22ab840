//! One task a connection: bytes to calls, replies to bytes.
//!
//! One call at a time: the next one is looked at when the one before is answered. What a client
//! sends meanwhile waits, a little of it with us and the rest in its socket.
//!
//! What is no call ends the connection without a word, as in the original: there is no telling what
//! such bytes would make of an answer.

use crate::varlink::limits::Place;
use crate::varlink::outbox::{self, Outbox, Tray};
use crate::varlink::peer::Peer;
use importd_varlink::frame::MESSAGE_MAX;
use importd_varlink::inbox::{Delivery, Inbox};
use importd_varlink::message::Call;
use importd_varlink::socket;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// Bytes read at once; on the stack of a thread, and only while a call is read.
const READ_BYTES: usize = 64 << 10;

/// Most descriptors of a call. None takes more than one; a few more get an answer that says so.
const DESCRIPTORS_MAX: usize = 4;

/// Most bytes that wait for their turn while a call is worked on. They are read to learn that the
/// client has gone.
const AHEAD_MAX: usize = 4 << 10;

/// How long a call may take to arrive, from its first byte.
const CALL_PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may take to take a reply.
const REPLY_PATIENCE: Duration = Duration::from_secs(30);

/// How often we look whether a client is still there that sends no more.
const HANG_UP_INTERVAL: Duration = Duration::from_secs(1);

/// A call that has arrived.
#[derive(Debug)]
pub struct Arrived {
    /// The call.
    pub call: Call,
    /// The descriptors that came with it.
    pub descriptors: Vec<OwnedFd>,
    /// Who calls.
    pub peer: Arc<Peer>,
    /// Where the replies go.
    pub outbox: Outbox,
}

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Event {
    /// A call has arrived.
    Call(Box<Arrived>),
    /// A call is answered, or a connection has ended.
    Rested,
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the client has closed it")]
    Closed,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Refused(#[from] importd_varlink::inbox::Refused),
    #[error("{0}")]
    Malformed(#[from] importd_varlink::message::Malformed),
    #[error("a call comes with too many descriptors")]
    Descriptors,
    #[error("its calls take too much memory")]
    Memory,
    #[error("a call did not arrive in time")]
    SlowCall,
    #[error("the client does not take its replies")]
    SlowReply,
    #[error("the service ends")]
    Over,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    inbox: Inbox,
    /// The client sends no more.
    is_ended: bool,
    peer: Arc<Peer>,
    place: Place,
    events: mpsc::Sender<Event>,
}

impl Connection {
    /// A connection that nothing has been read from; its socket does not block.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn new(
        stream: std::os::unix::net::UnixStream,
        (peer, place): (Peer, Place),
        events: mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::from_std(stream)?,
            inbox: Inbox::new(MESSAGE_MAX, DESCRIPTORS_MAX),
            is_ended: false,
            peer: Arc::new(peer),
            place,
            events,
        })
    }

    /// Serves it to its end.
    pub async fn run(mut self) {
        let peer = Arc::clone(&self.peer);
        let events = self.events.clone();
        let end = loop {
            if let Err(end) = self.serve_one().await {
                break end;
            }
            // Fails only when the daemon is about to end.
            events.send(Event::Rested).await.unwrap_or(());
        };
        let (uid, pid) = (peer.uid, peer.pid);
        tracing::debug!("A Varlink connection of user {uid}, process {pid} ends: {end}");
        drop(self);
        events.send(Event::Rested).await.unwrap_or(());
    }

    /// Waits for a call and sees it through.
    async fn serve_one(&mut self) -> Result<(), End> {
        let delivery = self.next_call().await?;
        // What has been taken out is still held, until the call is answered.
        self.hold(delivery.message.len())?;
        let call = Call::parse(&delivery.message)?;
        drop(delivery.message);
        let (outbox, tray) = outbox::outbox(call.wanted);
        let arrived = Arrived {
            call,
            descriptors: delivery.descriptors,
            peer: Arc::clone(&self.peer),
            outbox,
        };
        self.place.be_busy(true);
        let sent = self.events.send(Event::Call(Box::new(arrived))).await;
        sent.map_err(|_closed| End::Over)?;
        self.deliver(tray).await?;
        self.place.be_busy(false);
        self.hold(0)
    }

    async fn next_call(&mut self) -> Result<Delivery, End> {
        self.first_byte().await?;
        let call = async {
            loop {
                if let Some(delivery) = self.inbox.take()? {
                    return Ok(delivery);
                }
                self.read().await?;
                // A long call must not keep short ones waiting.
                tokio::task::yield_now().await;
            }
        };
        let arrived = tokio::time::timeout(CALL_PATIENCE, call).await;
        arrived.map_err(|_elapsed| End::SlowCall)?
    }

    /// Waits until a call begins. Silence between calls is no fault, however long it is.
    async fn first_byte(&mut self) -> Result<(), End> {
        // A read may bring nothing: the socket was ready for the call before.
        while self.inbox.held() == 0 {
            self.read().await?;
        }
        Ok(())
    }

    /// Waits for bytes, or for the news that there are none after all, and takes them in.
    async fn read(&mut self) -> Result<(), End> {
        if self.is_ended {
            return Err(End::Closed);
        }
        self.stream.readable().await?;
        self.receive()?;
        if self.is_ended {
            return Err(End::Closed);
        }
        Ok(())
    }

    /// Takes in what is there, if there is something.
    fn receive(&mut self) -> Result<(), End> {
        let mut buffer = [0; READ_BYTES];
        let stream = &self.stream;
        let received = stream.try_io(Interest::READABLE, || socket::receive(stream, &mut buffer));
        let received = match received {
            Ok(received) => received,
            Err(error) if is_transient(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.is_ended = received.count == 0;
        if received.is_cut {
            return Err(End::Descriptors);
        }
        let bytes = buffer.get(..received.count).unwrap_or_default();
        self.inbox.push(bytes, received.descriptors)?;
        self.hold(0)
    }

    /// Accounts for what is held, and so many bytes more.
    fn hold(&mut self, more: usize) -> Result<(), End> {
        let bytes = self.inbox.held().saturating_add(more);
        self.place.hold(bytes).then_some(()).ok_or(End::Memory)
    }

    /// Sends the replies of a call until the last one.
    async fn deliver(&mut self, mut tray: Tray) -> Result<(), End> {
        loop {
            let parcel = tokio::select! {
                parcel = tray.next() => parcel.ok_or(End::SlowReply)?,
                end = self.gone() => return Err(end),
            };
            let sent = tokio::time::timeout(REPLY_PATIENCE, self.send(&parcel.bytes)).await;
            sent.map_err(|_elapsed| End::SlowReply)??;
            if parcel.is_last {
                return Ok(());
            }
        }
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), End> {
        let (stream, mut left) = (&self.stream, bytes);
        while !left.is_empty() {
            stream.writable().await?;
            let sent = stream.try_io(Interest::WRITABLE, || socket::send(stream, left, &[]));
            match sent {
                Ok(count) => left = left.get(count..).unwrap_or_default(),
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until the client has gone. One that only sends no more may still want its replies.
    ///
    /// # Cancellation
    /// Nothing is lost: bytes are read after the last point where it waits.
    async fn gone(&mut self) -> End {
        loop {
            if self.is_ended {
                if self.is_hung_up() {
                    return End::Closed;
                }
                tokio::time::sleep(HANG_UP_INTERVAL).await;
            } else if self.inbox.held() >= AHEAD_MAX {
                // The next reply fails if it has gone.
                std::future::pending::<()>().await;
            } else if let Err(error) = self.stream.readable().await {
                return error.into();
            } else if let Err(end) = self.receive() {
                return end;
            }
        }
    }

    fn is_hung_up(&self) -> bool {
        let mut polled = [PollFd::new(&self.stream, PollFlags::empty())];
        let polled_now = rustix::event::poll(&mut polled, Some(&Timespec::default()));
        polled_now.is_ok()
            && polled
                .iter()
                .any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR))
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varlink::limits::Limits;
    use std::io::Write;

    fn pair() -> (
        Connection,
        std::os::unix::net::UnixStream,
        mpsc::Receiver<Event>,
    ) {
        let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let peer = Peer::of(&here).unwrap();
        let place = Limits::default().enter(&peer, true).unwrap();
        let (sender, events) = mpsc::channel(4);
        let connection = Connection::new(here, (peer, place), sender).unwrap();
        (connection, there, events)
    }

    #[tokio::test]
    async fn the_time_of_a_call_begins_with_its_first_byte() {
        let (mut connection, mut client, _events) = pair();
        for call in [&b"{}\0"[..], b"[]\0"] {
            client.write_all(call).unwrap();
            let delivery = connection.next_call().await.unwrap();
            assert_eq!(delivery.message, call[..call.len() - 1]);
            // Nothing has come: there is no call that could be late.
            let silence = Duration::from_millis(50);
            let waiting = tokio::time::timeout(silence, connection.first_byte());
            assert!(waiting.await.is_err());
        }
        drop(client);
        assert!(matches!(connection.first_byte().await, Err(End::Closed)));
    }

    #[tokio::test]
    async fn calls_that_came_before_the_end_are_calls() {
        let (mut connection, mut client, _events) = pair();
        client.write_all(b"{}\0{}\0{").unwrap();
        drop(client);
        assert!(connection.next_call().await.is_ok());
        assert!(connection.next_call().await.is_ok());
        assert!(matches!(connection.next_call().await, Err(End::Closed)));
    }
}
