//! A few threads that do one kind of work; results come out in the order in which work went in.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// A piece of work, and where its result goes.
type Job<I, O> = (I, SyncSender<O>);

/// Work in flight. Threads start when work comes, and end when this is dropped.
pub(crate) struct Ordered<I, O> {
    work: fn(I) -> O,
    threads: usize,
    /// Most pieces of work in flight.
    room: usize,
    started: usize,
    queue: Sender<Job<I, O>>,
    source: Arc<Mutex<Receiver<Job<I, O>>>>,
    pending: VecDeque<Receiver<O>>,
}

impl<I: Send + 'static, O: Send + 'static> Ordered<I, O> {
    pub(crate) fn new(threads: usize, work: fn(I) -> O) -> Self {
        let (queue, source) = channel();
        Self {
            work,
            threads,
            room: threads.saturating_mul(2),
            started: 0,
            queue,
            source: Arc::new(Mutex::new(source)),
            pending: VecDeque::new(),
        }
    }

    /// As [`Ordered::new`], with at most so many pieces in flight: for results that may be large.
    pub(crate) fn with_room(threads: usize, room: usize, work: fn(I) -> O) -> Self {
        let room = room.clamp(1, threads.saturating_mul(2));
        Self {
            room,
            ..Self::new(threads.min(room), work)
        }
    }

    /// Whether more work may be put in before a result is taken: two pieces a thread bound the
    /// memory and keep every thread busy.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < self.room
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Puts a piece of work in. Without a thread to do it the work is done here.
    pub(crate) fn submit(&mut self, input: I) {
        let (result, receiver) = sync_channel(1);
        self.pending.push_back(receiver);
        if self.started < self.threads && self.start() {
            self.started = self.started.saturating_add(1);
        }
        if self.started == 0 {
            result.send((self.work)(input)).unwrap_or(());
            return;
        }
        // The threads live as long as this does, so somebody listens.
        self.queue.send((input, result)).unwrap_or(());
    }

    /// The oldest result, once it is there. `None` if there is no work, or its thread died.
    pub(crate) fn next(&mut self) -> Option<O> {
        self.pending.pop_front()?.recv().ok()
    }

    fn start(&self) -> bool {
        let (source, work) = (Arc::clone(&self.source), self.work);
        std::thread::Builder::new()
            .name("codec".into())
            .spawn(move || {
                loop {
                    let next = source.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((input, result)) = next else { return };
                    // Whoever wanted it may be gone.
                    result.send(work(input)).unwrap_or(());
                }
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_work() {
        let mut ordered = Ordered::new(3, |number: u64| {
            (0..(97 - number) * 1000).fold(number, |sum, _| std::hint::black_box(sum))
        });
        let mut results = Vec::new();
        for number in 0..97 {
            while !ordered.has_room() {
                results.push(ordered.next().unwrap());
            }
            ordered.submit(number);
        }
        while let Some(result) = ordered.next() {
            results.push(result);
        }
        assert_eq!(results, (0..97).collect::<Vec<_>>());
    }
}
