//! Who may sign downloads: the keys in the places of the reference.

use super::signatures::Found;
use super::verdict::Signed;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::pgp::{self, KEYRING_MAX, Keyring};
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

/// The administrator's keyring; the second name is an older one, looked for if the first is missing.
const LOCAL: [&str; 2] = [
    "/etc/systemd/import-pubring.pgp",
    "/etc/systemd/import-pubring.gpg",
];
/// The distribution's keyring; the second name is that of older releases.
const VENDOR: [&str; 2] = [
    "/usr/lib/systemd/import-pubring.pgp",
    "/usr/lib/systemd/import-pubring.gpg",
];

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
    warnings: Vec<String>,
}

impl Keys {
    /// Reads the keys: those of the file given (`SYSTEMD_OPENPGP_KEYRING`), or the administrator's
    /// and the distribution's together.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none; [`Kind::Corrupt`] if one cannot be read as such.
    pub fn load(given: Option<&Path>) -> Result<Self> {
        let mut keys = Self::default();
        if let Some(path) = given {
            if !path.is_absolute() {
                let text = format!(
                    "SYSTEMD_OPENPGP_KEYRING names '{}', which is not absolute",
                    path.display()
                );
                return Err(Error::new(Kind::InvalidArgument, text));
            }
            if !keys.add(path)? {
                let text = format!("Keyring '{}' does not exist", path.display());
                return Err(Error::new(Kind::NotFound, text));
            }
            return Ok(keys);
        }
        let mut any = false;
        for places in [LOCAL, VENDOR] {
            for path in places {
                if keys.add(Path::new(path))? {
                    any = true;
                    break;
                }
            }
        }
        if any {
            return Ok(keys);
        }
        let text = format!(
            "No keyring was found: put the keys you trust into {}, name a keyring in \
             SYSTEMD_OPENPGP_KEYRING, or use --verify=checksum",
            LOCAL[0]
        );
        Err(Error::new(Kind::NotFound, text))
    }

    /// What was wrong with key files that were left out.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Judges a signature.
    pub(super) fn judge(
        &self,
        signature: &Found,
        bytes: &[u8],
        now: SystemTime,
    ) -> std::result::Result<Signed, pgp::Error> {
        let verdict = pgp::verify(&self.openpgp, &signature.bytes, bytes, now)?;
        Ok(Signed {
            url: signature.url.clone(),
            key_id: verdict.key_id,
            fingerprint: Some(verdict.fingerprint),
            signer: verdict.user_id,
            key_file: verdict.keyring,
            created: Some(u64::from(verdict.created)),
            notices: verdict.notices,
        })
    }

    /// What can be done about a refusal, as the rest of a sentence.
    pub(super) fn advice(&self, error: &pgp::Error) -> String {
        match error {
            pgp::Error::UnknownKey(_) | pgp::Error::NoKeys => format!(
                "; if you trust its key, add it to {}, or use --verify=checksum if you trust the \
                 server and the way to it",
                LOCAL[0]
            ),
            _ => String::new(),
        }
    }

    fn add(&mut self, path: &Path) -> Result<bool> {
        let failed = || format!("Failed to read keyring '{}'", path.display());
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io(failed(), error)),
        };
        let mut bytes = Vec::new();
        file.take(KEYRING_MAX + 1)
            .read_to_end(&mut bytes)
            .doing(failed)?;
        self.openpgp
            .add(&path.display().to_string(), &bytes)
            .map_err(|error| Error::caused(Kind::Corrupt, failed(), error))?;
        Ok(true)
    }
}
