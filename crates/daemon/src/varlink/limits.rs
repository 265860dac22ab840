//! How much of us all connections together may take, and a user's share of that.
//!
//! Everyone may connect to the system's socket. So what a connection costs before its peer has
//! proven anything is small, and what is beyond that comes from a common store with a share a user.

use crate::varlink::peer::Peer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Most connections; as the original's Varlink library.
pub const CONNECTIONS_MAX: usize = 4096;

/// Most connections of one user in the system scope; as the original's Varlink library.
pub const CONNECTIONS_OF_USER_MAX: usize = 1024;

/// Bytes that each connection may hold of calls: more than any call has that makes sense. 4096
/// connections hold 64 MiB of them.
pub const FREE_BYTES: usize = 16 << 10;

/// Most bytes beyond [`FREE_BYTES`] that the connections of one user hold: one call of the largest
/// kind, and its JSON while it is read.
pub const BYTES_OF_USER_MAX: usize = 32 << 20;

/// Most bytes beyond [`FREE_BYTES`] that all connections hold.
pub const BYTES_MAX: usize = 128 << 20;

/// For how long a connection of somebody who has no say here keeps an idle daemon from exiting,
/// after it has said something. One of who has a say keeps it for as long as it is open, as in the
/// original.
pub const STRANGERS_REST: Duration = Duration::from_secs(5 * 60);

/// Until when connections keep the daemon from exiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// There is none that does.
    Not,
    /// Until then.
    Until(Instant),
    /// As long as they are open.
    Open,
}

/// The limits of one daemon, and what is taken of them. All copies mean the same.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    connections: HashMap<u64, Connection>,
    users: HashMap<u32, User>,
    bytes: usize,
}

#[derive(Debug)]
struct Connection {
    has_say: bool,
    is_busy: bool,
    since: Instant,
}

#[derive(Debug, Default)]
struct User {
    connections: usize,
    bytes: usize,
}

impl Limits {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Numbers only: there is no state in between that a panic could leave.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection. `has_say`: its peer may do everything.
    #[must_use]
    pub fn enter(&self, peer: &Peer, has_say: bool) -> Option<Place> {
        let mut taken = self.taken();
        if taken.connections.len() >= CONNECTIONS_MAX {
            return None;
        }
        let user = taken.users.entry(peer.uid).or_default();
        if user.connections >= CONNECTIONS_OF_USER_MAX {
            return None;
        }
        user.connections += 1;
        let id = taken.next;
        taken.next += 1;
        let connection = Connection {
            has_say,
            is_busy: false,
            since: Instant::now(),
        };
        taken.connections.insert(id, connection);
        drop(taken);
        Some(Place {
            limits: self.clone(),
            id,
            uid: peer.uid,
            bytes: 0,
        })
    }

    /// Until when the connections keep an idle daemon from exiting.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let taken = self.taken();
        let mut kept = Kept::Not;
        for connection in taken.connections.values() {
            if connection.has_say || connection.is_busy {
                return Kept::Open;
            }
            let end = connection.since + STRANGERS_REST;
            kept = match kept {
                Kept::Until(other) if other > end => kept,
                _ => Kept::Until(end),
            };
        }
        kept
    }

    /// How many connections have a call.
    #[must_use]
    pub fn busy(&self) -> usize {
        let taken = self.taken();
        taken.connections.values().filter(|it| it.is_busy).count()
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.taken().connections.len()
    }
}

/// The place of a connection, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    limits: Limits,
    id: u64,
    uid: u32,
    /// Bytes beyond those that each connection has.
    bytes: usize,
}

impl Place {
    /// Says that the connection holds so many bytes from now on; returns whether it may.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let wanted = bytes.saturating_sub(FREE_BYTES);
        let mut taken = self.limits.taken();
        let of_all = taken.bytes.saturating_sub(self.bytes);
        let Some(user) = taken.users.get_mut(&self.uid) else {
            return false;
        };
        let of_user = user.bytes.saturating_sub(self.bytes);
        let (of_user, of_all) = (of_user + wanted, of_all + wanted);
        if wanted > self.bytes && (of_user > BYTES_OF_USER_MAX || of_all > BYTES_MAX) {
            return false;
        }
        user.bytes = of_user;
        taken.bytes = of_all;
        self.bytes = wanted;
        true
    }

    /// Says whether the connection has a call from now on.
    pub fn be_busy(&self, is_busy: bool) {
        if let Some(connection) = self.limits.taken().connections.get_mut(&self.id) {
            connection.is_busy = is_busy;
            connection.since = Instant::now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hold(0);
        let mut taken = self.limits.taken();
        taken.connections.remove(&self.id);
        if let Some(user) = taken.users.get_mut(&self.uid) {
            user.connections = user.connections.saturating_sub(1);
            if user.connections == 0 {
                taken.users.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer {
            uid,
            pid: 1,
            pidfd: None,
        }
    }

    #[test]
    fn a_user_has_so_many_connections_and_others_too() {
        let limits = Limits::default();
        let places: Vec<_> = (0..CONNECTIONS_OF_USER_MAX)
            .map(|_| limits.enter(&peer(7), false).unwrap())
            .collect();
        assert!(limits.enter(&peer(7), false).is_none());
        assert!(limits.enter(&peer(8), false).is_some());
        drop(places);
        assert_eq!(limits.connections(), 0);
        assert!(limits.taken().users.is_empty());
        let all: Vec<_> = (0..5)
            .flat_map(|uid| (0..CONNECTIONS_OF_USER_MAX).map(move |_| uid))
            .map_while(|uid| limits.enter(&peer(uid), false))
            .collect();
        assert_eq!(all.len(), CONNECTIONS_MAX);
    }

    #[test]
    fn what_a_connection_holds_beyond_a_little_comes_from_its_user_and_from_all() {
        let limits = Limits::default();
        let mut one = limits.enter(&peer(7), false).unwrap();
        let mut other = limits.enter(&peer(7), false).unwrap();
        assert!(one.hold(FREE_BYTES + BYTES_OF_USER_MAX));
        assert!(!one.hold(FREE_BYTES + BYTES_OF_USER_MAX + 1));
        assert!(other.hold(FREE_BYTES));
        assert!(!other.hold(FREE_BYTES + 1));
        assert!(one.hold(FREE_BYTES + 1));
        assert!(other.hold(FREE_BYTES + 1));
        drop((one, other));
        assert_eq!(limits.taken().bytes, 0);
        let full = FREE_BYTES + BYTES_OF_USER_MAX;
        let mut places: Vec<_> = (0..5)
            .map(|uid| limits.enter(&peer(uid), false).unwrap())
            .collect();
        let held: Vec<_> = places.iter_mut().map(|place| place.hold(full)).collect();
        assert_eq!(held, [true, true, true, true, false]);
    }

    #[test]
    fn strangers_keep_the_daemon_for_a_while_and_others_for_as_long_as_they_are_there() {
        let limits = Limits::default();
        assert_eq!(limits.kept(), Kept::Not);
        let before = Instant::now();
        let stranger = limits.enter(&peer(7), false).unwrap();
        let Kept::Until(end) = limits.kept() else {
            panic!("not kept");
        };
        assert!(end >= before + STRANGERS_REST);
        stranger.be_busy(true);
        assert_eq!((limits.kept(), limits.busy()), (Kept::Open, 1));
        stranger.be_busy(false);
        assert!(matches!(limits.kept(), Kept::Until(_)));
        let root = limits.enter(&peer(0), true).unwrap();
        assert_eq!(limits.kept(), Kept::Open);
        drop((root, stranger));
        assert_eq!(limits.kept(), Kept::Not);
    }
}
