//! The keys that may sign downloads, from the places of the reference.

use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::pgp::{KEYRING_MAX, Keyring};
use std::io::Read;
use std::path::Path;

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

/// Reads the keyring: the one given (`SYSTEMD_OPENPGP_KEYRING`), or the administrator's and the
/// distribution's together.
///
/// # Errors
/// [`Kind::NotFound`] if there is none; [`Kind::Corrupt`] if one cannot be read as such.
pub fn load(given: Option<&Path>) -> Result<Keyring> {
    let mut keyring = Keyring::new();
    if let Some(path) = given {
        if !path.is_absolute() {
            let text = format!(
                "SYSTEMD_OPENPGP_KEYRING names '{}', which is not absolute",
                path.display()
            );
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        if !add(&mut keyring, path)? {
            let text = format!("Keyring '{}' does not exist", path.display());
            return Err(Error::new(Kind::NotFound, text));
        }
        return Ok(keyring);
    }
    let mut any = false;
    for places in [LOCAL, VENDOR] {
        for path in places {
            if add(&mut keyring, Path::new(path))? {
                any = true;
                break;
            }
        }
    }
    if any {
        return Ok(keyring);
    }
    let text = format!(
        "No keyring was found: put the keys you trust into {}, name a keyring in \
         SYSTEMD_OPENPGP_KEYRING, or use --verify=checksum",
        LOCAL[0]
    );
    Err(Error::new(Kind::NotFound, text))
}

fn add(keyring: &mut Keyring, path: &Path) -> Result<bool> {
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
    keyring
        .add(&path.display().to_string(), &bytes)
        .map_err(|error| Error::caused(Kind::Corrupt, failed(), error))?;
    Ok(true)
}
