//! Tells a server that sends nothing, or next to nothing, from one that is slow.
//!
//! Only the time in which bytes are waited for counts: a disk that takes its time does not look
//! like a server that does.

use super::failure::Failure;
use std::time::Duration;

/// Less than this many bytes a second is nothing, as in the reference.
const BYTES_PER_SECOND_MIN: u64 = 30;
/// Over how long that is measured at least, as in the reference.
const WINDOW_MIN: Duration = Duration::from_secs(60);

/// What came while it was waited for.
#[derive(Debug)]
pub(super) struct Pace {
    stall: Duration,
    window: Duration,
    /// Time waited in this window.
    waited: Duration,
    /// Bytes that came in this window.
    bytes: u64,
    /// Time waited since the last byte.
    silent: Duration,
}

impl Pace {
    /// Begins to measure; `stall` is the longest silence.
    pub(super) fn new(stall: Duration) -> Self {
        Self {
            stall,
            window: stall.max(WINDOW_MIN),
            waited: Duration::ZERO,
            bytes: 0,
            silent: Duration::ZERO,
        }
    }

    /// How long to wait for the next bytes before [`Pace::waited`] is to be asked.
    pub(super) fn longest_wait(&self) -> Duration {
        let window = self.window.saturating_sub(self.waited);
        window.min(self.stall.saturating_sub(self.silent))
    }

    /// Takes that so many bytes came after that time of waiting, 0 if none.
    ///
    /// # Errors
    /// [`Failure::Stalled`] after the longest silence, [`Failure::Trickle`] after a window of next
    /// to nothing.
    pub(super) fn waited(&mut self, time: Duration, bytes: u64) -> Result<(), Failure> {
        self.waited += time;
        self.bytes += bytes;
        self.silent = match bytes {
            0 => self.silent + time,
            _ => Duration::ZERO,
        };
        if self.silent >= self.stall {
            return Err(Failure::Stalled(self.stall));
        }
        if self.waited < self.window {
            return Ok(());
        }
        let (bytes, time) = (self.bytes, self.waited);
        self.waited = Duration::ZERO;
        self.bytes = 0;
        if bytes < BYTES_PER_SECOND_MIN.saturating_mul(time.as_secs()) {
            return Err(Failure::Trickle { bytes, time });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_a_stall_only_when_it_is_long_enough() {
        let mut pace = Pace::new(10 * SECOND);
        assert_eq!(pace.longest_wait(), 10 * SECOND);
        pace.waited(9 * SECOND, 0).unwrap();
        assert_eq!(pace.longest_wait(), SECOND);
        pace.waited(SECOND / 2, 1).unwrap();
        pace.waited(9 * SECOND, 0).unwrap();
        let failure = pace.waited(SECOND, 0).unwrap_err();
        assert!(matches!(failure, Failure::Stalled(time) if time == 10 * SECOND));
    }

    #[test]
    fn a_trickle_is_given_up_after_its_window_and_a_slow_server_is_not() {
        for (each_second, lasts) in [(29, false), (30, true)] {
            let mut pace = Pace::new(10 * SECOND);
            let result = (0..200).try_for_each(|_| pace.waited(SECOND, each_second));
            assert_eq!(result.is_ok(), lasts, "{each_second}");
        }
    }

    #[test]
    fn a_stall_longer_than_the_window_is_not_a_trickle_before_its_time() {
        let mut pace = Pace::new(100 * SECOND);
        assert_eq!(pace.longest_wait(), 100 * SECOND);
        pace.waited(99 * SECOND, 0).unwrap();
    }
}
