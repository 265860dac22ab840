//! Folders of the growing tree, reached one component at a time.

use super::layer::joined;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Most bytes that paths of implied folders may take, if they are noted: a million of a hundred bytes.
const NOTED_BYTES_MAX: usize = 128 << 20;
/// What one costs beside its path, in bytes, about.
const NOTE_COST: usize = 64;
/// Mode of folders that an archive implies but does not list, as GNU tar makes them (the
/// reference: 0700).
pub(crate) const IMPLIED_MODE: u32 = 0o755;

/// A path inside the tree, one element a component; empty for the top.
pub(crate) type Components = Vec<Vec<u8>>;

/// The tree's top folder and the chain of open folders down to the one used last.
///
/// Folders are never replaced by anything while a tree grows, so the chain cannot go stale.
#[derive(Debug)]
pub(super) struct Places {
    top: Arc<Dir>,
    chain: Vec<(Vec<u8>, Arc<Dir>)>,
    /// Folders that were made because something is in them, where that matters.
    implied: Option<Implied>,
}

/// Paths of folders, as their components with a NUL between.
#[derive(Debug, Default)]
struct Implied {
    paths: BTreeSet<Box<[u8]>>,
    held_bytes: usize,
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
            implied: None,
        }
    }

    /// The same, but it is noted which folders are implied.
    pub(super) fn noting(top: Dir) -> Self {
        Self {
            implied: Some(Implied::default()),
            ..Self::new(top)
        }
    }

    /// The folders that were implied, whether an entry came for them later or not.
    pub(super) fn into_implied(self) -> BTreeSet<Box<[u8]>> {
        self.implied.unwrap_or_default().paths
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
            let (folder, is_new) = open(&parent, name, missing)
                .doing(|| format!("Failed to enter directory '{}'", shown(&path[..=depth])))?;
            if let (true, Some(implied)) = (is_new, &mut self.implied) {
                implied.note(&path[..=depth])?;
            }
            self.chain.push((path[depth].clone(), Arc::new(folder)));
        }
        Ok(self.last())
    }

    fn last(&self) -> Arc<Dir> {
        Arc::clone(self.chain.last().map_or(&self.top, |(_, folder)| folder))
    }
}

impl Implied {
    fn note(&mut self, path: &[Vec<u8>]) -> Result<()> {
        let path = joined(path);
        self.held_bytes += path.len() + NOTE_COST;
        if self.held_bytes > NOTED_BYTES_MAX {
            let text = "The archive has more folders that it does not list than can be held";
            return Err(Error::new(Kind::Archive, text));
        }
        self.paths.insert(path);
        Ok(())
    }
}

/// A folder, and whether it was made.
fn open(parent: &Dir, name: &OsStr, missing: Missing) -> std::io::Result<(Dir, bool)> {
    match parent.open_dir(name) {
        Err(error)
            if missing == Missing::Create
                && error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) =>
        {
            parent.make_dir(name, IMPLIED_MODE)?;
            Ok((parent.open_dir(name)?, true))
        }
        other => Ok((other?, false)),
    }
}

/// A path for people.
pub(crate) fn shown(path: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&path.join(&b'/')).into_owned()
}
