//! What a running transfer shows on standard error: lines, and a bar on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::io::{self, IsTerminal, Write};

/// Least serious priority that `--quiet` hides: info, syslog(3).
const PRIORITY_INFO: u32 = 6;
/// Priority of errors.
const PRIORITY_ERROR: u32 = 3;
/// Bits of a priority that hold the level; the rest is the facility, which workers send along.
const LEVEL_MASK: u32 = 7;

/// What the environment and the options say about output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// No bar, no messages of our own, only log lines from notice up.
    pub(crate) quiet: bool,
    /// Colours may be used where a terminal is.
    pub(crate) colors: bool,
}

/// Standard error while a transfer runs.
#[derive(Debug)]
pub(crate) struct Screen {
    look: Look,
    bar: Option<ProgressBar>,
    last_error: Option<String>,
}

impl Screen {
    /// A screen without a bar yet.
    pub(crate) fn new(look: Look) -> Self {
        let colors = look.colors && io::stderr().is_terminal();
        Self {
            look: Look { colors, ..look },
            bar: None,
            last_error: None,
        }
    }

    /// Draws the bar at nothing, if there is a terminal to draw it on.
    pub(crate) fn start_bar(&mut self) {
        if self.look.quiet || !io::stderr().is_terminal() {
            return;
        }
        if let Some(style) = bar_style(self.look.colors) {
            let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
            bar.set_style(style);
            bar.tick();
            self.bar = Some(bar);
        }
    }

    /// Shows how far the transfer is.
    pub(crate) fn progress(&self, percent: u8) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::from(percent));
        }
    }

    /// Shows a line of the transfer's log.
    pub(crate) fn log(&mut self, priority: u32, line: &str) {
        let level = priority & LEVEL_MASK;
        let text = printable(line.trim_end_matches('\r'));
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
        if color.is_empty() {
            self.write(&text);
        } else {
            self.write(&format!("{color}{text}\x1b[0m"));
        }
    }

    /// Shows a message of our own, unless `--quiet`.
    pub(crate) fn message(&self, text: &str) {
        if !self.look.quiet {
            self.write(text);
        }
    }

    /// The last line that was an error.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Removes the bar.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn write(&self, line: &str) {
        let write = || {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "the transfer goes on if nobody reads its log"
            )]
            let _ = writeln!(io::stderr().lock(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The bar: a title, cells, the percentage, and the time left once that can be guessed.
fn bar_style(colors: bool) -> Option<ProgressStyle> {
    let template = if colors {
        "Total: {wide_bar:.green.bold/black.bright} {percent:>3}%{left}"
    } else {
        "Total: {wide_bar} {percent:>3}%{left}"
    };
    let style = ProgressStyle::with_template(template).ok()?;
    Some(style.progress_chars("━┄").with_key(
        "left",
        |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            write_time_left(state, out);
        },
    ))
}

fn write_time_left(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let seconds = state.eta().as_secs();
    // A second or a century would both be a bad guess.
    if !(1..86_400).contains(&seconds) {
        return;
    }
    #[expect(clippy::let_underscore_must_use, reason = "writing into memory")]
    let _ = match seconds {
        0..60 => write!(out, " {seconds}s left"),
        60..3600 => write!(out, " {}min left", seconds / 60),
        _ => write!(out, " {}h {}min left", seconds / 3600, seconds / 60 % 60),
    };
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
            colors: false,
        });
        screen.log(30, "info of a daemon");
        assert_eq!(screen.last_error(), None);
        screen.log(27, "first");
        screen.log(3, "second\r");
        screen.log(29, "notice");
        assert_eq!(screen.last_error(), Some("second"));
    }

    #[test]
    fn both_templates_of_the_bar_are_understood() {
        assert!(bar_style(true).is_some());
        assert!(bar_style(false).is_some());
    }
}
