//! Where an export goes.
//!
//! A file gets its name only when it is complete: until then it is written under a hidden name
//! beside it, so that neither a refusal nor a failure touches what was there before. Where a new
//! file could not take the place of the old one, or would differ from it in more than its bytes,
//! the old one is emptied and written, as the reference does with all.

use crate::report::Failure;
use crate::system;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The destination of an export.
#[derive(Debug)]
pub(crate) enum Target {
    /// Standard output.
    Stdout(io::Stdout),
    /// Something that cannot be replaced by a new file, as a pipe.
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
            Ok(found) if found.is_file() => replace(path, &found),
            Ok(_) => OpenOptions::new()
                .write(true)
                .open(path)
                .map(Target::Direct),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A dangling link's destination is what gets created.
                let link = fs::read_link(path).ok();
                let folder = path.parent().unwrap_or(Path::new(""));
                let path = link.map_or_else(|| path.to_owned(), |link| folder.join(link));
                Unnamed::create(path.clone())
                    .map_or_else(|_| overwrite(&path), |new| Ok(new.into()))
            }
            Err(error) => Err(error),
        }
        .map_err(fail)
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

impl From<Unnamed> for Target {
    fn from(unnamed: Unnamed) -> Self {
        Target::Replaced(unnamed)
    }
}

/// A target in the place of a file; the file itself where a new one would not be the same but for
/// its bytes.
fn replace(path: &Path, found: &Metadata) -> io::Result<Target> {
    // Only a check: a file that may not be written may not be replaced either.
    OpenOptions::new().write(true).open(path)?;
    let path = fs::canonicalize(path)?;
    // Another name would keep the old bytes; and a mount point cannot be renamed over.
    if found.nlink() > 1 || system::is_mount_point(&path) {
        return overwrite(&path);
    }
    match Unnamed::create(path.clone()).and_then(|new| new.take_after(found)) {
        Ok(Some(new)) => Ok(new.into()),
        Ok(None) | Err(_) => overwrite(&path),
    }
}

/// A file as it stands, emptied; made if it is not there.
fn overwrite(path: &Path) -> io::Result<Target> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).open(path)?;
    Ok(Target::Direct(file))
}

impl Unnamed {
    fn create(path: PathBuf) -> io::Result<Self> {
        let name = format!(".#importctl-{:016x}", random()?);
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        Ok(Self {
            file,
            temporary,
            path,
            named: false,
        })
    }

    /// Takes on the mode of the file to be replaced; `None` if that belongs to somebody else.
    fn take_after(self, old: &Metadata) -> io::Result<Option<Self>> {
        let new = self.file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            return Ok(None);
        }
        self.file.set_permissions(old.permissions())?;
        Ok(Some(self))
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
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    /// Longest path that a system call takes, in bytes (limits.h, PATH_MAX without the NUL).
    const PATH_MAX: usize = 4095;

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

    fn is_direct(target: &Target) -> bool {
        matches!(target, Target::Direct(_))
    }

    #[test]
    fn a_file_with_two_names_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["out", "other"].map(|name| folder.path().join(name));
        File::create(&path).unwrap().write_all(b"longer").unwrap();
        fs::hard_link(&path, &other).unwrap();
        let target = Target::open(Some(&path)).unwrap();
        assert!(is_direct(&target));
        write(&target, "new");
        target.publish().unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "new");
        assert_eq!(names(folder.path()), ["other", "out"]);
    }

    #[test]
    fn a_file_of_somebody_else_stays_theirs() {
        if !system::is_root() {
            println!("skipped: only root can give files away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for (uid, gid) in [(65534, 0), (0, 65534)] {
            File::create(&path).unwrap().write_all(b"longer").unwrap();
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
            let target = Target::open(Some(&path)).unwrap();
            assert!(is_direct(&target));
            write(&target, "new");
            target.publish().unwrap();
            let found = fs::metadata(&path).unwrap();
            assert_eq!((found.uid(), found.gid()), (uid, gid));
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_eq!(names(folder.path()), ["out"]);
        }
    }

    #[test]
    fn a_file_in_a_folder_that_takes_no_hidden_one_is_written_directly() {
        // The path of the file is as long as can be, so that a longer name beside it cannot be.
        let place = tempfile::tempdir().unwrap();
        let mut folder = place.path().canonicalize().unwrap();
        let mut room = PATH_MAX - "/f".len() - folder.as_os_str().len();
        while room > 0 {
            let length = if room > 200 { 150 } else { room };
            folder.push("d".repeat(length - "/".len()));
            room -= length;
        }
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("f");
        for (text, old) in [("made", None), ("new", Some("made"))] {
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), old);
            let target = Target::open(Some(&path)).unwrap();
            assert!(is_direct(&target));
            write(&target, text);
            target.publish().unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
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
