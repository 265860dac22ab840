//! The daemon's own log: one line per event on standard error.
//!
//! Started by the service manager, each line begins with `<N>`, its level, which the journal takes
//! off (sd-daemon(3)); for a person there is only the text. Lines of workers keep their own level.

use std::fmt::{self, Write};
use std::os::unix::fs::MetadataExt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Names of the levels of syslog(3), the most severe first.
const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

/// Number of the level `err`.
const ERROR: u32 = 3;
/// Number of the level `warning`.
const WARNING: u32 = 4;
/// Number of the level `info`.
const INFO: u32 = 6;
/// Number of the level `debug`.
const DEBUG: u32 = 7;

/// How much is logged: this level and all that are more severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(&'static str);

impl Default for Level {
    /// `info`.
    fn default() -> Self {
        Self("info")
    }
}

impl Level {
    /// Reads a level's name, or its number from 0 (`emerg`) to 7 (`debug`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let by_number = || text.parse::<usize>().ok().and_then(|n| LEVELS.get(n));
        LEVELS
            .iter()
            .find(|name| **name == text)
            .or_else(by_number)
            .map(|name| Self(name))
    }

    /// The level's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The nearest level of our own events: those have no more than error, warning, info, debug.
    fn filter(self) -> tracing::Level {
        match self.0 {
            "debug" => tracing::Level::DEBUG,
            "info" | "notice" => tracing::Level::INFO,
            "warning" => tracing::Level::WARN,
            _ => tracing::Level::ERROR,
        }
    }
}

/// Whom the lines are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The journal, or another program that knows `<N>`.
    Journal,
    /// A person.
    Person,
}

impl Reader {
    /// Finds out from `$JOURNAL_STREAM` (device and inode of the stream to the journal) and
    /// `$SYSTEMD_LOG_TARGET` (systemd.exec(5)).
    #[must_use]
    pub fn from_environment(journal_stream: Option<&str>, target: Option<&str>) -> Self {
        let stderr = std::fs::metadata("/proc/self/fd/2")
            .map(|meta| format!("{}:{}", meta.dev(), meta.ino()))
            .ok();
        let is_journal = journal_stream.is_some() && journal_stream == stderr.as_deref();
        if is_journal || target == Some("console-prefixed") {
            Reader::Journal
        } else {
            Reader::Person
        }
    }
}

/// Sends the events of this process to standard error from now on.
///
/// A second call does nothing.
pub fn install(level: Level, reader: Reader) {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level.filter())
        .event_format(Format { reader })
        .finish();
    // Fails only if there is one already, and then that one goes on.
    tracing::subscriber::set_global_default(subscriber).unwrap_or(());
}

/// Logs one line of a transfer's worker under the worker's own priority.
pub fn worker_line(id: u32, priority: u32, text: &str) {
    let priority = priority & DEBUG;
    match priority {
        0..=ERROR => tracing::error!(priority, "(transfer{id}) {text}"),
        WARNING => tracing::warn!(priority, "(transfer{id}) {text}"),
        DEBUG => tracing::debug!(priority, "(transfer{id}) {text}"),
        _ => tracing::info!(priority, "(transfer{id}) {text}"),
    }
}

struct Format {
    reader: Reader,
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line {
            priority: match *event.metadata().level() {
                tracing::Level::ERROR => ERROR,
                tracing::Level::WARN => WARNING,
                tracing::Level::INFO => INFO,
                tracing::Level::DEBUG | tracing::Level::TRACE => DEBUG,
            },
            text: String::new(),
        };
        event.record(&mut line);
        match self.reader {
            Reader::Journal => writeln!(writer, "<{}>{}", line.priority, line.text),
            Reader::Person => writeln!(writer, "{}", line.text),
        }
    }
}

struct Line {
    priority: u32,
    text: String,
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "priority" {
            self.priority = u32::try_from(value).unwrap_or(INFO);
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

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(reader: Reader, level: Level, act: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_max_level(level.filter())
            .event_format(Format { reader })
            .finish();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_of_workers_keep_their_level_without_the_facility() {
        let act = || {
            worker_line(7, 29, "a notice");
            worker_line(7, 27, "an error");
            worker_line(7, 31, "for debugging");
            tracing::warn!("of our own");
        };
        let expected = "<5>(transfer7) a notice\n<3>(transfer7) an error\n<4>of our own\n";
        assert_eq!(logged(Reader::Journal, Level::default(), act), expected);
    }

    #[test]
    fn a_person_sees_text_and_one_line_per_event() {
        let act = || tracing::error!("two\nlines");
        let text = logged(Reader::Person, Level::default(), act);
        assert_eq!(text, "two lines\n");
    }

    #[test]
    fn levels_are_names_or_numbers() {
        for (text, level) in [
            ("debug", Some("debug")),
            ("3", Some("err")),
            ("8", None),
            ("", None),
        ] {
            assert_eq!(Level::parse(text).map(Level::as_str), level, "{text}");
        }
    }
}
