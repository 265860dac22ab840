//! A unit becomes files.

use crate::unit::{Unit, WANTS};
use anyhow::{Context, Result, bail};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

/// Mode of a unit: everybody may read it, the manager's own tools do.
const UNIT_MODE: u32 = 0o644;
/// Mode of the folder with the links.
const FOLDER_MODE: u32 = 0o755;

/// Writes a unit and the links to it below `folder`.
///
/// # Errors
/// Those of the system; a unit that is there already is one: two downloads into one image.
///
/// # Atomicity
/// The manager reads the folder after this program's end, so nobody sees a unit that is not
/// complete. One that cannot be completed is removed, and links come last.
pub(crate) fn unit(folder: &Path, unit: &Unit) -> Result<()> {
    let path = folder.join(&unit.name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(UNIT_MODE)
        .open(&path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("Another download has the same image: {} exists", unit.name);
        }
        Err(error) => return Err(error).with_context(|| failed(&path)),
    };
    if let Err(error) = file.write_all(unit.text.as_bytes()) {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "nothing wants a unit without a link; the first error is the one to tell"
        )]
        let _ = fs::remove_file(&path);
        return Err(error).with_context(|| failed(&path));
    }
    links(&folder.join(WANTS), &unit.wanted)
}

fn links(folder: &Path, wanted: &[String]) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .with_context(|| failed(folder))?;
    for name in wanted {
        let link = folder.join(name);
        symlink(Path::new("..").join(name), &link).with_context(|| failed(&link))?;
    }
    Ok(())
}

fn failed(path: &Path) -> String {
    format!("Failed to create {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str) -> Unit {
        Unit {
            name: name.to_owned(),
            text: "text".to_owned(),
            wanted: vec![name.to_owned(), "other.service".to_owned()],
        }
    }

    #[test]
    fn a_unit_is_linked_by_names_that_hold_wherever_the_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        unit(folder.path(), &example("a.service")).unwrap();
        let text = fs::read_to_string(folder.path().join("a.service")).unwrap();
        assert_eq!(text, "text");
        for name in ["a.service", "other.service"] {
            let link = folder.path().join(WANTS).join(name);
            let target = fs::read_link(link).unwrap();
            assert_eq!(target, Path::new("..").join(name));
        }
    }

    #[test]
    fn a_unit_that_is_there_is_kept_and_a_name_too_long_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        unit(folder.path(), &example("a.service")).unwrap();
        let mut other = example("a.service");
        other.text = "other".to_owned();
        let error = unit(folder.path(), &other).unwrap_err();
        assert!(error.to_string().contains("the same image"), "{error}");
        let text = fs::read_to_string(folder.path().join("a.service")).unwrap();
        assert_eq!(text, "text");
        assert!(unit(folder.path(), &example(&"x".repeat(256))).is_err());
    }
}
