//! The file that describes a registry, or the images of a name.

use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::oci::description::{DESCRIPTION_MAX, Description};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file for references that no other file is about.
const DEFAULT: &str = "default.oci-registry";

/// A description, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What the file says.
    pub description: Description,
    /// The file.
    pub path: PathBuf,
}

/// The file about a registry.
///
/// # Errors
/// [`Kind::InvalidArgument`] for a file that cannot be understood, [`Kind::TooLarge`] for one of more
/// than [`DESCRIPTION_MAX`] bytes; what open(2) says, but for absence.
pub fn of_registry(folders: &[PathBuf], registry: &str) -> Result<Option<Described>> {
    find(
        folders,
        &format!("registry.{}.oci-registry", escaped(registry)),
    )
}

/// The file about images of a name.
///
/// # Errors
/// As [`of_registry`].
pub fn of_image(folders: &[PathBuf], image: &str) -> Result<Option<Described>> {
    find(folders, &format!("image.{}.oci-registry", escaped(image)))
}

/// The file about everything else.
///
/// # Errors
/// As [`of_registry`].
pub fn of_others(folders: &[PathBuf]) -> Result<Option<Described>> {
    find(folders, DEFAULT)
}

fn find(folders: &[PathBuf], name: &str) -> Result<Option<Described>> {
    for folder in folders {
        let path = folder.join(name);
        let failed = || format!("Failed to read '{}'", path.display());
        match File::open(&path) {
            Ok(file) => return read(file, path).map(Some),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error).doing(failed),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

fn read(file: File, path: PathBuf) -> Result<Described> {
    let bytes = bounded(file, &path, DESCRIPTION_MAX)?;
    let description = Description::parse(&bytes).map_err(|error| {
        let text = format!("The description file '{}' is invalid", path.display());
        Error::caused(Kind::InvalidArgument, text, error)
    })?;
    Ok(Described { description, path })
}

/// All bytes of a small file.
pub(super) fn bounded(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .doing(|| format!("Failed to read '{}'", path.display()))?;
    if bytes.len() as u64 > limit {
        let shown = path.display();
        let text = format!("'{shown}' is larger than the {limit} bytes such a file may have");
        return Err(Error::new(Kind::TooLarge, text));
    }
    Ok(bytes)
}

/// As part of a file name: all but letters, digits, `.`, `-` and `_` as `%` and two lower-case digits.
///
/// # Source
/// systemd-pull of systemd 262.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'.' | b'-' | b'_' => out.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, text: &str) {
        std::fs::create_dir_all(folder).unwrap();
        let mut file = File::create(folder.join(name)).unwrap();
        io::copy(&mut text.as_bytes(), &mut file).unwrap();
    }

    #[test]
    fn names_are_escaped_in_lower_case() {
        assert_eq!(escaped("a2port:5000"), "a2port%3a5000");
        assert_eq!(escaped("a_b-c.d+e/f"), "a_b-c.d%2be%2ff");
    }

    #[test]
    fn the_first_folder_wins_and_missing_ones_play_no_part() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = |name: &str| temporary.path().join(name);
        let tag = |found: Option<Described>| found.and_then(|found| found.description.default_tag);
        let folders = [folder("none"), folder("a"), folder("b")];
        put(
            &folders[2],
            "registry.h%3a1.oci-registry",
            "{\"defaultTag\":\"b\"}",
        );
        assert_eq!(
            tag(of_registry(&folders, "h:1").unwrap()).as_deref(),
            Some("b")
        );
        put(
            &folders[1],
            "registry.h%3a1.oci-registry",
            "{\"defaultTag\":\"a\"}",
        );
        assert_eq!(
            tag(of_registry(&folders, "h:1").unwrap()).as_deref(),
            Some("a")
        );
        assert_eq!(of_registry(&folders, "h").unwrap(), None);
        assert_eq!(of_image(&folders, "h:1").unwrap(), None);
        assert_eq!(of_others(&folders).unwrap(), None);
    }

    #[test]
    fn a_bad_file_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let folders = [temporary.path().to_owned()];
        put(temporary.path(), DEFAULT, "{\"defaultTag\":[]}");
        let error = of_others(&folders).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidArgument);
        assert!(error.doing.contains(DEFAULT), "{error}");
        put(temporary.path(), DEFAULT, &" ".repeat(1 << 17));
        assert_eq!(of_others(&folders).unwrap_err().kind, Kind::TooLarge);
    }
}
