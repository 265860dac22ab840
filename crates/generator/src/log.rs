//! Lines for people.

use std::fmt::{self, Display};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::ExitCode;

/// The kernel's log buffer: a record for each write.
const KERNEL_LOG: &str = "/dev/kmsg";

/// What the kernel's records are named with.
const NAME: &str = "systemd-import-generator";

/// Syslog's number of the system daemons, as it stands in a priority.
const FACILITY_DAEMON: u8 = 3 << 3;

/// Longest line, in bytes. The kernel refuses records beyond 1024 with their prefix; a line that
/// long is a hostile value and not a message.
const LINE_MAX: usize = 900;

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Standard error.
    Console,
    /// Standard error, each line with its level before it as in sd-daemon(3).
    ConsolePrefixed,
    /// The kernel's log buffer.
    Kernel,
    /// Nowhere.
    Nowhere,
}

/// How much a line matters, by the numbers of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Something asked for will not happen.
    Error = 3,
    /// Something asked for happens, but not all of it.
    Warning = 4,
    /// What was decided.
    Info = 6,
    /// What was not.
    Debug = 7,
}

/// A place for lines.
pub(crate) struct Log {
    out: Box<dyn Write>,
    target: Target,
    debug: bool,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Opens a place; standard error takes that of the kernel's log buffer where that cannot be
    /// written to, as in containers.
    pub(crate) fn open(target: Target, debug: bool) -> Self {
        let kernel = || OpenOptions::new().write(true).open(KERNEL_LOG).ok();
        let (out, target): (Box<dyn Write>, _) = match target {
            Target::Nowhere => (Box::new(io::sink()), target),
            Target::Console | Target::ConsolePrefixed => (Box::new(io::stderr()), target),
            Target::Kernel => match kernel() {
                Some(file) => (Box::new(file), target),
                None => (Box::new(io::stderr()), Target::Console),
            },
        };
        Self { out, target, debug }
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, level: Level, text: impl Display) {
        if level == Level::Debug && !self.debug {
            return;
        }
        let line = self.prefix(level) + &printable(&text.to_string()) + "\n";
        #[expect(
            clippy::let_underscore_must_use,
            reason = "what cannot be told is still done, and the exit status tells the rest"
        )]
        let _ = self.out.write_all(line.as_bytes());
    }

    /// Writes an error with its causes; the exit status that goes with it.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) -> ExitCode {
        self.line(Level::Error, format_args!("{error:#}"));
        ExitCode::FAILURE
    }

    fn prefix(&self, level: Level) -> String {
        match self.target {
            Target::Console | Target::Nowhere => String::new(),
            Target::ConsolePrefixed => format!("<{}>", level as u8),
            Target::Kernel => {
                let priority = FACILITY_DAEMON | level as u8;
                format!("<{priority}>{NAME}[{}]: ", std::process::id())
            }
        }
    }
}

/// The text with control characters spelled out, cut to the longest line.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(LINE_MAX));
    for character in text.chars() {
        let before = shown.len();
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        if shown.len() > LINE_MAX {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(target: Target, debug: bool) -> String {
        let bytes = Rc::new(RefCell::new(Vec::new()));
        let out = Box::new(Shared(Rc::clone(&bytes)));
        let mut log = Log { out, target, debug };
        log.line(Level::Warning, "a\nb");
        log.line(Level::Debug, "c");
        String::from_utf8(bytes.take()).unwrap()
    }

    #[test]
    fn lines_carry_the_prefix_of_their_target_and_stay_lines() {
        assert_eq!(lines(Target::Console, true), "a\\nb\nc\n");
        assert_eq!(lines(Target::ConsolePrefixed, false), "<4>a\\nb\n");
        let id = std::process::id();
        let kernel = format!("<28>systemd-import-generator[{id}]: a\\nb\n");
        assert_eq!(lines(Target::Kernel, false), kernel);
    }

    #[test]
    fn a_line_is_never_longer_than_the_kernel_takes() {
        for text in ["x".repeat(2000), "ü".repeat(2000), "\n".repeat(2000)] {
            let shown = printable(&text);
            assert!(shown.len() <= LINE_MAX + '…'.len_utf8(), "{}", shown.len());
            assert!(shown.ends_with('…'));
        }
    }
}
