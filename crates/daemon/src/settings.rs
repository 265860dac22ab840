//! What the daemon was told: by its command line the scope, by its environment the rest.
//!
//! The environment is read once, by `main`, and handed on from here.

use crate::images::Places;
use crate::leftovers::ImageRoots;
use crate::log::control::{Control, Level, Target};
use crate::pressure::Watch;
use crate::varlink::listener::Address;
use importd_api::cache;
use importd_api::class::{Class, Scope, UserBases};
use importd_api::worker::{WORKER_DIRECTORY, WORKER_DIRECTORY_VARIABLE};
use importd_host::config;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a worker may take to end after SIGTERM before it gets SIGKILL. Workers remove their
/// unfinished image meanwhile, which takes a while for a large tree; the service manager waits
/// 90 s by default before it kills the daemon, so this must stay well below.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long the daemon waits for something to do before it exits; the next call starts it again.
pub const REST: Duration = Duration::from_secs(30);

/// Environment variable with another such time, in seconds; 0: it never exits by itself. For those
/// who start it themselves, and for tests.
const REST_VARIABLE: &str = "IMPORTD_IDLE_EXIT_SEC";

/// Environment variable with the one folder that the service's configuration is read from, instead of
/// those of the system. For those who start it themselves, and for tests.
const CONFIGURATION_VARIABLE: &str = "IMPORTD_CONFIG_DIRECTORY";

/// Environment variable with the path of another Varlink socket, or nothing for none. For those who
/// start it themselves, and for tests.
const VARLINK_VARIABLE: &str = "IMPORTD_VARLINK_SOCKET";

/// Runtime directory of the system scope, the one the unit asks for.
const RUNTIME_DIRECTORY: &str = "/run/systemd/importd";

/// The daemon's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose images; which bus.
    pub scope: Scope,
    /// Address of the bus; `None`: where the bus of the scope usually is.
    pub bus_address: Option<String>,
    /// Where the Varlink socket is if none is passed; `None`: nowhere.
    pub varlink: Option<Address>,
    /// Folder of the worker programs.
    pub worker_directory: PathBuf,
    /// How much the daemon and its workers log, and where to.
    pub log: Control,
    /// Where the last transfer number is kept; `None`: nowhere.
    pub runtime_directory: Option<PathBuf>,
    /// Where images lie.
    pub places: Places,
    /// Where images are made; leftovers of killed workers are removed from there.
    pub image_roots: ImageRoots,
    /// Where workers keep unfinished downloads; `None`: nowhere.
    pub downloads: Option<PathBuf>,
    /// How many descriptors a worker may have; `None`: as many as the daemon.
    pub worker_open_files: Option<u64>,
    /// Folders of `importd.conf`, the most important first.
    pub configuration: Vec<PathBuf>,
    /// What tells that memory is short.
    pub pressure: Watch,
    /// How long a worker may take to end after SIGTERM.
    pub grace: Duration,
    /// How long to wait for something to do before exiting; `None`: for ever.
    pub rest: Option<Duration>,
}

impl Settings {
    /// Settings of a daemon of `scope`, from the environment variables that `variable` returns.
    ///
    /// `DBUS_SYSTEM_BUS_ADDRESS` or `DBUS_SESSION_BUS_ADDRESS`, `IMPORTD_CACHE_DIRECTORY`,
    /// `IMPORTD_CONFIG_DIRECTORY`, `IMPORTD_IDLE_EXIT_SEC`, `IMPORTD_VARLINK_SOCKET`,
    /// `IMPORTD_WORKER_DIRECTORY`,
    /// `MEMORY_PRESSURE_WATCH`, `MEMORY_PRESSURE_WRITE`, `RUNTIME_DIRECTORY`,
    /// `SYSTEMD_LOG_LEVEL`, `SYSTEMD_LOG_TARGET`, and in the user scope `HOME`, `XDG_CACHE_HOME`,
    /// `XDG_RUNTIME_DIR`, `XDG_STATE_HOME`. Paths that are not absolute are ignored.
    #[must_use]
    pub fn from_environment(
        scope: Scope,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Self {
        let path = |name| absolute(variable(name));
        let text = |name| variable(name).and_then(|value| value.into_string().ok());
        let level = text("SYSTEMD_LOG_LEVEL").and_then(|name| Level::parse(&name));
        let target = text("SYSTEMD_LOG_TARGET").and_then(|name| Target::parse(&name));
        let rest = text(REST_VARIABLE).and_then(|seconds| seconds.parse().ok());
        let rest = rest.map_or(REST, Duration::from_secs);
        let (folders, address) = match scope {
            Scope::System => (Folders::system(), "DBUS_SYSTEM_BUS_ADDRESS"),
            Scope::User => (Folders::user(path), "DBUS_SESSION_BUS_ADDRESS"),
        };
        let cache_home =
            path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
        let cache_home = cache_home.as_deref();
        let runtime = path("XDG_RUNTIME_DIR");
        Self {
            scope,
            bus_address: variable(address).and_then(|address| address.into_string().ok()),
            varlink: varlink(scope, variable(VARLINK_VARIABLE), runtime.as_deref()),
            worker_directory: path(WORKER_DIRECTORY_VARIABLE)
                .unwrap_or_else(|| PathBuf::from(WORKER_DIRECTORY)),
            log: Control::new(level.unwrap_or_default(), target.unwrap_or_default()),
            runtime_directory: path("RUNTIME_DIRECTORY").or(folders.runtime),
            places: folders.places,
            image_roots: folders.image_roots,
            downloads: cache::directory(scope, path(cache::DIRECTORY_VARIABLE), cache_home),
            worker_open_files: None,
            configuration: match path(CONFIGURATION_VARIABLE) {
                Some(folder) => vec![folder],
                None => config::FOLDERS.map(PathBuf::from).to_vec(),
            },
            pressure: Watch::parse(
                variable("MEMORY_PRESSURE_WATCH"),
                text("MEMORY_PRESSURE_WRITE").as_deref(),
            ),
            grace: GRACE,
            rest: Some(rest).filter(|rest| !rest.is_zero()),
        }
    }
}

/// The Varlink socket: the usual one of the scope, `asked` if it is a path, none if it is empty.
fn varlink(scope: Scope, asked: Option<OsString>, runtime: Option<&Path>) -> Option<Address> {
    if asked.as_ref().is_some_and(|asked| asked.is_empty()) {
        return None;
    }
    let usual = Address::usual(scope, runtime);
    match absolute(asked) {
        None => usual,
        Some(path) => Some(Address {
            path,
            mode: Address::mode(scope),
        }),
    }
}

/// The folders of a scope.
struct Folders {
    runtime: Option<PathBuf>,
    places: Places,
    image_roots: ImageRoots,
}

impl Folders {
    fn system() -> Self {
        let roots = Class::ALL
            .into_iter()
            .map(|class| (class, class.system_root().into()));
        Self {
            runtime: Some(PathBuf::from(RUNTIME_DIRECTORY)),
            places: Places::system(),
            image_roots: roots.collect(),
        }
    }

    fn user(path: impl Fn(&'static str) -> Option<PathBuf>) -> Self {
        let runtime = path("XDG_RUNTIME_DIR");
        let bases = UserBases::new(path("HOME"), runtime.clone(), path("XDG_STATE_HOME"));
        let roots = Class::ALL.into_iter().filter_map(|class| {
            let root = class.user_root(bases.state.as_deref()?);
            Some((class, root))
        });
        Self {
            runtime: runtime.map(|runtime| runtime.join("systemd/importd")),
            places: Places::user(&bases),
            image_roots: roots.collect(),
        }
    }
}

fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value
        .map(PathBuf::from)
        .filter(|path: &PathBuf| Path::is_absolute(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(scope: Scope, variables: &[(&str, &str)]) -> Settings {
        Settings::from_environment(scope, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn an_empty_environment_means_the_installed_service() {
        let settings = settings(Scope::System, &[]);
        assert_eq!(settings.worker_directory, Path::new("/usr/lib/systemd"));
        assert_eq!(settings.log.level().as_str(), "info");
        assert_eq!(settings.log.target().as_str(), "auto");
        let runtime = settings.runtime_directory.unwrap();
        assert_eq!(runtime, Path::new("/run/systemd/importd"));
        assert_eq!(settings.grace, Duration::from_secs(10));
        assert_eq!(settings.rest, Some(Duration::from_secs(30)));
        let downloads = settings.downloads.unwrap();
        assert_eq!(downloads, Path::new("/var/cache/importd"));
    }

    #[test]
    fn variables_win_if_they_make_sense() {
        let variables = [
            ("IMPORTD_WORKER_DIRECTORY", "/build"),
            ("IMPORTD_IDLE_EXIT_SEC", "0"),
            ("RUNTIME_DIRECTORY", "/run/x"),
            ("SYSTEMD_LOG_LEVEL", "debug"),
            ("SYSTEMD_LOG_TARGET", "kmsg"),
        ];
        let ours = settings(Scope::System, &variables);
        assert_eq!(ours.worker_directory, Path::new("/build"));
        assert_eq!(ours.runtime_directory.unwrap(), Path::new("/run/x"));
        assert_eq!(ours.rest, None);
        assert_eq!(ours.log.level().as_str(), "debug");
        assert_eq!(ours.log.target().as_str(), "kmsg");
        let relative = settings(Scope::System, &[("IMPORTD_WORKER_DIRECTORY", "build")]);
        assert_eq!(relative.worker_directory, Path::new("/usr/lib/systemd"));
    }

    #[test]
    fn a_users_daemon_keeps_to_the_users_folders() {
        let variables = [("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/1")];
        let runtime = settings(Scope::User, &variables).runtime_directory;
        assert_eq!(runtime.unwrap(), Path::new("/run/user/1/systemd/importd"));
        let downloads = settings(Scope::User, &variables).downloads;
        assert_eq!(downloads.unwrap(), Path::new("/home/u/.cache/importd"));
        assert_eq!(settings(Scope::User, &[]).runtime_directory, None);
    }
}
