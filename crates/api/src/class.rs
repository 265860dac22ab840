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

    /// The folder of the class below each base of the user scope. The reference searches the first
    /// two, puts all four classes into the first, and searches nothing for extensions; they have
    /// folders here so that an extension and a machine of one name do not meet.
    const fn user_folder(self) -> &'static str {
        match self {
            Class::Machine => "machines",
            Class::Portable => "portables",
            Class::Sysext => "extensions",
            Class::Confext => "confexts",
        }
    }

    /// The folder that imports of the user scope go to, below `state_home`
    /// (`$XDG_STATE_HOME`, by default `~/.local/state`).
    #[must_use]
    pub fn user_root(self, state_home: &Path) -> PathBuf {
        state_home.join(self.user_folder())
    }
}

/// Where the images of a user lie: folders with a folder for each class in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserBases {
    /// `$XDG_RUNTIME_DIR`: images that are gone at the next boot.
    pub runtime: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, by default `~/.local/state`: where imports go.
    pub state: Option<PathBuf>,
    /// `~/.local/lib`: what the user has put there by hand.
    pub library: Option<PathBuf>,
}

impl UserBases {
    /// The bases that these variables of the environment name, where they are set.
    #[must_use]
    pub fn new(
        home: Option<PathBuf>,
        runtime: Option<PathBuf>,
        state_home: Option<PathBuf>,
    ) -> Self {
        let local = home.map(|home| home.join(".local"));
        Self {
            runtime,
            state: state_home.or_else(|| local.as_ref().map(|local| local.join("state"))),
            library: local.map(|local| local.join("lib")),
        }
    }

    /// The folders searched for images of a class, first match wins.
    ///
    /// # Source
    /// importctl(1), section "Image Store", of the user scope.
    #[must_use]
    pub fn search_path(&self, class: Class) -> Vec<PathBuf> {
        let bases = [&self.runtime, &self.state, &self.library];
        bases
            .into_iter()
            .flatten()
            .map(|base| base.join(class.user_folder()))
            .collect()
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
        let bases = UserBases::new(Some("/home/u".into()), Some("/run/user/1".into()), None);
        let roots = Class::ALL.map(|class| {
            let root = class.user_root(bases.state.as_deref().unwrap());
            assert!(bases.search_path(class).contains(&root));
            root
        });
        let distinct: std::collections::BTreeSet<_> = roots.iter().collect();
        assert_eq!(distinct.len(), Class::ALL.len());
    }

    #[test]
    fn a_users_images_are_found_where_the_reference_looks() {
        let home = Some(PathBuf::from("/home/u"));
        let bases = UserBases::new(home.clone(), Some("/run/user/1".into()), None);
        let expected = [
            "/run/user/1/machines",
            "/home/u/.local/state/machines",
            "/home/u/.local/lib/machines",
        ];
        assert_eq!(
            bases.search_path(Class::Machine),
            expected.map(PathBuf::from)
        );
        let bases = UserBases::new(home, None, Some("/state".into()));
        let expected = ["/state/portables", "/home/u/.local/lib/portables"];
        assert_eq!(
            bases.search_path(Class::Portable),
            expected.map(PathBuf::from)
        );
        let none = UserBases::new(None, None, None);
        assert!(none.search_path(Class::Machine).is_empty());
    }
}
