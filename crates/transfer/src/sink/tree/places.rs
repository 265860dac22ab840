//! Folders of the growing tree, reached one component at a time.

use crate::error::{Doing, Result};
use importd_host::dir::Dir;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Mode of folders that an archive implies but does not list, as GNU tar makes them (the
/// reference: 0700).
const IMPLIED_MODE: u32 = 0o755;

/// A path inside the tree, one element a component; empty for the top.
pub(super) type Components = Vec<Vec<u8>>;

/// The tree's top folder and the chain of open folders down to the one used last.
///
/// Folders are never replaced by anything while a tree grows, so the chain cannot go stale.
#[derive(Debug)]
pub(super) struct Places {
    top: Arc<Dir>,
    chain: Vec<(Vec<u8>, Arc<Dir>)>,
}

/// What to do about a folder that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Make it.
    Create,
    /// Fail with `ENOENT`.
    Fail,
}

impl Places {
    pub(super) fn new(top: Dir) -> Self {
        Self {
            top: Arc::new(top),
            chain: Vec::new(),
        }
    }

    pub(super) fn top(&self) -> Arc<Dir> {
        Arc::clone(&self.top)
    }

    /// The folder at `path`. Fails with `ENOTDIR` (or `ELOOP`) if a component is anything but a
    /// folder, links included.
    pub(super) fn folder(&mut self, path: &[Vec<u8>], missing: Missing) -> Result<Arc<Dir>> {
        let common = self
            .chain
            .iter()
            .zip(path)
            .take_while(|((open, _), wanted)| open == *wanted)
            .count();
        self.chain.truncate(common);
        for depth in common..path.len() {
            let name = OsStr::from_bytes(&path[depth]);
            let parent = self.last();
            let folder = open(&parent, name, missing)
                .doing(|| format!("Failed to enter directory '{}'", shown(&path[..=depth])))?;
            self.chain.push((path[depth].clone(), Arc::new(folder)));
        }
        Ok(self.last())
    }

    fn last(&self) -> Arc<Dir> {
        Arc::clone(self.chain.last().map_or(&self.top, |(_, folder)| folder))
    }
}

fn open(parent: &Dir, name: &OsStr, missing: Missing) -> std::io::Result<Dir> {
    match parent.open_dir(name) {
        Err(error)
            if missing == Missing::Create
                && error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) =>
        {
            parent.make_dir(name, IMPLIED_MODE)?;
            parent.open_dir(name)
        }
        other => other,
    }
}

/// A path for people.
pub(super) fn shown(path: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&path.join(&b'/')).into_owned()
}
