//! Where an export goes.
//!
//! A file gets its name only when it is complete: until then it is written under a hidden name
//! beside it, so that neither a refusal nor a failure touches what was there before.

use crate::report::Failure;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The destination of an export.
#[derive(Debug)]
pub(crate) enum Target {
    /// Standard output.
    Stdout(io::Stdout),
    /// Something that cannot be replaced by a file, as a pipe.
    Direct(File),
    /// A file.
    Replaced(Unnamed),
}

/// A file without its final name; it is removed if it never gets it.
#[derive(Debug)]
pub(crate) struct Unnamed {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    named: bool,
}

impl Target {
    /// Prepares a destination; without a path it is standard output.
    ///
    /// # Errors
    /// A failure if it cannot be written, or is a terminal.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            let stdout = io::stdout();
            if stdout.is_terminal() {
                return Err(Failure::usage(
                    "Refusing to write an image to a terminal, name a file or redirect the output",
                ));
            }
            return Ok(Target::Stdout(stdout));
        };
        let doing = format!("Failed to open {}", path.display());
        let fail = |error: io::Error| Failure::io(&doing, &error);
        match fs::metadata(path) {
            Ok(found) if found.is_file() => {
                // Only a check: a file that may not be written may not be replaced either.
                OpenOptions::new().write(true).open(path).map_err(fail)?;
                let path = fs::canonicalize(path).map_err(fail)?;
                Unnamed::create(path, Some(found.permissions()))
            }
            Ok(_) => {
                let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
                Ok(Target::Direct(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A dangling link's destination is what gets created.
                let link = fs::read_link(path).ok();
                let folder = path.parent().unwrap_or(Path::new(""));
                let path = link.map_or_else(|| path.to_owned(), |link| folder.join(link));
                Unnamed::create(path, None)
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// Another descriptor of what is to be written.
    ///
    /// # Errors
    /// A failure if there are too many descriptors.
    pub(crate) fn duplicate(&self) -> anyhow::Result<File> {
        let own = match self {
            Target::Stdout(stdout) => stdout.as_fd(),
            Target::Direct(file) => file.as_fd(),
            Target::Replaced(unnamed) => unnamed.file.as_fd(),
        };
        let duplicate = own.try_clone_to_owned();
        Ok(File::from(duplicate.map_err(|error| {
            Failure::io("Failed to pass on the target", &error)
        })?))
    }

    /// Gives a complete file its name.
    ///
    /// # Atomicity
    /// After a crash the name shows the old file or the complete new one.
    ///
    /// # Errors
    /// A failure if the file cannot be flushed or renamed; nothing is left then.
    pub(crate) fn publish(self) -> anyhow::Result<()> {
        match self {
            Target::Stdout(_) | Target::Direct(_) => Ok(()),
            Target::Replaced(unnamed) => {
                let flushed = unnamed.file.sync_all();
                flushed.map_err(|error| {
                    let path = unnamed.path.display();
                    Failure::io(&format!("Failed to flush {path}"), &error)
                })?;
                unnamed.rename()
            }
        }
    }

    /// Gives a file its name although it is still being written: the transfer goes on without us,
    /// and nobody could name it later.
    ///
    /// # Errors
    /// A failure if the file cannot be renamed.
    pub(crate) fn publish_unfinished(self) -> anyhow::Result<()> {
        match self {
            Target::Stdout(_) | Target::Direct(_) => Ok(()),
            Target::Replaced(unnamed) => unnamed.rename(),
        }
    }
}

impl Unnamed {
    fn create(path: PathBuf, permissions: Option<Permissions>) -> anyhow::Result<Target> {
        let fail =
            |error: io::Error| Failure::io(&format!("Failed to open {}", path.display()), &error);
        let name = format!(".#importctl-{:016x}", random().map_err(fail)?);
        let temporary = path.with_file_name(name);
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary);
        let file = created.map_err(fail)?;
        let unnamed = Self {
            file,
            temporary,
            path,
            named: false,
        };
        if let Some(permissions) = permissions {
            let set = unnamed.file.set_permissions(permissions);
            set.map_err(|error| {
                let path = unnamed.path.display();
                Failure::io(&format!("Failed to open {path}"), &error)
            })?;
        }
        Ok(Target::Replaced(unnamed))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the target is a file of the caller's, named by the caller; importd_host is for image folders"
    )]
    fn rename(mut self) -> anyhow::Result<()> {
        fs::rename(&self.temporary, &self.path).map_err(|error| {
            Failure::io(
                &format!("Failed to rename to {}", self.path.display()),
                &error,
            )
        })?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.named {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "the failure that brought us here is the one to report"
            )]
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A number that nobody can guess.
///
/// # Errors
/// Those of reading `/dev/urandom`.
pub(crate) fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn write(target: &Target, text: &str) {
        target
            .duplicate()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |e: io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_or_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let target = Target::open(Some(&path)).unwrap();
        write(&target, "half");
        assert!(!path.exists());
        drop(target);
        assert!(names(folder.path()).is_empty());

        let target = Target::open(Some(&path)).unwrap();
        write(&target, "first");
        target.publish().unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();

        let target = Target::open(Some(&path)).unwrap();
        write(&target, "2");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        target.publish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("file", &link).unwrap();
        for text in ["into a dangling one", "into an existing one"] {
            let target = Target::open(Some(&link)).unwrap();
            write(&target, text);
            target.publish().unwrap();
            assert_eq!(
                fs::read_to_string(folder.path().join("file")).unwrap(),
                text
            );
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
    }

    #[test]
    fn what_is_no_file_is_written_directly_and_folders_are_refused() {
        let target = Target::open(Some(Path::new("/dev/null"))).unwrap();
        assert!(matches!(target, Target::Direct(_)));
        let folder = tempfile::tempdir().unwrap();
        let error = Target::open(Some(folder.path())).unwrap_err().to_string();
        assert!(error.ends_with(": Is a directory"), "{error}");
        let missing = folder.path().join("a/b");
        let error = Target::open(Some(&missing)).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "Failed to open {}: No such file or directory",
                missing.display()
            )
        );
    }
}
