//! What the service manager hears of us, and how often.
//!
//! # Source
//! sd_notify(3), sd_watchdog_enabled(3).

use crate::lifetime::Error;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// How often the service manager is asked for patience while it waits for us to stop, and how long a
/// patience is asked for: more than that, so that one late message does no harm.
const PATIENCE_INTERVAL: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// When we can be called.
pub const READY: [NotifyState<'static>; 2] = [
    NotifyState::Ready,
    NotifyState::Status("Processing requests..."),
];

/// When we are about to end.
pub const STOPPING: [NotifyState<'static>; 2] = [
    NotifyState::Stopping,
    NotifyState::Status("Shutting down..."),
];

/// Tells the service manager something.
pub fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("The service manager could not be notified: {error}");
    }
}

/// Tells it that we are alive, as it wants to hear now and then.
pub fn say_alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Tells it that the configuration is read again; [`READY`] follows.
pub fn announce_reload() {
    let mut reloading = vec![NotifyState::Reloading];
    // Without the time it could mistake an older answer for this one.
    reloading.extend(NotifyState::monotonic_usec_now().ok());
    reloading.push(NotifyState::Status("Reloading configuration..."));
    notify(&reloading);
}

/// Asks it for patience.
pub fn ask_for_patience() {
    let micros = u32::try_from(PATIENCE.as_micros()).unwrap_or(u32::MAX);
    notify(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// Tells it how we end.
pub fn say_farewell(result: &Result<(), Error>) {
    match result {
        Ok(()) => notify(&[NotifyState::Custom("EXIT_STATUS=0")]),
        Err(error) => notify(&[
            NotifyState::Errno(error.errno().unsigned_abs()),
            NotifyState::Custom("EXIT_STATUS=1"),
        ]),
    }
}

/// When to ask for patience.
#[must_use]
pub fn overtime() -> Interval {
    every(PATIENCE_INTERVAL)
}

/// When to say that we are alive: twice as often as it wants to hear, if it does.
#[must_use]
pub fn watchdog() -> Option<Interval> {
    let period = sd_notify::watchdog_enabled()? / 2;
    Some(every(period.max(Duration::from_millis(1))))
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
