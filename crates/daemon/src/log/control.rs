//! Level and target of the log, which change while the daemon runs.
//!
//! # Source
//! org.freedesktop.LogControl1(5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Names of the levels of syslog(3), the most severe first.
const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

/// How much is logged: this level and all that are more severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Default for Level {
    /// `info`.
    fn default() -> Self {
        Self(super::INFO)
    }
}

impl Level {
    /// Reads a level's name, or its number from 0 (`emerg`) to 7 (`debug`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let by_name = LEVELS.iter().position(|name| *name == text);
        let number = by_name.or_else(|| text.parse().ok().filter(|n| *n < LEVELS.len()))?;
        u8::try_from(number).ok().map(Self)
    }

    /// The level's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        LEVELS.get(usize::from(self.0)).copied().unwrap_or("debug")
    }

    /// Its number, 0 to 7.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The journal if standard error leads there, else standard error as it is.
    #[default]
    Auto,
    /// Standard error, for a person.
    Console,
    /// Standard error, with the level of each line before it.
    ConsolePrefixed,
    /// The kernel's log.
    Kmsg,
    /// The journal.
    Journal,
    /// The journal, or where there is none the kernel's log.
    JournalOrKmsg,
    /// As [`Target::Journal`], which took the place of syslog.
    Syslog,
    /// As [`Target::JournalOrKmsg`].
    SyslogOrKmsg,
    /// Nowhere.
    Null,
}

impl Target {
    /// All of them, with their names.
    const ALL: [(Self, &'static str); 9] = [
        (Self::Auto, "auto"),
        (Self::Console, "console"),
        (Self::ConsolePrefixed, "console-prefixed"),
        (Self::Kmsg, "kmsg"),
        (Self::Journal, "journal"),
        (Self::JournalOrKmsg, "journal-or-kmsg"),
        (Self::Syslog, "syslog"),
        (Self::SyslogOrKmsg, "syslog-or-kmsg"),
        (Self::Null, "null"),
    ];

    /// Reads a target's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(target, _)| target)
    }

    /// The target's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(target, _)| *target == self);
        found.map_or("auto", |(_, name)| name)
    }

    const fn from_number(number: u8) -> Self {
        let mut at = 0;
        while at < Self::ALL.len() {
            if Self::ALL[at].0 as u8 == number {
                return Self::ALL[at].0;
            }
            at += 1;
        }
        Self::Auto
    }
}

/// A handle of level and target. All copies mean the same ones.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<State>);

#[derive(Debug)]
struct State {
    level: AtomicU8,
    target: AtomicU8,
}

impl Default for State {
    fn default() -> Self {
        Self {
            level: Level::default().0.into(),
            target: (Target::default() as u8).into(),
        }
    }
}

impl Control {
    /// A handle of this level and target.
    #[must_use]
    pub fn new(level: Level, target: Target) -> Self {
        let control = Self::default();
        control.set_level(level);
        control.set_target(target);
        control
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> Level {
        Level(self.0.level.load(Ordering::Relaxed))
    }

    /// Changes the level, of what is logged from now on.
    pub fn set_level(&self, level: Level) {
        self.0.level.store(level.0, Ordering::Relaxed);
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::from_number(self.0.target.load(Ordering::Relaxed))
    }

    /// Changes the target, of what is logged from now on.
    pub fn set_target(&self, target: Target) {
        self.0.target.store(target as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_is_set_on_one_handle_holds_for_all() {
        let control = Control::default();
        let other = control.clone();
        for (target, name) in Target::ALL {
            control.set_target(Target::parse(name).unwrap());
            assert_eq!((other.target(), other.target().as_str()), (target, name));
        }
        other.set_level(Level::parse("crit").unwrap());
        assert_eq!(control.level().as_str(), "crit");
        assert_eq!(Target::parse("Console"), None);
    }
}
