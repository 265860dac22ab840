//! Image classes, scopes, and where images of a class live.

use std::fmt;
use std::path::{Path, PathBuf};

/// What an image is for; decides where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A virtual machine or container, run by systemd-nspawn and systemd-vmspawn.
    Machine,
    /// A portable service, attached by portablectl.
    Portable,
    /// A system extension, merged by systemd-sysext.
    Sysext,
    /// A configuration extension, merged by systemd-confext.
    Confext,
}

/// Whose images: the system's or one user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `--system`
    System,
    /// `--user`
    User,
}

/// A text that names no class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Image class '{0}' not known")]
pub struct UnknownClass(pub String);

impl Class {
    /// All classes, in the order in which lists and messages name them.
    pub const ALL: [Class; 4] = [
        Class::Machine,
        Class::Portable,
        Class::Sysext,
        Class::Confext,
    ];

    /// The class's name on every command line and bus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Machine => "machine",
            Class::Portable => "portable",
            Class::Sysext => "sysext",
            Class::Confext => "confext",
        }
    }

    /// Reads a class name.
    ///
    /// # Errors
    /// [`UnknownClass`] for anything but the four lower-case names.
    pub fn parse(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| UnknownClass(text.to_owned()))
    }

    /// The folder that imports of the system scope go to.
    #[must_use]
    pub const fn system_root(self) -> &'static str {
        match self {
            Class::Machine => "/var/lib/machines",
            Class::Portable => "/var/lib/portables",
            Class::Sysext => "/var/lib/extensions",
            Class::Confext => "/var/lib/confexts",
        }
    }

    /// The folders searched for images of the system scope, first match wins (import-export of
    /// the reference: `/var/lib/container` is searched by it for names but not listed).
    #[must_use]
    pub const fn system_search_path(self) -> &'static [&'static str] {
        match self {
            Class::Machine => &[
                "/etc/machines",
                "/run/machines",
                "/var/lib/machines",
                "/var/lib/container",
                "/usr/local/lib/machines",
                "/usr/lib/machines",
            ],
            Class::Portable => &[
                "/etc/portables",
                "/run/portables",
                "/var/lib/portables",
                "/usr/local/lib/portables",
                "/usr/lib/portables",
            ],
            Class::Sysext => &["/etc/extensions", "/run/extensions", "/var/lib/extensions"],
            Class::Confext => &[
                "/run/confexts",
                "/var/lib/confexts",
                "/usr/local/lib/confexts",
                "/usr/lib/confexts",
            ],
        }
    }

    /// The suffix an image's file name may carry before its type suffix (`NAME.sysext.raw`).
    #[must_use]
    pub const fn name_suffix(self) -> &'static str {
        match self {
            Class::Machine | Class::Portable => "",
            Class::Sysext => ".sysext",
            Class::Confext => ".confext",
        }
    }

    /// The folder that imports of the user scope go to, below `state_home`
    /// (`$XDG_STATE_HOME`, by default `~/.local/state`). All classes share one, as in the reference.
    #[must_use]
    pub fn user_root(self, state_home: &Path) -> PathBuf {
        state_home.join("machines")
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Scope {
    /// The option that selects the scope on a worker's command line.
    #[must_use]
    pub const fn as_option(self) -> &'static str {
        match self {
            Scope::System => "--system",
            Scope::User => "--user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nothing_else_is_a_class() {
        for class in Class::ALL {
            assert_eq!(Class::parse(class.as_str()), Ok(class));
        }
        for text in ["", "Machine", "machines", "machine "] {
            assert_eq!(Class::parse(text), Err(UnknownClass(text.to_owned())));
        }
    }

    #[test]
    fn every_class_imports_into_a_folder_it_also_searches() {
        for class in Class::ALL {
            assert!(class.system_search_path().contains(&class.system_root()));
        }
    }
}
