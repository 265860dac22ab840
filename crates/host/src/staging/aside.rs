//! Something that loses its visible name for a while: it gets it back, or is removed.

use super::{Lock, hidden_name, lock};
use crate::dir::Dir;
use crate::rename::{self, Replace};
use crate::tree;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;

/// A file or link of a folder under a hidden name; it gets its own name back when this is dropped.
///
/// # Atomicity
/// Each step is one rename. A killed owner leaves a hidden entry, which is swept as all are.
#[derive(Debug)]
pub struct Aside {
    folder: Dir,
    name: OsString,
    hidden: OsString,
    /// Keeps sweepers away from it.
    _lock: Option<OwnedFd>,
    is_settled: bool,
}

impl Aside {
    /// Hides what has the name; `None` if nothing has, or can have it, being too long.
    ///
    /// # Errors
    /// What renameat2(2) says.
    pub fn take(folder: &Dir, name: &OsStr) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let locked = match folder.open_file(name, flags, Mode::empty()) {
            Ok(file) => matches!(lock(&file)?, Lock::Taken).then_some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NAMETOOLONG) => {
                return Ok(None);
            }
            // A link, or something else that nobody locks.
            Err(_) => None,
        };
        let hidden = hidden_name(name)?;
        match rename::publish(folder, name, &hidden, Replace::Refuse) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(Self {
            folder: folder.try_clone()?,
            name: name.to_owned(),
            hidden,
            _lock: locked,
            is_settled: false,
        }))
    }

    /// The name that it had.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Removes it.
    ///
    /// # Errors
    /// Why it could not be removed: it lies under a hidden name, which the next sweep tries again.
    pub fn remove(mut self) -> io::Result<()> {
        self.is_settled = true;
        match tree::remove(&self.folder, &self.hidden) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(()),
            other => other,
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.is_settled {
            // Whoever took the name meanwhile has the right to it; the sweep gets what is left.
            drop(rename::publish(
                &self.folder,
                &self.hidden,
                &self.name,
                Replace::Refuse,
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging;

    #[test]
    fn what_is_set_aside_comes_back_unless_it_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Dir::open(place.path()).unwrap();
        for name in ["x.nspawn", &"x".repeat(256)] {
            assert!(Aside::take(&folder, name.as_ref()).unwrap().is_none());
        }
        std::fs::File::create(place.path().join("x.nspawn")).unwrap();
        std::os::unix::fs::symlink("x.nspawn", place.path().join("link")).unwrap();
        for name in ["x.nspawn", "link"] {
            let aside = Aside::take(&folder, name.as_ref()).unwrap().unwrap();
            assert!(!folder.exists(name.as_ref()) && aside.name() == name);
            if name == "x.nspawn" {
                let swept = staging::sweep(&folder, &mut || Ok(())).unwrap();
                assert_eq!(swept, 0, "it is in use");
            }
            drop(aside);
            assert!(folder.exists(name.as_ref()));
        }
        let aside = Aside::take(&folder, "x.nspawn".as_ref()).unwrap().unwrap();
        aside.remove().unwrap();
        assert_eq!(folder.entries().unwrap(), ["link"]);
    }

    #[test]
    fn what_has_taken_the_name_meanwhile_keeps_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Dir::open(place.path()).unwrap();
        let path = place.path().join("x");
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), b"old").unwrap();
        let aside = Aside::take(&folder, "x".as_ref()).unwrap().unwrap();
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), b"new").unwrap();
        drop(aside);
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(staging::sweep(&folder, &mut || Ok(())).unwrap(), 1);
    }
}
