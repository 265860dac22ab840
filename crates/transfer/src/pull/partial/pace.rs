//! Whether who downloads something that others wait for gets on with it.
//!
//! What is named by its digest may come from any server, and the one that another transfer asks may be
//! slow on purpose: whoever may download could keep all others from a layer by that.

use std::time::{Duration, Instant};

/// How long is looked at once.
pub(super) const PACE_TIME: Duration = Duration::from_secs(30);
/// Less than this in [`PACE_TIME`], in bytes, is not worth waiting for: 140 kB/s.
const PACE_BYTES: u64 = 4 << 20;

/// How far it was, and when.
#[derive(Debug)]
pub(super) struct Pace {
    bytes: u64,
    pub(super) since: Instant,
}

impl Pace {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            bytes,
            since: Instant::now(),
        }
    }

    /// Whether too little has come since the last look. One that is complete, and still held by whoever
    /// makes something of it, is slow too: to wait for that could be to wait for oneself.
    pub(super) fn is_slow(&mut self, bytes: u64) -> bool {
        let came = bytes.saturating_sub(self.bytes);
        *self = Self::new(bytes);
        came < PACE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_too_little_since_the_last_look_is_slow() {
        let mut pace = Pace::new(10 << 20);
        assert!(!pace.is_slow(14 << 20));
        assert!(pace.is_slow((18 << 20) - 1));
        assert!(!pace.is_slow(30 << 20));
        assert!(pace.is_slow(0));
    }
}
