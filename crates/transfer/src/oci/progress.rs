//! How far the transfer of several blobs is, as one figure.

use crate::report::Report;
use crate::stage::meter::{Observer, percent};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes of all blobs; clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    report: Report,
    done: Arc<AtomicU64>,
    total: u64,
    share: Range<u64>,
    done_word: Option<&'static str>,
}

impl Progress {
    /// Of blobs with so many bytes in all, as they are transferred; `share` of all percents are theirs.
    #[must_use]
    pub fn new(report: &Report, total: u64, share: Range<u64>) -> Self {
        Self {
            report: report.clone(),
            done: Arc::default(),
            total,
            share,
            done_word: None,
        }
    }

    /// The same, with a line for each percent: what was done, as `Pushed`.
    #[must_use]
    pub fn told(mut self, done: &'static str) -> Self {
        self.done_word = Some(done);
        self
    }

    /// More bytes have been transferred.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // What is transferred a second time is counted twice.
        let done = done.min(self.total);
        self.report.moved(done, Some(self.total));
        let width = self.share.end - self.share.start;
        let now = self.share.start + u64::from(percent(done, self.total)) * width / 100;
        let now = u8::try_from(now).unwrap_or(0);
        if let (true, Some(done)) = (self.report.progress(now), self.done_word) {
            self.report.info(format!("{done} {now}%."));
        }
    }

    /// Told of the bytes of one of them.
    #[must_use]
    pub fn observer(&self) -> Observer {
        let progress = self.clone();
        let mut before = 0;
        Box::new(move |bytes: u64| {
            progress.add(bytes.saturating_sub(before));
            before = bytes;
        })
    }
}
