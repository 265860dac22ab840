//! Who may sign downloads.
//!
//! | keys | from |
//! |---|---|
//! | only those | the file that `SYSTEMD_OPENPGP_KEYRING` names, if it names one |
//! | the administrator's | `/etc/systemd/import-pubring.pgp`, else `.gpg` |
//! | the distribution's | `/usr/lib/systemd/import-pubring.pgp`, else `.gpg` |
//! | one file for each signer | `import-keys.d/` in `/etc/systemd`, `/run/systemd`, `/usr/local/lib/systemd`, `/usr/lib/systemd` |
//!
//! In `import-keys.d/`, `*.pgp` and `*.asc` are OpenPGP keys, `*.pub` those of minisign and signify.
//! A file hides those of the same name in later folders; an empty one, or a symbolic link to
//! `/dev/null`, hides them and adds nothing, as everywhere in systemd's configuration.

use super::signatures::Found;
use super::verdict::{Signed, System};
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::minisign;
use importd_formats::pgp::{self, KEYRING_MAX, Keyring};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The administrator's keyring; the second name is an older one, looked for if the first is missing.
const LOCAL: [&str; 2] = [
    "etc/systemd/import-pubring.pgp",
    "etc/systemd/import-pubring.gpg",
];
/// The distribution's keyring; the second name is that of older releases.
const VENDOR: [&str; 2] = [
    "usr/lib/systemd/import-pubring.pgp",
    "usr/lib/systemd/import-pubring.gpg",
];
/// Folders of key files; earlier ones hide later ones.
const FOLDERS: [&str; 4] = [
    "etc/systemd/import-keys.d",
    "run/systemd/import-keys.d",
    "usr/local/lib/systemd/import-keys.d",
    "usr/lib/systemd/import-keys.d",
];
/// Most entries looked at in one of the folders; more than anybody trusts.
const FOLDER_ENTRIES_MAX: usize = 1000;
/// Where keys belong, for messages.
const ADVICE: &str = "/etc/systemd/import-keys.d/ (NAME.pgp or NAME.asc, or NAME.pub of minisign or \
                      signify)";

/// What signatures are judged by.
#[derive(Debug)]
pub struct Trust {
    /// Who may sign.
    pub keys: Keys,
    /// Whether a list that is past its `BEST-BEFORE` day is refused.
    pub is_freshness_demanded: bool,
}

/// The keys that may sign.
#[derive(Debug, Default)]
pub struct Keys {
    openpgp: Keyring,
    minisign: minisign::Keys,
    /// The only file that counts, if one was named.
    given: Option<PathBuf>,
    warnings: Vec<String>,
}

/// Why a signature proves nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    OpenPgp(#[from] pgp::Error),
    #[error(transparent)]
    Minisign(#[from] minisign::Error),
}

impl Keys {
    /// Reads the keys: those of the file given (`SYSTEMD_OPENPGP_KEYRING`), or all that the
    /// administrator and the distribution trust. A file that holds none is left out, with a
    /// [warning](Keys::warnings).
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none; [`Kind::Corrupt`] if none can be read, or not the one
    /// that was given; [`Kind::InvalidArgument`] if its path is not absolute.
    pub fn load(given: Option<&Path>) -> Result<Self> {
        match given {
            Some(path) => Self::only(path),
            None => Self::below(Path::new("/")),
        }
    }

    fn only(path: &Path) -> Result<Self> {
        if !path.is_absolute() {
            let text = format!(
                "SYSTEMD_OPENPGP_KEYRING names '{}', which is not absolute",
                path.display()
            );
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let mut keys = Self {
            given: Some(path.to_owned()),
            ..Self::default()
        };
        match keys.add(path) {
            Ok(true) => Ok(keys),
            Ok(false) => {
                let text = format!("Keyring '{}' does not exist", path.display());
                Err(Error::new(Kind::NotFound, text))
            }
            Err(error) => Err(error),
        }
    }

    /// All keys of a system.
    fn below(root: &Path) -> Result<Self> {
        let mut keys = Self::default();
        let mut paths = Vec::new();
        for places in [LOCAL, VENDOR] {
            paths.extend(
                places
                    .map(|path| root.join(path))
                    .into_iter()
                    .find(|path| path.exists()),
            );
        }
        paths.extend(keys.files_of_folders(root));
        for path in paths {
            if let Err(error) = keys.add(&path) {
                keys.warn(&error);
            }
        }
        if !keys.openpgp.is_empty() || !keys.minisign.is_empty() {
            return Ok(keys);
        }
        let text = format!(
            "put the keys you trust into {ADVICE}, name a keyring in SYSTEMD_OPENPGP_KEYRING, or \
             use --verify=checksum"
        );
        Err(match keys.warnings.first() {
            None => Error::new(Kind::NotFound, format!("No keyring was found: {text}")),
            Some(warning) => Error::new(
                Kind::Corrupt,
                format!("No usable key was found ({warning}): {text}"),
            ),
        })
    }

    /// What was wrong with key files that were left out.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn warn(&mut self, error: &Error) {
        let reason = crate::error::chain(error);
        self.warnings.push(format!("{reason}; it is left out."));
    }

    /// The key files of the folders, by name; those that are hidden are left out.
    fn files_of_folders(&mut self, root: &Path) -> Vec<PathBuf> {
        let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        for folder in FOLDERS.map(|folder| root.join(folder)) {
            let failed = || format!("Failed to read '{}'", folder.display());
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.warn(&Error::io(failed(), error));
                    continue;
                }
            };
            for entry in entries.take(FOLDER_ENTRIES_MAX) {
                match entry {
                    Ok(entry) => {
                        files
                            .entry(entry.file_name())
                            .or_insert_with(|| entry.path());
                    }
                    Err(error) => self.warn(&Error::io(failed(), error)),
                }
            }
        }
        let mut files: Vec<PathBuf> = files.into_values().collect();
        files.retain(|path| is_key_file(path) && !is_mask(path));
        files
    }

    fn add(&mut self, path: &Path) -> Result<bool> {
        let failed = || format!("Failed to read keyring '{}'", path.display());
        match std::fs::metadata(path) {
            Ok(status) if status.is_file() => {}
            Ok(_) => {
                let text = format!("{}: it is no file", failed());
                return Err(Error::new(Kind::Corrupt, text));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io(failed(), error)),
        }
        let file = std::fs::File::open(path).doing(failed)?;
        let mut bytes = Vec::new();
        file.take(KEYRING_MAX + 1)
            .read_to_end(&mut bytes)
            .doing(failed)?;
        if bytes.len() as u64 > KEYRING_MAX {
            let text = format!("{}: it is larger than {KEYRING_MAX} bytes", failed());
            return Err(Error::new(Kind::TooLarge, text));
        }
        let name = path.display().to_string();
        let is_minisign = path.extension().is_some_and(|ending| ending == "pub");
        let added = match is_minisign {
            true => self.minisign.add(&name, &bytes).map_err(Refusal::from),
            false => self
                .openpgp
                .add(&name, &bytes)
                .map(drop)
                .map_err(Refusal::from),
        };
        added.map_err(|error| Error::caused(Kind::Corrupt, failed(), error))?;
        Ok(true)
    }

    /// Judges a detached signature, of whatever kind it is.
    pub(super) fn judge(
        &self,
        signature: &Found,
        bytes: &[u8],
        now: SystemTime,
    ) -> std::result::Result<Signed, Refusal> {
        if minisign::is_signature(&signature.bytes) {
            let verdict = minisign::verify(&self.minisign, &signature.bytes, bytes)?;
            return Ok(Signed {
                url: signature.url.clone(),
                system: System::Minisign,
                key_id: verdict.key_id,
                fingerprint: None,
                signer: verdict.key_comment,
                key_file: verdict.key_file,
                created: verdict.created,
                comment: verdict.trusted_comment,
                notices: Vec::new(),
            });
        }
        let verdict = pgp::verify(&self.openpgp, &signature.bytes, bytes, now)?;
        Ok(Signed::by_openpgp(signature.url.clone(), verdict))
    }

    /// Judges a clear-signed text; returns the text that was signed.
    pub(super) fn judge_clear(
        &self,
        file: &Found,
        now: SystemTime,
    ) -> std::result::Result<(Signed, Vec<u8>), Refusal> {
        let (verdict, text) = pgp::verify_clear_signed(&self.openpgp, &file.bytes, now)?;
        Ok((Signed::by_openpgp(file.url.clone(), verdict), text))
    }

    /// What can be done about a refusal, as the rest of a sentence.
    pub(super) fn advice(&self, refusal: &Refusal) -> String {
        let is_missing = matches!(
            refusal,
            Refusal::OpenPgp(pgp::Error::UnknownKey(_) | pgp::Error::NoKeys)
                | Refusal::Minisign(minisign::Error::UnknownKey(_))
        );
        let place = match &self.given {
            _ if !is_missing => return String::new(),
            Some(path) => format!("'{}', which SYSTEMD_OPENPGP_KEYRING names", path.display()),
            None => ADVICE.to_owned(),
        };
        format!(
            "; if you trust its key, add it to {place}, or use --verify=checksum if you trust the \
             server and the way to it"
        )
    }
}

fn is_key_file(path: &Path) -> bool {
    let endings = ["pgp", "asc", "pub"];
    let ending = path.extension();
    ending.is_some_and(|ending| endings.iter().any(|known| ending == *known))
}

/// Whether a file is there only to hide others of its name.
fn is_mask(path: &Path) -> bool {
    let is_nothing = std::fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null"));
    is_nothing || std::fs::metadata(path).is_ok_and(|status| status.is_file() && status.len() == 0)
}

#[cfg(test)]
mod tests;
