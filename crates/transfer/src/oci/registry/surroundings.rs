//! What the environment says about registries.

use std::ffi::OsString;
use std::path::PathBuf;

/// Folders of description files, the first one with a file wins.
///
/// # Source
/// systemd-pull of systemd 262.
const FOLDERS: [&str; 4] = [
    "/etc/systemd/oci-registry",
    "/run/systemd/oci-registry",
    "/usr/local/lib/systemd/oci-registry",
    "/usr/lib/systemd/oci-registry",
];

/// Where description files and credentials are looked for. The default is a system without a user:
/// the usual folders, and no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Folders of description files, in the order in which they are searched.
    /// `IMPORTD_OCI_REGISTRY_PATH`, separated by colons, replaces the usual ones: for tests.
    pub descriptions: Vec<PathBuf>,
    /// `CREDENTIALS_DIRECTORY`
    pub credentials_directory: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`
    pub auth_file: Option<PathBuf>,
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`
    pub runtime: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub config_home: Option<PathBuf>,
    /// `DOCKER_CONFIG`
    pub docker_config: Option<PathBuf>,
    /// `PATH`: where programs that know credentials are.
    pub path: Option<OsString>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self::from_variables(|_| None)
    }
}

impl Surroundings {
    /// By what the environment's variables are. Paths that are not absolute are as none.
    pub fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| {
            let path = get(name).map(PathBuf::from)?;
            path.is_absolute().then_some(path)
        };
        let folders = get("IMPORTD_OCI_REGISTRY_PATH").map(|text| {
            let folders = std::env::split_paths(&text);
            folders.filter(|path| path.is_absolute()).collect()
        });
        Self {
            descriptions: folders.unwrap_or_else(|| FOLDERS.map(PathBuf::from).to_vec()),
            credentials_directory: path("CREDENTIALS_DIRECTORY"),
            auth_file: path("REGISTRY_AUTH_FILE"),
            home: path("HOME"),
            runtime: path("XDG_RUNTIME_DIR"),
            config_home: path("XDG_CONFIG_HOME"),
            docker_config: path("DOCKER_CONFIG"),
            path: get("PATH"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_path_can_be_replaced() {
        let usual = Surroundings::default();
        assert_eq!(usual.descriptions.len(), FOLDERS.len());
        let given = Surroundings::from_variables(|name| match name {
            "IMPORTD_OCI_REGISTRY_PATH" => Some("/a:b:/c".into()),
            "HOME" => Some("relative".into()),
            _ => None,
        });
        assert_eq!(given.descriptions, [PathBuf::from("/a"), "/c".into()]);
        assert_eq!(given.home, None);
    }
}
