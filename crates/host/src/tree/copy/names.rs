//! Inodes with several names: copied under the first one that is met, linked under the others.

use super::place::Place;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Device and number of an inode.
type Inode = (u64, u64);

/// Where an inode has its first name in the target.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) place: Arc<Place>,
    pub(super) name: OsString,
}

#[derive(Debug)]
enum State {
    /// Somebody is making it.
    Claimed,
    /// It exists under this name.
    Made(First),
    /// It could not be made: the copy is about to fail.
    Failed,
}

/// What [`FirstNames::claim`] finds.
#[derive(Debug)]
pub(super) enum Claim {
    /// The caller is to make the inode, and to say so by [`FirstNames::made`].
    Make,
    /// It has been made under this name.
    Link(First),
    /// It could not be made.
    Failed,
}

/// The inodes met so far that have several names.
#[derive(Debug, Default)]
pub(super) struct FirstNames {
    states: Mutex<HashMap<Inode, State>>,
    changed: Condvar,
}

impl FirstNames {
    /// Claims an inode for its first name; waits while somebody else is making it. Who makes one
    /// waits for nobody in between, so that this ends.
    pub(super) fn claim(&self, inode: Inode) -> Claim {
        let mut states = self.lock();
        loop {
            match states.get(&inode) {
                None => {
                    states.insert(inode, State::Claimed);
                    return Claim::Make;
                }
                Some(State::Made(first)) => return Claim::Link(first.clone()),
                Some(State::Failed) => return Claim::Failed,
                Some(State::Claimed) => {}
            }
            let waited = self.changed.wait(states);
            states = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says what came of a claim: the name it has now, or none.
    pub(super) fn made(&self, inode: Inode, name: Option<(&Arc<Place>, &OsStr)>) {
        let state = name.map_or(State::Failed, |(place, name)| {
            State::Made(First {
                place: Arc::clone(place),
                name: name.to_owned(),
            })
        });
        self.lock().insert(inode, state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Inode, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_makes_it_and_the_others_link() {
        let names = FirstNames::default();
        let place = Arc::new(Place::default());
        let made = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| match names.claim((1, 2)) {
                    Claim::Make => {
                        made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        std::thread::yield_now();
                        names.made((1, 2), Some((&place, "x".as_ref())));
                    }
                    Claim::Link(first) => assert_eq!(first.name, "x"),
                    Claim::Failed => panic!("nothing failed"),
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
        assert!(matches!(names.claim((1, 3)), Claim::Make));
        names.made((1, 3), None);
        assert!(matches!(names.claim((1, 3)), Claim::Failed));
    }
}
