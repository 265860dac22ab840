//! A client that calls a service and waits for the answer.
//!
//! Everything has a time limit if the caller sets one: connecting, sending, and the wait for each
//! reply.

use crate::frame::MESSAGE_MAX;
use crate::inbox::{Delivery, Inbox, Refused};
use crate::json::Object;
use crate::message::{Call, Malformed, Reply, Wanted};
use crate::socket::{self, DESCRIPTORS_MAX};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes read at once: a page, more than most replies have.
const READ_BYTES: usize = 4096;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service cannot be reached.
    #[error("Failed to connect to {path}: {source}", path = .path.display())]
    Connect {
        /// Its socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The call cannot be written as JSON.
    #[error("The call cannot be written: {0}")]
    Encode(#[source] serde_json::Error),
    /// The call cannot be sent.
    #[error("Failed to send a call: {0}")]
    Send(#[source] io::Error),
    /// No reply can be received.
    #[error("Failed to receive a reply: {0}")]
    Receive(#[source] io::Error),
    /// The service has taken too long.
    #[error("The service did not answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The service has closed the connection.
    #[error("The service closed the connection without an answer")]
    Closed,
    /// What the service sends breaks a limit.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What the service sends is no reply.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// There are several replies where one was asked for.
    #[error("The service sent several replies where one was asked for")]
    SeveralReplies,
    /// The service answered with an error.
    #[error("The service answered with the error {name}")]
    Service {
        /// The error's name, with its interface.
        name: String,
        /// What it says.
        parameters: Object,
    },
}

/// One reply that is no error.
#[derive(Debug, Default)]
pub struct Answer {
    /// What it says.
    pub parameters: Object,
    /// The descriptors that came with it.
    pub descriptors: Vec<OwnedFd>,
    /// Whether more replies come.
    pub continues: bool,
}

/// A connection to a service.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    inbox: Inbox,
    patience: Option<Duration>,
}

impl Client {
    /// Connects to the service at a path. `patience` is how long each wait may take; `None`: for
    /// ever.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub fn connect(path: &Path, patience: Option<Duration>) -> Result<Self, Error> {
        let stream = connect(path, patience).map_err(|source| Error::Connect {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::from_stream(stream, patience))
    }

    /// A client on a connection that is there already.
    #[must_use]
    pub const fn from_stream(stream: UnixStream, patience: Option<Duration>) -> Self {
        Self {
            stream,
            inbox: Inbox::new(MESSAGE_MAX, DESCRIPTORS_MAX),
            patience,
        }
    }

    /// Calls a method, with descriptors, and waits for its one reply. A call that wants none
    /// returns when it is sent, with an empty answer.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Service`] if the service says no.
    pub fn call(&mut self, call: &Call, descriptors: &[BorrowedFd<'_>]) -> Result<Answer, Error> {
        self.send(call, descriptors)?;
        if call.wanted == Wanted::Nothing {
            return Ok(Answer::default());
        }
        let answer = self.receive()?;
        if answer.continues {
            return Err(Error::SeveralReplies);
        }
        Ok(answer)
    }

    /// Calls a method that has several replies, with descriptors. Whatever the call says, as many
    /// replies are wanted as there are.
    ///
    /// # Errors
    /// [`Error`] if the call cannot be sent.
    pub fn call_more(
        &mut self,
        call: &Call,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Replies<'_>, Error> {
        let call = call.clone().wanting(Wanted::More);
        self.send(&call, descriptors)?;
        Ok(Replies {
            client: self,
            is_over: false,
        })
    }

    /// The connection, for those who wait for several things at once.
    #[must_use]
    pub const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    fn send(&self, call: &Call, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let message = call.encode().map_err(Error::Encode)?;
        let deadline = self.deadline();
        let mut left = message.as_slice();
        let mut descriptors = descriptors;
        while !left.is_empty() {
            match socket::send(&self.stream, left, descriptors) {
                Ok(count) => {
                    left = left.get(count..).unwrap_or_default();
                    descriptors = &[];
                }
                Err(error) => self.wait(error, PollFlags::OUT, deadline, Error::Send)?,
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Answer, Error> {
        let deadline = self.deadline();
        let mut buffer = [0; READ_BYTES];
        loop {
            if let Some(delivery) = self.inbox.take()? {
                return answer(delivery);
            }
            match socket::receive(&self.stream, &mut buffer) {
                Ok(received) if received.count == 0 => return Err(Error::Closed),
                Ok(received) => {
                    if received.is_cut {
                        let limit = DESCRIPTORS_MAX;
                        return Err(Refused::TooManyDescriptors { limit }.into());
                    }
                    let bytes = buffer.get(..received.count).unwrap_or_default();
                    self.inbox.push(bytes, received.descriptors)?;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(Error::Closed);
                }
                Err(error) => self.wait(error, PollFlags::IN, deadline, Error::Receive)?,
            }
        }
    }

    fn deadline(&self) -> Option<(Instant, Duration)> {
        let patience = self.patience?;
        Instant::now()
            .checked_add(patience)
            .map(|at| (at, patience))
    }

    /// After a call that could not go on for now: waits until it can. Other errors come back.
    fn wait(
        &self,
        error: io::Error,
        flags: PollFlags,
        deadline: Option<(Instant, Duration)>,
        wrap: fn(io::Error) -> Error,
    ) -> Result<(), Error> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {}
            io::ErrorKind::Interrupted => return Ok(()),
            _ => return Err(wrap(error)),
        }
        let left = deadline.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut polled = [PollFd::new(&self.stream, flags)];
        match (rustix::event::poll(&mut polled, left.as_ref()), deadline) {
            (Ok(0), Some((_, patience))) => Err(Error::TimedOut(patience)),
            (Ok(_) | Err(rustix::io::Errno::INTR), _) => Ok(()),
            (Err(error), _) => Err(wrap(error.into())),
        }
    }
}

/// The replies of one call.
#[derive(Debug)]
pub struct Replies<'a> {
    client: &'a mut Client,
    is_over: bool,
}

impl Iterator for Replies<'_> {
    type Item = Result<Answer, Error>;

    /// Waits for the next reply; `None` after the last one, which is the first without `continues`
    /// or an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let answer = self.client.receive();
        self.is_over = answer.as_ref().map_or(true, |answer| !answer.continues);
        Some(answer)
    }
}

fn answer(delivery: Delivery) -> Result<Answer, Error> {
    let reply = Reply::parse(&delivery.message)?;
    match reply.error {
        Some(name) => Err(Error::Service {
            name,
            parameters: reply.parameters,
        }),
        None => Ok(Answer {
            parameters: reply.parameters,
            descriptors: delivery.descriptors,
            continues: reply.continues,
        }),
    }
}

/// The kernel makes who connects wait while the service is behind with accepting.
fn connect(path: &Path, patience: Option<Duration>) -> io::Result<UnixStream> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, patience)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests;
