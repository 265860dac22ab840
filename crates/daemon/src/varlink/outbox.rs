//! The replies of one call on their way to the connection.
//!
//! Who replies never waits: replies are queued, and a call whose client does not take them loses
//! its queue, and with it the connection.

use crate::varlink::fault::Fault;
use importd_varlink::message::{Answer, Wanted};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};

/// Most bytes of replies that wait for a client: the lines of a worker that says a lot at once, some
/// thousands, while the client is not scheduled.
pub const QUEUED_MAX: usize = 1 << 20;

/// The client is gone, or takes no replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// One reply, as it goes out.
#[derive(Debug)]
pub struct Parcel {
    /// The message; empty if none is wanted.
    pub bytes: Vec<u8>,
    /// Whether the call is answered with this.
    pub is_last: bool,
}

/// Where replies of one call go.
#[derive(Debug)]
pub struct Outbox {
    parcels: mpsc::UnboundedSender<Parcel>,
    queue: Arc<Queue>,
    wanted: Wanted,
}

/// Where the connection takes them.
#[derive(Debug)]
pub struct Tray {
    parcels: mpsc::UnboundedReceiver<Parcel>,
    queue: Arc<Queue>,
}

/// What is on its way.
#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    /// Told when there is less.
    taken: Notify,
}

/// Both ends for a call that wants so many replies.
#[must_use]
pub fn outbox(wanted: Wanted) -> (Outbox, Tray) {
    let (sender, parcels) = mpsc::unbounded_channel();
    let queue = Arc::<Queue>::default();
    let tray = Tray {
        parcels,
        queue: Arc::clone(&queue),
    };
    let outbox = Outbox {
        parcels: sender,
        queue,
        wanted,
    };
    (outbox, tray)
}

impl Outbox {
    /// How many replies the call wants.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Sends one of several replies.
    ///
    /// # Errors
    /// [`Gone`]; nothing more needs to be sent.
    pub fn part(&self, parameters: &impl Serialize) -> Result<(), Gone> {
        let answer = Answer {
            error: None,
            parameters: Some(parameters),
            continues: true,
        };
        self.send(&answer, false)
    }

    /// Sends the only reply, or the last one.
    pub fn reply(self, parameters: &impl Serialize) {
        let answer = Answer {
            error: None,
            parameters: Some(parameters),
            continues: false,
        };
        self.send(&answer, true).unwrap_or(());
    }

    /// Sends a last reply that says nothing.
    pub fn done(self) {
        let answer = Answer::<()> {
            error: None,
            parameters: None,
            continues: false,
        };
        self.send(&answer, true).unwrap_or(());
    }

    /// Sends an error, which is the last reply.
    pub fn fail(self, fault: &Fault) {
        let answer = Answer {
            error: Some(fault.name),
            parameters: fault.parameters.as_ref(),
            continues: false,
        };
        self.send(&answer, true).unwrap_or(());
    }

    /// Waits until there is room for a reply, for those who can wait.
    pub async fn room(&self) {
        loop {
            let taken = self.queue.taken.notified();
            if self.queue.bytes.load(Ordering::Relaxed) < QUEUED_MAX / 2 {
                return;
            }
            tokio::select! {
                () = taken => {}
                () = self.gone() => return,
            }
        }
    }

    /// Ends when the client has gone.
    pub async fn gone(&self) {
        self.parcels.closed().await;
    }

    fn send(&self, answer: &Answer<'_, impl Serialize>, is_last: bool) -> Result<(), Gone> {
        let bytes = match self.wanted {
            Wanted::Nothing => Vec::new(),
            Wanted::One | Wanted::More => answer.encode().map_err(|error| {
                tracing::error!("A reply cannot be written: {error}");
                Gone
            })?,
        };
        let queued = self.queue.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        if queued > 0 && queued.saturating_add(bytes.len()) > QUEUED_MAX {
            return Err(Gone);
        }
        let parcel = Parcel { bytes, is_last };
        self.parcels.send(parcel).map_err(|_closed| Gone)
    }
}

impl Tray {
    /// The next reply; `None` if none comes although the last one has not.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.recv().await?;
        let bytes = parcel.bytes.len();
        self.queue.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.queue.taken.notify_waiters();
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replies_come_in_order_and_the_last_is_known() {
        let (outbox, mut tray) = outbox(Wanted::More);
        outbox.part(&[1]).unwrap();
        outbox.done();
        let first = tray.next().await.unwrap();
        assert_eq!(first.bytes, b"{\"parameters\":[1],\"continues\":true}\0");
        assert!(!first.is_last);
        let last = tray.next().await.unwrap();
        assert_eq!((last.bytes.as_slice(), last.is_last), (&b"{}\0"[..], true));
        assert!(tray.next().await.is_none());
    }

    #[tokio::test]
    async fn who_wants_nothing_gets_nothing_but_an_end() {
        let (outbox, mut tray) = outbox(Wanted::Nothing);
        outbox.reply(&[1]);
        let last = tray.next().await.unwrap();
        assert_eq!((last.bytes.len(), last.is_last), (0, true));
    }

    #[tokio::test]
    async fn who_does_not_take_replies_loses_them() {
        let (outbox, mut tray) = outbox(Wanted::More);
        let long = "x".repeat(QUEUED_MAX);
        assert_eq!(outbox.part(&long), Ok(()));
        assert_eq!(outbox.part(&""), Err(Gone));
        drop(outbox);
        assert!(tray.next().await.is_some());
        assert!(tray.next().await.is_none());
    }

    #[tokio::test]
    async fn who_can_wait_waits_for_room() {
        let (outbox, mut tray) = outbox(Wanted::More);
        outbox.room().await;
        outbox.part(&"x".repeat(QUEUED_MAX)).unwrap();
        let waiting = async {
            outbox.room().await;
            outbox.part(&1)
        };
        let (first, second) = tokio::join!(tray.next(), waiting);
        assert_eq!((first.unwrap().is_last, second), (false, Ok(())));
    }

    #[tokio::test]
    async fn a_client_that_goes_is_noticed() {
        let (outbox, tray) = outbox(Wanted::More);
        drop(tray);
        outbox.gone().await;
        outbox.room().await;
        assert_eq!(outbox.part(&1), Err(Gone));
    }
}
