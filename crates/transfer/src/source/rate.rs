//! A limit for all bytes of a worker's downloads together.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How much of what was not used before may be used up at once, as a time: enough for a pause of
/// the network not to cost anything, too little to be noticed by others.
const BURST: Duration = Duration::from_millis(200);

/// A limit that is shared by all connections.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    bytes_per_second: Option<NonZeroU64>,
    /// When all bytes that were let through would have come at exactly that rate.
    used_until: Arc<Mutex<Option<Instant>>>,
}

impl Rate {
    pub(super) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        Self {
            bytes_per_second,
            used_until: Arc::default(),
        }
    }

    /// Until when to wait, now that so many bytes came.
    fn due(&self, bytes: u64, now: Instant) -> Option<Instant> {
        let rate = self.bytes_per_second?;
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let mut used_until = self.used_until.lock().ok()?;
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = used_until.map_or(now, |until| until.max(earliest));
        let end = start.checked_add(takes).unwrap_or(start);
        *used_until = Some(end);
        (end > now).then_some(end)
    }

    /// Waits until so many bytes, which came, may be followed by others.
    pub(super) async fn passed(&self, bytes: u64) {
        if let Some(due) = self.due(bytes, Instant::now()) {
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_over_all_connections() {
        let rate = Rate::new(NonZeroU64::new(1000));
        let start = Instant::now();
        let other = rate.clone();
        let second = Duration::from_secs(1);
        assert_eq!(rate.due(500, start), Some(start + second / 2));
        assert_eq!(other.due(500, start), Some(start + second));
        assert_eq!(rate.due(0, start + 2 * second), None);
        // Of two idle seconds only a little can be used up later.
        let later = start + 3 * second;
        assert_eq!(rate.due(1200, later), Some(later + second));
        assert_eq!(Rate::new(None).due(u64::MAX, start), None);
    }
}
