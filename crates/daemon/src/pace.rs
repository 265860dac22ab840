//! How fast bytes come, smoothed, and how long the rest takes.

use std::time::{Duration, Instant};

/// The time over which the speed is smoothed: what is older than some of these hardly counts.
const SMOOTH: Duration = Duration::from_secs(5);

/// Silence after which the speed begins to sink: workers report ten times a second while bytes move.
const SILENCE: Duration = Duration::from_secs(1);

/// Least time between two samples, so that a burst is not taken for the speed.
const SAMPLE: Duration = Duration::from_millis(50);

/// The speed of one transfer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Bytes a second.
    rate: Option<u64>,
    last: Option<(Instant, u64)>,
}

impl Pace {
    /// Takes that so many bytes were moved until then. Fewer than before begin anew: another file.
    pub fn sample(&mut self, bytes: u64, now: Instant) {
        let Some((at, before)) = self.last else {
            self.last = Some((now, bytes));
            return;
        };
        let time = now.saturating_duration_since(at);
        let Some(moved) = bytes.checked_sub(before) else {
            self.last = Some((now, bytes));
            return;
        };
        if time < SAMPLE {
            return;
        }
        self.last = Some((now, bytes));
        let now_rate = scaled(moved, 1_000_000, micros(time));
        self.rate = Some(match self.rate {
            None => now_rate,
            Some(rate) => mixed(rate, now_rate, time),
        });
    }

    /// Bytes a second at that time, which sinks while nothing is reported; 0 if nothing is known.
    #[must_use]
    pub fn rate(&self, now: Instant) -> u64 {
        let (Some(rate), Some((at, _))) = (self.rate, self.last) else {
            return 0;
        };
        let silent = now.saturating_duration_since(at);
        if silent > SILENCE {
            mixed(rate, 0, silent)
        } else {
            rate
        }
    }

    /// How long so many bytes take at that speed, in µs; `None` if nobody knows.
    #[must_use]
    pub fn time_for(&self, bytes: u64, now: Instant) -> Option<u64> {
        match self.rate(now) {
            0 => None,
            rate => Some(scaled(bytes, 1_000_000, rate)),
        }
    }
}

/// The two rates by the weight of their times.
fn mixed(old: u64, new: u64, time: Duration) -> u64 {
    let (keep, take) = (u128::from(micros(SMOOTH)), u128::from(micros(time)));
    let sum = u128::from(old) * keep + u128::from(new) * take;
    u64::try_from(sum / (keep + take)).unwrap_or(u64::MAX)
}

fn scaled(value: u64, by: u64, over: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(over.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_speed_and_a_stall_lowers_it() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut now = start;
        for step in 0..100 {
            now = start + Duration::from_millis(100 * step);
            pace.sample(step * 100_000, now);
        }
        assert_eq!(pace.rate(now), 1_000_000);
        assert_eq!(pace.time_for(3_000_000, now), Some(3_000_000));
        assert_eq!(pace.rate(now + Duration::from_secs(5)), 500_000);
        assert!(pace.rate(now + Duration::from_secs(500)) < 10_000);
    }

    #[test]
    fn nothing_is_known_before_the_second_sample_and_a_new_file_begins_anew() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!((pace.rate(start), pace.time_for(1, start)), (0, None));
        pace.sample(5000, start);
        assert_eq!(pace.rate(start), 0);
        pace.sample(6000, start + Duration::from_millis(1));
        assert_eq!(pace.rate(start), 0, "a burst");
        pace.sample(0, start + Duration::from_secs(1));
        assert_eq!(pace.rate(start), 0);
        pace.sample(1000, start + Duration::from_secs(2));
        assert_eq!(pace.rate(start + Duration::from_secs(2)), 1000);
    }

    #[test]
    fn huge_figures_do_not_overflow() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.sample(0, start);
        pace.sample(u64::MAX, start + Duration::from_millis(100));
        assert_eq!(pace.rate(start), u64::MAX);
        assert!(pace.time_for(u64::MAX, start).is_some());
    }
}
