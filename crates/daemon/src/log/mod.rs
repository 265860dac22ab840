//! The daemon's own log: one line per event, to a place and down to a level that can be changed
//! while it runs.
//!
//! | module | holds |
//! |---|---|
//! | [`control`] | level and target, and who sees them change |
//! | `place` | where lines go: standard error, the journal, the kernel's log |
//!
//! Started by the service manager, each line begins with `<N>`, its level, which the journal takes
//! off (sd-daemon(3)); for a person there is only the text. Lines of workers keep their own level.

pub mod control;
mod place;

use control::{Control, Level};
use place::Places;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Number of the level `err`.
const ERROR: u8 = 3;
/// Number of the level `warning`.
const WARNING: u8 = 4;
/// Number of the level `info`.
const INFO: u8 = 6;
/// Number of the level `debug`.
const DEBUG: u8 = 7;

/// Sends the events of this process where `control` says, from now on.
///
/// A second call does nothing.
pub fn install(control: &Control) {
    let subscriber = tracing_subscriber::registry().with(Log::new(control));
    // Fails only if there is one already, and then that one goes on.
    tracing::subscriber::set_global_default(subscriber).unwrap_or(());
}

/// Logs one line of a transfer's worker under the worker's own priority.
pub fn worker_line(id: u32, priority: u32, text: &str) {
    let priority = u8::try_from(priority & u32::from(DEBUG)).unwrap_or(INFO);
    match priority {
        0..=ERROR => tracing::error!(priority, "(transfer{id}) {text}"),
        WARNING => tracing::warn!(priority, "(transfer{id}) {text}"),
        DEBUG => tracing::debug!(priority, "(transfer{id}) {text}"),
        _ => tracing::info!(priority, "(transfer{id}) {text}"),
    }
}

/// Takes the events of this process.
struct Log {
    control: Control,
    places: Places,
}

impl Log {
    fn new(control: &Control) -> Self {
        Self {
            control: control.clone(),
            places: Places::default(),
        }
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        *metadata.level() <= nearest(self.control.level())
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let line = Line::of(event);
        if line.priority <= self.control.level().number() {
            self.places
                .write(self.control.target(), line.priority, &line.text);
        }
    }
}

/// The level of our own events that is nearest: those have no more than error, warning, info, debug.
const fn nearest(level: Level) -> tracing::Level {
    match level.number() {
        DEBUG.. => tracing::Level::DEBUG,
        5..=INFO => tracing::Level::INFO,
        WARNING => tracing::Level::WARN,
        0..=ERROR => tracing::Level::ERROR,
    }
}

struct Line {
    priority: u8,
    text: String,
}

impl Line {
    fn of(event: &Event<'_>) -> Self {
        let mut line = Self {
            priority: match *event.metadata().level() {
                tracing::Level::ERROR => ERROR,
                tracing::Level::WARN => WARNING,
                tracing::Level::INFO => INFO,
                tracing::Level::DEBUG | tracing::Level::TRACE => DEBUG,
            },
            text: String::new(),
        };
        event.record(&mut line);
        line
    }
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "priority" {
            self.priority = u8::try_from(value).unwrap_or(INFO);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing into a String does not fail.
            write!(self.text, "{value:?}").unwrap_or(());
            self.text = self.text.replace('\n', " ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Keeps the lines that a [`Log`] lets through.
    #[derive(Clone)]
    struct Kept(Control, Arc<Mutex<Vec<(u8, String)>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let line = Line::of(event);
            if line.priority <= self.0.level().number() {
                self.1.lock().unwrap().push((line.priority, line.text));
            }
        }
    }

    fn logged(control: &Control, act: impl FnOnce()) -> Vec<(u8, String)> {
        let kept = Kept(control.clone(), Arc::default());
        let subscriber = tracing_subscriber::registry().with(kept.clone());
        tracing::subscriber::with_default(subscriber, act);
        Arc::into_inner(kept.1).unwrap().into_inner().unwrap()
    }

    #[test]
    fn lines_of_workers_keep_their_level_without_the_facility() {
        let act = || {
            worker_line(7, 29, "a notice");
            worker_line(7, 27, "an error");
            worker_line(7, 31, "for debugging");
            tracing::warn!("of our\nown");
        };
        let expected = [
            (5, "(transfer7) a notice".to_owned()),
            (3, "(transfer7) an error".to_owned()),
            (4, "of our own".to_owned()),
        ];
        assert_eq!(logged(&Control::default(), act), expected);
    }

    #[test]
    fn the_level_counts_when_the_event_comes() {
        let control = Control::default();
        let act = || {
            tracing::info!("one");
            control.set_level(Level::parse("notice").unwrap());
            tracing::info!("two");
            worker_line(1, 5, "three");
            control.set_level(Level::parse("emerg").unwrap());
            tracing::error!("four");
            control.set_level(Level::parse("7").unwrap());
            tracing::debug!("five");
        };
        let texts: Vec<String> = logged(&control, act).into_iter().map(|it| it.1).collect();
        assert_eq!(texts, ["one", "(transfer1) three", "five"]);
    }

    #[test]
    fn events_below_the_level_are_not_even_made() {
        for (level, nearest_one) in [
            ("debug", tracing::Level::DEBUG),
            ("info", tracing::Level::INFO),
            ("notice", tracing::Level::INFO),
            ("warning", tracing::Level::WARN),
            ("err", tracing::Level::ERROR),
            ("emerg", tracing::Level::ERROR),
        ] {
            assert_eq!(
                nearest(Level::parse(level).unwrap()),
                nearest_one,
                "{level}"
            );
        }
    }
}
