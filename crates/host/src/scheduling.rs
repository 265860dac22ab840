//! How the threads of this process take turns on the processors.
//!
//! This module holds `unsafe`: the calls have no safe wrapper.
//!
//! # Source
//! sched(7), sched_setscheduler(2).

#![expect(
    unsafe_code,
    reason = "sched_getscheduler and sched_setscheduler have no safe wrapper"
)]

use std::io;

/// Says that this process has much to do and that nobody waits for it key by key: threads that wake up do
/// not interrupt one that works, neither of this process nor of others (`SCHED_BATCH`). Their share of
/// the processors stays what it is. Threads and programs that are started later are the same.
///
/// Nothing changes if somebody chose a policy for this process already; best effort.
pub fn work_in_batches() {
    if policy() == libc::SCHED_OTHER {
        choose(libc::SCHED_BATCH).unwrap_or(());
    }
}

/// The policy of the calling thread.
fn policy() -> libc::c_int {
    // SAFETY: takes a plain number; 0 is the calling thread.
    unsafe { libc::sched_getscheduler(0) }
}

/// Gives the calling thread a policy that knows no priorities.
fn choose(policy: libc::c_int) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the structure is read during the call only.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own: the policy is the thread's.
    fn apart(test: fn()) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn threads_that_are_started_later_work_in_batches_too() {
        apart(|| {
            choose(libc::SCHED_OTHER).unwrap();
            work_in_batches();
            assert_eq!(policy(), libc::SCHED_BATCH);
            apart(|| assert_eq!(policy(), libc::SCHED_BATCH));
        });
    }

    #[test]
    fn what_somebody_chose_stays() {
        apart(|| {
            choose(libc::SCHED_IDLE).unwrap();
            work_in_batches();
            assert_eq!(policy(), libc::SCHED_IDLE);
        });
    }
}
