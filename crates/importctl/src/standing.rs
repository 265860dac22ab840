//! How a transfer stands: what the service or the worker has told of it, and what follows from that.

use crate::units;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Longest word taken for a state or a phase, in bytes; they are single words.
const WORD_MAX: usize = 32;
/// Least time between two measurements of the speed: shorter ones jump.
const MEASURE_MIN: Duration = Duration::from_millis(500);
/// Percent of a whole.
const WHOLE: u8 = 100;
/// Microseconds of a second.
const MICROSECONDS: u64 = 1_000_000;

/// Something new about a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// `queued`, `running` or `stopping`.
    State(String),
    /// What it is at, one word.
    Phase(String),
    /// How much is done, 0 to 100.
    Percent(u8),
    /// Bytes moved.
    Bytes(u64),
    /// Bytes to be moved; `None` while unknown.
    Total(Option<u64>),
    /// Bytes a second, as the service has measured them.
    Rate(u64),
    /// Microseconds to the end, as the service guesses; `None` if it does not.
    TimeLeft(Option<u64>),
    /// Tries that failed and were made again.
    Retries(u32),
}

/// What is known of a transfer. Keys and units of its JSON stay the same from version to version.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    /// `queued`, `running` or `stopping`; one that tells nothing is running.
    pub(crate) state: String,
    /// What it is at.
    pub(crate) phase: Option<String>,
    /// How much is done, 0 to 100.
    pub(crate) percent: Option<u8>,
    /// Bytes moved.
    pub(crate) bytes: Option<u64>,
    /// Bytes to be moved.
    pub(crate) total: Option<u64>,
    /// Bytes a second.
    pub(crate) rate: Option<u64>,
    /// Microseconds to the end.
    pub(crate) time_left: Option<u64>,
    /// Tries that failed and were made again.
    pub(crate) retries: Option<u32>,
    #[serde(skip)]
    measured: Option<Measured>,
    #[serde(skip)]
    begun: Option<(Instant, u8)>,
    #[serde(skip)]
    is_served: bool,
}

/// The last measurement of the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measured {
    at: Instant,
    bytes: u64,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            state: "running".to_owned(),
            phase: None,
            percent: None,
            bytes: None,
            total: None,
            rate: None,
            time_left: None,
            retries: None,
            measured: None,
            begun: None,
            is_served: false,
        }
    }
}

impl Standing {
    /// Takes something new, heard at `now`.
    pub(crate) fn learn(&mut self, news: News, now: Instant) {
        match news {
            News::State(word) if is_word(&word) => self.state = word,
            News::Phase(word) => self.phase = is_word(&word).then_some(word),
            News::State(_) => {}
            News::Percent(percent) => self.learn_percent(percent.min(WHOLE), now),
            News::Bytes(bytes) => self.learn_bytes(bytes, now),
            News::Total(total) => self.total = total,
            News::Rate(rate) => {
                self.is_served = true;
                self.rate = Some(rate);
            }
            News::TimeLeft(time) => {
                self.is_served = true;
                self.time_left = time;
            }
            News::Retries(retries) => self.retries = Some(retries),
        }
    }

    fn learn_percent(&mut self, percent: u8, now: Instant) {
        self.percent = Some(percent);
        let (since, first) = *self.begun.get_or_insert((now, percent));
        if self.is_served || self.bytes.is_some() || percent <= first {
            return;
        }
        let elapsed = now.saturating_duration_since(since).as_micros();
        let rest = u128::from(WHOLE - percent) * elapsed / u128::from(percent - first);
        self.time_left = u64::try_from(rest).ok();
    }

    fn learn_bytes(&mut self, bytes: u64, now: Instant) {
        self.bytes = Some(bytes);
        if self.is_served {
            return;
        }
        let last = *self.measured.get_or_insert(Measured { at: now, bytes });
        let elapsed = now.saturating_duration_since(last.at);
        if elapsed < MEASURE_MIN {
            return;
        }
        let moved = u128::from(bytes.saturating_sub(last.bytes));
        let fresh = moved * u128::from(MICROSECONDS) / elapsed.as_micros().max(1);
        let fresh = u64::try_from(fresh).unwrap_or(u64::MAX);
        let rate = match self.rate {
            Some(old) => old - old / 4 + fresh / 4,
            None => fresh,
        };
        self.rate = Some(rate);
        self.measured = Some(Measured { at: now, bytes });
        let rest = self.total.map(|total| total.saturating_sub(bytes));
        self.time_left = rest.filter(|_| rate > 0).and_then(|rest| {
            let time = u128::from(rest) * u128::from(MICROSECONDS) / u128::from(rate);
            u64::try_from(time).ok()
        });
    }

    /// The figures as people read them, the most telling first.
    pub(crate) fn figures(&self) -> Vec<String> {
        let mut figures = Vec::new();
        match (self.state.as_str(), &self.phase) {
            ("running", Some(phase)) => figures.push(phase.clone()),
            ("running", None) => {}
            (state, _) => figures.push(state.to_owned()),
        }
        if let Some(bytes) = self.bytes.filter(|bytes| *bytes > 0) {
            let total = self.total.map(|total| format!("/{}", units::size(total)));
            figures.push(units::size(bytes) + &total.unwrap_or_default());
        }
        if let Some(rate) = self.rate.filter(|rate| *rate > 0) {
            figures.push(format!("{}/s", units::size(rate)));
        }
        if let Some(time) = self.time_left.and_then(units::duration) {
            figures.push(format!("{time} left"));
        }
        match self.retries {
            Some(0) | None => {}
            Some(1) => figures.push("1 retry".to_owned()),
            Some(retries) => figures.push(format!("{retries} retries")),
        }
        figures
    }
}

fn is_word(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b == b'-';
    (1..=WORD_MAX).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(news: &[(u64, News)]) -> Standing {
        let start = Instant::now();
        let mut standing = Standing::default();
        for (milliseconds, news) in news {
            let now = start + Duration::from_millis(*milliseconds);
            standing.learn(news.clone(), now);
        }
        standing
    }

    #[test]
    fn speed_and_time_left_follow_from_bytes() {
        let standing = after(&[
            (0, News::Total(Some(10 << 20))),
            (0, News::Bytes(0)),
            (100, News::Bytes(5)),
            (1000, News::Bytes(1 << 20)),
        ]);
        assert_eq!(standing.rate, Some(1 << 20));
        assert_eq!(standing.time_left, Some(9_000_000));
        assert_eq!(standing.figures(), ["1M/10M", "1M/s", "9s left"]);
        // A resumed download begins with what is there; that was not fetched just now.
        let resumed = after(&[
            (0, News::Bytes(1 << 30)),
            (1000, News::Bytes((1 << 30) + 1024)),
        ]);
        assert_eq!(resumed.rate, Some(1024));
    }

    #[test]
    fn speed_is_smoothed_and_a_stall_brings_it_down() {
        let mut news = vec![(0, News::Bytes(0)), (1000, News::Bytes(1000))];
        news.push((2000, News::Bytes(1000)));
        assert_eq!(after(&news).rate, Some(750));
        news.extend((3..60).map(|second| (second * 1000, News::Bytes(1000))));
        assert!(after(&news).rate.unwrap() < 10);
    }

    #[test]
    fn percentages_alone_give_a_guess_of_the_time() {
        let standing = after(&[(0, News::Percent(10)), (2000, News::Percent(30))]);
        assert_eq!(standing.time_left, Some(7_000_000));
        assert_eq!(standing.figures(), ["7s left"]);
        assert_eq!(after(&[(0, News::Percent(10))]).time_left, None);
    }

    #[test]
    fn what_the_service_measures_is_not_guessed_again() {
        let standing = after(&[
            (0, News::Rate(7)),
            (0, News::TimeLeft(None)),
            (0, News::Bytes(1)),
            (0, News::Percent(1)),
            (9000, News::Bytes(1000)),
            (9000, News::Percent(50)),
        ]);
        assert_eq!((standing.rate, standing.time_left), (Some(7), None));
    }

    #[test]
    fn states_and_phases_are_single_words() {
        let standing = after(&[
            (0, News::State("queued".into())),
            (0, News::State("a\x1b[2J".into())),
            (0, News::Phase("downloading".into())),
        ]);
        assert_eq!(standing.figures(), ["queued"]);
        assert_eq!(after(&[(0, News::Phase("a b".into()))]).phase, None);
        let running = after(&[(0, News::Phase("verifying".into())), (0, News::Retries(2))]);
        assert_eq!(running.figures(), ["verifying", "2 retries"]);
    }

    #[test]
    fn the_keys_of_its_json_are_stable() {
        let standing = after(&[(0, News::Percent(7)), (0, News::TimeLeft(Some(5)))]);
        assert_eq!(
            serde_json::to_string(&standing).unwrap(),
            "{\"state\":\"running\",\"phase\":null,\"percent\":7,\"bytes\":null,\"total\":null,\
             \"rate\":null,\"timeLeft\":5,\"retries\":null}"
        );
    }
}
