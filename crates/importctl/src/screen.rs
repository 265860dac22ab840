//! What a running transfer shows on standard error: lines, and a bar on a terminal.

use crate::args::Progress;
use crate::bar;
use crate::standing::{News, Standing};
use crate::system;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Least serious priority that `--quiet` hides: info, syslog(3).
const PRIORITY_INFO: u32 = 6;
/// Priority of errors.
const PRIORITY_ERROR: u32 = 3;
/// Bits of a priority that hold the level; the rest is the facility, which workers send along.
const LEVEL_MASK: u32 = 7;

/// Columns of a terminal that does not tell.
const COLUMNS_DEFAULT: u16 = 80;
/// With `--progress=plain`, percents after which there is another line …
const LINE_PERCENT: u8 = 10;
/// … and time after which there is one.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// What the environment and the options say about output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// No bar, no messages of our own, only log lines from notice up.
    pub(crate) quiet: bool,
    /// Colours may be used where a terminal is.
    pub(crate) colors: bool,
    /// The terminal knows no sequences.
    pub(crate) dumb: bool,
    /// `$COLUMNS`.
    pub(crate) columns: Option<u16>,
    /// `--progress`.
    pub(crate) progress: Progress,
}

/// Standard error while a transfer runs.
#[derive(Debug)]
pub(crate) struct Screen {
    look: Look,
    /// Number of the transfer, if the service runs it.
    id: Option<u32>,
    standing: Option<Standing>,
    shown: Option<Shown>,
    last_error: Option<String>,
}

/// What was shown last of how the transfer stands.
#[derive(Debug)]
enum Shown {
    /// A bar, and how it looks.
    Bar(bar::Style),
    /// A line, at that percentage and time.
    Line(u8, Instant),
    /// An object.
    Object(String),
}

impl Screen {
    /// A screen without a bar yet.
    pub(crate) fn new(look: Look) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let progress = match look.progress {
            Progress::Auto if look.quiet || !is_terminal => Progress::None,
            Progress::Auto => Progress::Bar,
            chosen => chosen,
        };
        Self {
            look: Look {
                colors: look.colors && is_terminal,
                progress,
                ..look
            },
            id: None,
            standing: None,
            shown: None,
            last_error: None,
        }
    }

    /// Whether it is shown at all how a transfer stands.
    pub(crate) fn shows_standing(&self) -> bool {
        self.look.progress != Progress::None
    }

    /// The transfer runs: from now on it is shown how it stands, beginning with this. `id` is its
    /// number, if the service runs it.
    pub(crate) fn start(&mut self, id: Option<u32>, news: Vec<News>) {
        self.id = id;
        let now = Instant::now();
        let mut standing = Standing::default();
        for news in news {
            standing.learn(news, now);
        }
        self.standing = Some(standing);
        match self.look.progress {
            Progress::Bar => {
                self.shown = Some(Shown::Bar(self.bar_style()));
                self.redraw();
            }
            Progress::Plain => self.shown = Some(Shown::Line(0, Instant::now())),
            Progress::Json => {
                self.shown = Some(Shown::Object(String::new()));
                self.redraw();
            }
            Progress::Auto | Progress::None => {}
        }
    }

    fn bar_style(&self) -> bar::Style {
        match (self.look.dumb, self.look.colors) {
            (true, _) => bar::Style::Dumb,
            (false, true) => bar::Style::Colored,
            (false, false) => bar::Style::Plain,
        }
    }

    /// Takes what is new, and shows it.
    pub(crate) fn learn(&mut self, news: Vec<News>) {
        let now = Instant::now();
        if let Some(standing) = &mut self.standing {
            for news in news {
                standing.learn(news, now);
            }
            self.redraw();
        }
    }

    /// Shows how the transfer stands, as on a terminal that has another size now.
    pub(crate) fn redraw(&mut self) {
        let Some(standing) = &self.standing else {
            return;
        };
        match &mut self.shown {
            Some(Shown::Bar(style)) => {
                let columns = self.look.columns.or_else(system::error_columns);
                let columns = columns.unwrap_or(COLUMNS_DEFAULT);
                put(&bar::draw(standing, usize::from(columns), *style));
            }
            Some(Shown::Line(percent, at)) => {
                let current = standing.percent.unwrap_or(0);
                let is_news = current >= percent.saturating_add(LINE_PERCENT)
                    || (current == 100 && *percent < 100)
                    || at.elapsed() >= LINE_INTERVAL;
                if is_news {
                    (*percent, *at) = (current, Instant::now());
                    put(&plain_line(standing));
                }
            }
            Some(Shown::Object(last)) => {
                let object = Object::Progress {
                    id: self.id,
                    standing,
                };
                let line = object.line();
                if line != *last {
                    put(&line);
                    *last = line;
                }
            }
            None => {}
        }
    }

    /// Shows a line of the transfer's log.
    pub(crate) fn log(&mut self, priority: u32, line: &str) {
        let level = priority & LEVEL_MASK;
        let line = line.trim_end_matches('\r');
        let text = printable(line);
        if level <= PRIORITY_ERROR {
            self.last_error = Some(text.clone());
        }
        if self.look.quiet && level >= PRIORITY_INFO {
            return;
        }
        let color = if self.look.colors {
            level_color(level)
        } else {
            ""
        };
        if self.look.progress == Progress::Json {
            let object = Object::Log {
                priority: level,
                message: line,
            };
            put(&object.line());
        } else if color.is_empty() {
            self.write(&text);
        } else {
            self.write(&format!("{color}{text}\x1b[0m"));
        }
    }

    /// Shows a message of our own, unless `--quiet`.
    pub(crate) fn message(&self, text: &str) {
        // Under --progress=json, numbers and results are told as such.
        if !self.look.quiet && self.look.progress != Progress::Json {
            self.write(text);
        }
    }

    /// The last line that was an error.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Removes the bar, and shows no more of how the transfer stands.
    pub(crate) fn clear(&mut self) {
        if let Some(Shown::Bar(style)) = self.shown.take() {
            put(&bar::erase(style));
        }
    }

    fn write(&self, line: &str) {
        match (&self.shown, &self.standing) {
            (Some(Shown::Bar(style)), Some(standing)) => {
                let columns = self.look.columns.or_else(system::error_columns);
                let columns = usize::from(columns.unwrap_or(COLUMNS_DEFAULT));
                let bar = bar::draw(standing, columns, *style);
                put(&format!("{}{line}\n{bar}", bar::erase(*style)));
            }
            _ => put(&format!("{line}\n")),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Writes to standard error in one piece, so that others' lines do not come between.
fn put(text: &str) {
    #[expect(
        clippy::let_underscore_must_use,
        reason = "the transfer goes on if nobody reads its log"
    )]
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// How a transfer stands, as a line of a log.
fn plain_line(standing: &Standing) -> String {
    let percent = standing.percent.map(|percent| format!("{percent}%"));
    let parts: Vec<String> = percent.into_iter().chain(standing.figures()).collect();
    match parts.is_empty() {
        true => "Running\n".to_owned(),
        false => parts.join(", ") + "\n",
    }
}

/// A line under `--progress=json`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Object<'a> {
    Progress {
        id: Option<u32>,
        #[serde(flatten)]
        standing: &'a Standing,
    },
    Log {
        priority: u32,
        message: &'a str,
    },
}

impl Object<'_> {
    fn line(&self) -> String {
        // Texts and numbers only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

const fn level_color(level: u32) -> &'static str {
    match level {
        0..=PRIORITY_ERROR => "\x1b[1;31m",
        4 => "\x1b[1;33m",
        5 => "\x1b[1m",
        7 => "\x1b[90m",
        _ => "",
    }
}

/// A text without anything that would steer a terminal or begin another line: log lines quote
/// what servers and archives say.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(printable("a\x1b]0;x\x07b"), "a\\u{1b}]0;x\\u{7}b");
        assert_eq!(printable("ü\tx\u{9b}2J"), "ü\tx\\u{9b}2J");
    }

    #[test]
    fn the_last_error_is_kept_and_the_facility_is_not_a_level() {
        let mut screen = Screen::new(Look {
            quiet: true,
            ..Look::default()
        });
        screen.log(30, "info of a daemon");
        assert_eq!(screen.last_error(), None);
        screen.log(27, "first");
        screen.log(3, "second\r");
        screen.log(29, "notice");
        assert_eq!(screen.last_error(), Some("second"));
    }

    #[test]
    fn plain_lines_and_objects_say_what_is_known() {
        let mut standing = Standing::default();
        assert_eq!(plain_line(&standing), "Running\n");
        standing.learn(News::Percent(42), Instant::now());
        standing.learn(News::Phase("downloading".into()), Instant::now());
        assert_eq!(plain_line(&standing), "42%, downloading\n");
        let object = Object::Progress {
            id: Some(3),
            standing: &standing,
        };
        assert!(
            object
                .line()
                .starts_with("{\"type\":\"progress\",\"id\":3,\"state\":\"running\",")
        );
        let object = Object::Log {
            priority: 3,
            message: "a\x1bb",
        };
        assert_eq!(
            object.line(),
            "{\"type\":\"log\",\"priority\":3,\"message\":\"a\\u001bb\"}\n"
        );
    }
}
