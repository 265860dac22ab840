//! Which blob is fetched over which connection.

use crate::oci::fetch::LAYERS_AT_ONCE;
use std::sync::{Arc, Mutex, PoisonError};

/// How many blobs are fetched at once over connections of their own: registries, and storage hosts
/// behind them, limit the rate of each.
const LANES: usize = LAYERS_AT_ONCE;

/// How many blobs are on each lane.
#[derive(Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<[u32; LANES]>>);

/// A blob on its lane.
#[derive(Debug)]
pub(super) struct Lane {
    number: usize,
    lanes: Arc<Mutex<[u32; LANES]>>,
}

impl Lanes {
    /// How many there are.
    pub(super) fn count() -> u32 {
        u32::try_from(LANES).unwrap_or(1)
    }

    /// The lane with the fewest blobs.
    pub(super) fn take(&self) -> Lane {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fewest = counts
            .iter_mut()
            .enumerate()
            .min_by_key(|(_, count)| **count);
        let number = fewest.map_or(0, |(number, count)| {
            *count += 1;
            number
        });
        Lane {
            number,
            lanes: Arc::clone(&self.0),
        }
    }
}

impl Lane {
    pub(super) fn number(&self) -> u32 {
        u32::try_from(self.number).unwrap_or(0)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut counts = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(self.number) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_share_a_lane_only_when_all_are_in_use() {
        let lanes = Lanes::default();
        let mut taken: Vec<Lane> = (0..LANES).map(|_| lanes.take()).collect();
        let mut numbers: Vec<u32> = taken.iter().map(Lane::number).collect();
        numbers.sort_unstable();
        let all: Vec<u32> = (0..Lanes::count()).collect();
        assert_eq!(numbers, all);
        let free = taken.remove(3);
        let number = free.number();
        drop(free);
        let again = lanes.take();
        assert_eq!(again.number(), number);
        assert!(lanes.take().number() < Lanes::count());
    }
}
