//! Which transfers wait for a place, and whose turn it is.
//!
//! The next place goes to the user who has the fewest transfers running, and among those to the one
//! who has waited longest since a place was last given to him: somebody's 500 transfers do not stand
//! before another's first.

use std::collections::{BTreeMap, VecDeque};

/// How many transfers there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Running at once, all users together; at least 1.
    pub running: usize,
    /// Running at once, of one user; at least 1.
    pub running_of_user: usize,
    /// Waiting, all users together.
    pub waiting: usize,
    /// Waiting, of one user.
    pub waiting_of_user: usize,
}

/// Most transfers that can be set to run at once: each is a process, and has a log pipe and a
/// descriptor of the process in the daemon.
pub const RUNNING_MAX: usize = 1024;

/// Most transfers that can be set to wait.
pub const WAITING_MAX: usize = 16 * 1024;

/// Descriptors of the daemon for all but transfers: the bus, standard streams, the event loop,
/// questions that are open with the descriptors of their calls, lists of images.
const DESCRIPTORS_BESIDE: usize = 400;

/// Descriptors for each that runs: the process, twice; its log pipe.
const DESCRIPTORS_RUNNING: usize = 3;

/// How many transfers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With a worker.
    pub running: usize,
    /// Waiting for a place.
    pub queued: usize,
}

impl Limits {
    /// What is usual: as many running as the original has, all of one user if need be, and room in
    /// the queue for the images of a whole site; half of it for one user.
    pub const USUAL: Self = Self {
        running: importd_api::bus::TRANSFERS_MAX,
        running_of_user: RUNNING_MAX,
        waiting: 1024,
        waiting_of_user: 512,
    };

    /// The limits, lowered so that the callers' descriptors fit among this many of the daemon's, if
    /// there is a bound. One transfer always runs.
    #[must_use]
    pub fn within(self, open_files: Option<u64>) -> Self {
        let Some(open_files) = open_files else {
            return self;
        };
        let open_files = usize::try_from(open_files).unwrap_or(usize::MAX);
        let free = open_files.saturating_sub(DESCRIPTORS_BESIDE);
        // One more for each that waits: its caller's.
        let running = self.running.min(free / DESCRIPTORS_RUNNING).max(1);
        let free = free.saturating_sub(running * DESCRIPTORS_RUNNING);
        Self {
            running,
            running_of_user: self.running_of_user.min(running),
            waiting: self.waiting.min(free),
            waiting_of_user: self.waiting_of_user.min(free),
        }
    }
}

/// The transfers that wait, by user.
#[derive(Debug, Default)]
pub struct Queue {
    users: BTreeMap<u32, Waiting>,
    /// The turn at which a place was last given to a user; of those who have transfers.
    given: BTreeMap<u32, u64>,
    turn: u64,
}

/// What a user has waiting; never empty.
#[derive(Debug)]
struct Waiting {
    transfers: VecDeque<u32>,
    /// The turn at which he came.
    since: u64,
}

impl Queue {
    /// How many wait in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.values().map(|user| user.transfers.len()).sum()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// How many of a user's wait.
    #[must_use]
    pub fn len_of(&self, uid: u32) -> usize {
        self.users.get(&uid).map_or(0, |user| user.transfers.len())
    }

    /// Adds a transfer behind the user's others.
    pub fn push(&mut self, uid: u32, id: u32) {
        self.turn += 1;
        let since = self.turn;
        let user = self.users.entry(uid).or_insert(Waiting {
            transfers: VecDeque::new(),
            since,
        });
        user.transfers.push_back(id);
    }

    /// Takes a transfer out, whichever it is.
    pub fn remove(&mut self, uid: u32, id: u32) {
        if let Some(user) = self.users.get_mut(&uid) {
            user.transfers.retain(|waiting| *waiting != id);
            if user.transfers.is_empty() {
                self.users.remove(&uid);
            }
        }
    }

    /// A user was given a place.
    pub fn give(&mut self, uid: u32) {
        self.turn += 1;
        self.given.insert(uid, self.turn);
    }

    /// A user has no transfers any more.
    pub fn forget(&mut self, uid: u32) {
        self.given.remove(&uid);
    }

    /// Takes out the transfer whose turn it is; `running_of` says how many of a user's are running,
    /// and users who have `most` have to wait for one of their own.
    pub fn next(&mut self, running_of: impl Fn(u32) -> usize, most: usize) -> Option<u32> {
        let rank = |uid: u32, user: &Waiting| {
            let given = self.given.get(&uid).copied().unwrap_or(0);
            (running_of(uid), given, user.since)
        };
        let next = self
            .users
            .iter()
            .filter(|(uid, _)| running_of(**uid) < most)
            .min_by_key(|(uid, user)| rank(**uid, user));
        let uid = *next?.0;
        let user = self.users.get_mut(&uid)?;
        let id = user.transfers.pop_front();
        if user.transfers.is_empty() {
            self.users.remove(&uid);
        }
        self.give(uid);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = usize::MAX;

    #[test]
    fn users_take_turns_and_a_users_own_stay_in_order() {
        let mut queue = Queue::default();
        for id in 1..=3 {
            queue.push(1000, id);
        }
        queue.push(1001, 4);
        queue.push(1002, 5);
        queue.push(1001, 6);
        assert_eq!(
            (queue.len(), queue.len_of(1000), queue.len_of(7)),
            (6, 3, 0)
        );
        let order: Vec<u32> = std::iter::from_fn(|| queue.next(|_| 0, MANY)).collect();
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_has_fewer_running_comes_first_however_long_others_wait() {
        let mut queue = Queue::default();
        for id in 0..500 {
            queue.push(1000, id);
        }
        queue.push(1001, 500);
        let running = |uid| if uid == 1000 { 64 } else { 0 };
        assert_eq!(queue.next(running, MANY), Some(500));
        assert_eq!(queue.next(running, MANY), Some(0));
    }

    #[test]
    fn a_place_that_was_free_counts_as_given() {
        let mut queue = Queue::default();
        queue.give(1000);
        queue.push(1000, 2);
        queue.push(1001, 3);
        assert_eq!(queue.next(|_| 0, MANY), Some(3));
        queue.forget(1000);
        queue.push(1001, 4);
        assert_eq!(queue.next(|_| 0, MANY), Some(2));
    }

    #[test]
    fn who_has_all_that_he_may_waits_while_others_go_on() {
        let mut queue = Queue::default();
        queue.push(1000, 1);
        queue.push(1001, 2);
        let running = |uid| if uid == 1000 { 3 } else { 2 };
        assert_eq!(queue.next(running, 3), Some(2));
        assert_eq!(queue.next(running, 3), None);
        assert_eq!(queue.next(running, 4), Some(1));
    }

    #[test]
    fn what_is_taken_out_is_never_next() {
        let mut queue = Queue::default();
        queue.push(1, 10);
        queue.push(1, 11);
        queue.remove(1, 10);
        queue.remove(2, 11);
        assert_eq!(queue.next(|_| 0, MANY), Some(11));
        queue.push(1, 12);
        queue.remove(1, 12);
        assert_eq!((queue.next(|_| 0, MANY), queue.len()), (None, 0));
    }

    #[test]
    fn limits_shrink_to_what_the_descriptors_allow() {
        assert_eq!(Limits::USUAL.within(None), Limits::USUAL);
        let plenty = Limits::USUAL.within(Some(524_288));
        assert_eq!((plenty.running, plenty.running_of_user), (64, 64));
        assert_eq!((plenty.waiting, plenty.waiting_of_user), (1024, 512));
        let few = Limits::USUAL.within(Some(1024));
        assert_eq!(
            (few.running, few.waiting, few.waiting_of_user),
            (64, 432, 432)
        );
        let hardly = Limits::USUAL.within(Some(100));
        assert_eq!((hardly.running, hardly.waiting), (1, 0));
    }
}
