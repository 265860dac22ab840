//! What the environment says; read once, in `main`.

use crate::args::Progress;
use crate::pager;
use crate::screen::Look;
use crate::units;
use importd_api::worker;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variables that matter here. The bus library and the time zone read their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `$XDG_STATE_HOME`, by default `~/.local/state`.
    pub(crate) state_home: PathBuf,
    /// `$XDG_RUNTIME_DIR`.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// `$HOME`.
    pub(crate) home: PathBuf,
    /// Whether colours are allowed.
    pub(crate) colors: bool,
    /// Whether `$TERM` names a terminal that knows no sequences, or none at all.
    pub(crate) dumb: bool,
    /// `$COLUMNS`
    pub(crate) columns: Option<u16>,
    /// What is said of pagers.
    pub(crate) pager: pager::Variables,
    /// `$SYSTEMD_BUS_TIMEOUT`: how long an answer of the service is waited for.
    pub(crate) answer_max: Option<Duration>,
    /// `$SYSTEMD_SSH`, by default `ssh`: what reaches other hosts.
    pub(crate) ssh: OsString,
    /// `$IMPORTD_WORKER_DIRECTORY`.
    pub(crate) workers: Option<PathBuf>,
    /// The folder of this program.
    pub(crate) own_folder: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment.
    pub(crate) fn read() -> Self {
        let path = |name| {
            let value = env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let text = |name| env::var(name).unwrap_or_default();
        let home = path("HOME").unwrap_or_else(|| PathBuf::from("/"));
        let dumb = matches!(text("TERM").as_str(), "" | "dumb");
        let columns = text("COLUMNS").parse().ok();
        let ssh = env::var_os("SYSTEMD_SSH").filter(|program| !program.is_empty());
        let colors_off = !text("NO_COLOR").is_empty()
            || matches!(
                text("SYSTEMD_COLORS").as_str(),
                "0" | "no" | "false" | "off"
            )
            || dumb;
        Self {
            state_home: path("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            home,
            colors: !colors_off,
            dumb,
            columns: columns.filter(|columns| *columns > 0),
            pager: pager::Variables::read(),
            answer_max: units::parse_duration(&text("SYSTEMD_BUS_TIMEOUT")),
            ssh: ssh.unwrap_or_else(|| "ssh".into()),
            workers: path(worker::WORKER_DIRECTORY_VARIABLE),
            own_folder: env::current_exe()
                .ok()
                .and_then(|program| program.parent().map(Path::to_owned)),
        }
    }

    /// The folder of a worker: the one of the variable, else this program's if the worker is
    /// there (a build folder), else where it is installed.
    pub(crate) fn worker_directory(&self, file_name: &str) -> PathBuf {
        if let Some(folder) = &self.workers {
            return folder.clone();
        }
        let beside = self.own_folder.iter();
        beside
            .filter(|folder| folder.join(file_name).is_file())
            .map(Clone::clone)
            .next()
            .unwrap_or_else(|| PathBuf::from(worker::WORKER_DIRECTORY))
    }

    /// How output looks.
    pub(crate) fn look(&self, quiet: bool, progress: Progress) -> Look {
        Look {
            quiet,
            colors: self.colors,
            dumb: self.dumb,
            columns: self.columns,
            progress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_found_by_variable_then_beside_us_then_where_installed() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment {
            own_folder: Some(folder.path().to_owned()),
            ..Environment::default()
        };
        let installed = Path::new("/usr/lib/systemd");
        assert_eq!(environment.worker_directory("systemd-pull"), installed);
        std::fs::File::create(folder.path().join("systemd-pull")).unwrap();
        assert_eq!(environment.worker_directory("systemd-pull"), folder.path());
        assert_eq!(environment.worker_directory("systemd-export"), installed);
        environment.workers = Some(PathBuf::from("/w"));
        assert_eq!(
            environment.worker_directory("systemd-pull"),
            Path::new("/w")
        );
    }
}
