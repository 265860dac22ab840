//! How far the download of several layers is, as one figure.

use crate::pull::DOWNLOAD_SHARE;
use crate::report::Report;
use crate::stage::meter::{Observer, percent};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes of all layers; clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    report: Report,
    done: Arc<AtomicU64>,
    total: u64,
}

impl Progress {
    /// Of layers with so many bytes in all, as they are transferred.
    #[must_use]
    pub fn new(report: &Report, total: u64) -> Self {
        Self {
            report: report.clone(),
            done: Arc::default(),
            total,
        }
    }

    /// Told of the bytes of one of them.
    #[must_use]
    pub fn observer(&self) -> Observer {
        let progress = self.clone();
        let mut before = 0;
        Box::new(move |bytes: u64| {
            let more = bytes.saturating_sub(before);
            before = bytes;
            let done = progress.done.fetch_add(more, Ordering::Relaxed) + more;
            progress.report.moved(done, Some(progress.total));
            let share = u64::from(percent(done, progress.total)) * DOWNLOAD_SHARE / 100;
            progress.report.progress(u8::try_from(share).unwrap_or(0));
        })
    }
}
