//! The folders of a walk, from the top to the one it is in.
//!
//! However deep a tree is, only a few folders are open: those further up are closed and reached
//! again by `..`, which must lead to the folder it was.

use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use rustix::fs::Stat;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Most folders that are open at once; deeper ones close those further up.
const OPEN_MAX: usize = 64;
/// Longest path that is walked, in bytes: what readers of archives take, ours included. No system
/// call takes more than 4096, but folders can be made that deep.
const PATH_BYTES_MAX: usize = 64 << 10;

/// A walk's place in a tree.
#[derive(Debug, Default)]
pub(super) struct Levels {
    levels: Vec<Level>,
    /// The path of the innermost folder, with a slash at the end.
    path: Vec<u8>,
}

#[derive(Debug)]
struct Level {
    folder: Option<Arc<Dir>>,
    /// File system and inode: what `..` must lead back to.
    identity: (u64, u64),
    path_bytes: usize,
    entries: std::vec::IntoIter<OsString>,
}

impl Levels {
    /// Enters a folder of the path that [`path_of`](Self::path_of) gives, less the slash. Its names
    /// are walked in the order of their bytes.
    pub(super) fn enter(&mut self, folder: Dir, path: &[u8], stat: &Stat) -> Result<()> {
        let entries = folder
            .entries()
            .doing(|| format!("Failed to read '{}'", String::from_utf8_lossy(path)))?;
        self.path.truncate(0);
        self.path.extend_from_slice(path);
        if !path.ends_with(b"/") {
            self.path.push(b'/');
        }
        self.levels.push(Level {
            folder: Some(Arc::new(folder)),
            identity: (stat.st_dev, stat.st_ino),
            path_bytes: self.path.len(),
            entries: entries.into_iter(),
        });
        let far_up = self.levels.len().checked_sub(OPEN_MAX + 1);
        if let Some(level) = far_up.and_then(|index| self.levels.get_mut(index)) {
            level.folder = None;
        }
        Ok(())
    }

    /// The next name and the folder it is in; `None` at the end of the tree.
    pub(super) fn next(&mut self) -> Result<Option<(Arc<Dir>, OsString)>> {
        while let Some(level) = self.levels.last_mut() {
            let name = level.entries.next();
            match (&level.folder, name) {
                (Some(folder), Some(name)) => return Ok(Some((Arc::clone(folder), name))),
                _ => self.leave()?,
            }
        }
        Ok(None)
    }

    /// The path of a name in the innermost folder.
    pub(super) fn path_of(&self, name: &OsStr) -> Result<Vec<u8>> {
        let path = [&self.path[..], name.as_bytes()].concat();
        if path.len() > PATH_BYTES_MAX {
            let text = format!(
                "'{}…' is a path of more than {PATH_BYTES_MAX} bytes, which no archive can hold",
                String::from_utf8_lossy(&path[..64])
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
        Ok(path)
    }

    fn leave(&mut self) -> Result<()> {
        let Some(left) = self.levels.pop() else {
            return Ok(());
        };
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        if level.folder.is_none()
            && let Some(left) = left.folder
        {
            level.folder = Some(Arc::new(parent(&left, level.identity, &self.path)?));
        }
        self.path.truncate(level.path_bytes);
        Ok(())
    }
}

/// The folder above, which must be the one that was there before.
fn parent(folder: &Dir, identity: (u64, u64), path: &[u8]) -> Result<Dir> {
    let shown = String::from_utf8_lossy(path);
    let failed = || format!("Failed to return from '{shown}'");
    match folder.return_to(identity) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::STALE) => {
            let text = format!("'{shown}' was moved while it was exported");
            Err(Error::new(Kind::Io, text))
        }
        other => other.doing(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Makes a chain of folders without paths, which would be too long.
    fn chain(top: &Path, depth: usize, name: &str) {
        let mut folder = Dir::open(top).unwrap();
        for _ in 0..depth {
            folder.make_dir(name.as_ref(), 0o755).unwrap();
            folder = folder.open_dir(name.as_ref()).unwrap();
        }
        folder.make_dir("last".as_ref(), 0o755).unwrap();
    }

    fn walk(top: &Path) -> Result<usize> {
        let mut levels = Levels::default();
        let folder = Dir::open(top).unwrap();
        let stat = folder.stat_self().unwrap();
        levels.enter(folder, b"./", &stat)?;
        let mut count = 0;
        while let Some((folder, name)) = levels.next()? {
            let path = levels.path_of(&name)?;
            assert!(path.ends_with(name.as_bytes()));
            count += 1;
            let child = folder.open_dir(&name).unwrap();
            let stat = child.stat_self().unwrap();
            levels.enter(child, &path, &stat)?;
        }
        Ok(count)
    }

    #[test]
    fn deep_trees_are_walked_with_few_descriptors() {
        let place = tempfile::tempdir().unwrap();
        chain(place.path(), 900, "d");
        for name in ["a", "z"] {
            std::fs::create_dir_all(place.path().join(name).join("x")).unwrap();
            std::fs::create_dir_all(place.path().join("d/d").join(name)).unwrap();
        }
        assert_eq!(walk(place.path()).unwrap(), 900 + 1 + 6);
        importd_host::tree::remove(&Dir::open(place.path()).unwrap(), "d".as_ref()).unwrap();
    }

    #[test]
    fn a_path_that_no_archive_can_hold_is_named() {
        let place = tempfile::tempdir().unwrap();
        let name = "n".repeat(255);
        chain(place.path(), 300, &name);
        let error = walk(place.path()).unwrap_err();
        assert_eq!(error.kind, Kind::Unsupported);
        importd_host::tree::remove(&Dir::open(place.path()).unwrap(), name.as_ref()).unwrap();
    }
}
