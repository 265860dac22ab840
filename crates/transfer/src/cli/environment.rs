//! What the environment says, read once.

use super::values;
use crate::oci::registry::Surroundings;
use crate::report::LogSettings;
use crate::source::proxies::Proxies;
use crate::source::settings::Settings;
use importd_api::class::UserBases;
use std::path::PathBuf;

/// Everything a worker takes from its environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `SYSTEMD_LOG_TARGET`, `SYSTEMD_LOG_LEVEL`
    pub log: LogSettings,
    /// `SYSTEMD_IMPORT_SYNC`
    pub sync: Option<bool>,
    /// `SYSTEMD_IMPORT_BTRFS_SUBVOL`
    pub btrfs_subvolume: Option<bool>,
    /// `SYSTEMD_IMPORT_BTRFS_QUOTA`
    pub btrfs_quota: Option<bool>,
    /// `SYSTEMD_OPENPGP_KEYRING`, unless empty
    pub keyring: Option<PathBuf>,
    /// `SYSTEMD_SYSUPDATE_VERIFY_FRESHNESS`
    pub freshness: Option<bool>,
    /// `HOME`, `XDG_RUNTIME_DIR`, `XDG_STATE_HOME`: where images of the user scope are.
    pub bases: UserBases,
    /// `IMPORTD_CACHE_DIRECTORY`, unless empty
    pub cache_directory: Option<PathBuf>,
    /// `$XDG_CACHE_HOME`, or `~/.cache`
    pub cache_home: Option<PathBuf>,
    /// `SSL_CERT_FILE`, `SSL_CERT_DIR`: read by the TLS library, and so to be let into the cage.
    pub certificates: Vec<PathBuf>,
    /// `SOURCE_DATE_EPOCH`: when an image that is written was made, in seconds since 1970.
    pub source_date: Option<u64>,
    /// `http_proxy` and its kin; the rest is as usual.
    pub network: Settings,
    /// Where registries are described, and credentials for them are.
    pub registries: Surroundings,
}

impl Environment {
    /// Reads the process's environment.
    #[must_use]
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok();
        let path = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let switch = |name: &str| text(name).and_then(|value| values::boolean(&value));
        let folders = std::env::var_os("SSL_CERT_DIR").unwrap_or_default();
        let certificates = path("SSL_CERT_FILE")
            .into_iter()
            .chain(std::env::split_paths(&folders))
            .filter(|path| !path.as_os_str().is_empty());
        Self {
            log: LogSettings {
                target: text("SYSTEMD_LOG_TARGET"),
                level: text("SYSTEMD_LOG_LEVEL"),
            },
            sync: switch("SYSTEMD_IMPORT_SYNC"),
            btrfs_subvolume: switch("SYSTEMD_IMPORT_BTRFS_SUBVOL"),
            btrfs_quota: switch("SYSTEMD_IMPORT_BTRFS_QUOTA"),
            keyring: path("SYSTEMD_OPENPGP_KEYRING"),
            freshness: switch("SYSTEMD_SYSUPDATE_VERIFY_FRESHNESS"),
            bases: UserBases::new(
                path("HOME"),
                path("XDG_RUNTIME_DIR"),
                path("XDG_STATE_HOME"),
            ),
            cache_directory: path(importd_api::cache::DIRECTORY_VARIABLE),
            cache_home: path("XDG_CACHE_HOME")
                .or_else(|| path("HOME").map(|home| home.join(".cache"))),
            certificates: certificates.collect(),
            source_date: text("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse().ok()),
            network: Settings {
                proxies: Proxies::from_variables(text),
                ..Settings::default()
            },
            registries: Surroundings::from_variables(|name| std::env::var_os(name)),
        }
    }
}
