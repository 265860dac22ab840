//! What a server is told to answer, and what it has seen.

use super::answer::Answer;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Longest time that a test waits for what a client does.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<String>,
}

impl Request {
    /// The value of a header; its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| {
            let (other, value) = header.split_once(':')?;
            other.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What a server has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: Vec<Request>,
    pub(crate) connections: usize,
    /// Bytes of bodies that were sent, by path.
    pub(crate) bytes: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
    seen: Mutex<Seen>,
    is_released: Mutex<bool>,
    changed: Condvar,
    released: Condvar,
}

impl State {
    pub(super) fn put(&self, path: &str, answers: Vec<Answer>) {
        let mut all = self.answers.lock().unwrap();
        all.insert(path.into(), answers.into());
    }

    /// Notes a request; the answer to it.
    pub(super) fn ask(&self, request: Request) -> Answer {
        let answer = self.answer(&request.path);
        self.seen().requests.push(request);
        self.changed.notify_all();
        answer
    }

    /// The next answer of a path; the last one stays.
    fn answer(&self, path: &str) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(path);
        let answer = answers.and_then(|answers| match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        });
        answer.unwrap_or_else(|| Answer::status(404, "not here"))
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(super) fn count_connection(&self) {
        self.seen().connections += 1;
        self.changed.notify_all();
    }

    pub(super) fn count(&self, path: &str, bytes: usize) {
        *self.seen().bytes.entry(path.into()).or_default() += bytes as u64;
        self.changed.notify_all();
    }

    /// Waits until what was seen is enough; a client that never comes fails the test.
    pub(super) fn wait(&self, is_enough: impl Fn(&Seen) -> bool) {
        let seen = self.seen();
        let waited = self
            .changed
            .wait_timeout_while(seen, WAIT_MAX, |seen| !is_enough(seen));
        let (seen, result) = waited.unwrap();
        assert!(!result.timed_out(), "nothing more came: {seen:?}");
    }

    pub(super) fn release(&self) {
        *self.is_released.lock().unwrap() = true;
        self.released.notify_all();
    }

    pub(super) fn wait_for_release(&self) {
        let released = self.is_released.lock().unwrap();
        drop(self.released.wait_while(released, |released| !*released));
    }
}

impl Seen {
    /// Bytes of bodies that were sent for a path.
    pub(crate) fn bytes_of(&self, path: &str) -> u64 {
        self.bytes.get(path).copied().unwrap_or(0)
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let requests = self.requests.iter();
        requests.filter(|request| request.path == path).count()
    }
}
