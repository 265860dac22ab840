//! What only the layers below can tell.

use super::super::places::Components;
use std::collections::{BTreeMap, BTreeSet};

/// A path as its components with a NUL between: a folder comes right before what is in it.
pub(crate) type Joined = Box<[u8]>;

/// What a layer takes for granted.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// The archive says what the top looks like.
    pub(crate) has_top: bool,
    /// Folders that the archive does not list and has something in.
    pub(crate) implied: BTreeSet<Joined>,
    /// Folders that hide all that is below them.
    pub(crate) opaque: BTreeSet<Joined>,
    /// Folders that take the place of something below, which is removed.
    pub(crate) replaced: BTreeSet<Joined>,
    /// Folders in which something is that hides a name below.
    pub(crate) hiding: BTreeSet<Joined>,
    /// Hard links to what the archive does not have: name and target.
    pub(crate) links: BTreeMap<Joined, Joined>,
}

/// The form in which paths are held.
pub(crate) fn joined(path: &[Vec<u8>]) -> Joined {
    path.join(&0).into_boxed_slice()
}

/// Its components again.
pub(crate) fn split(path: &[u8]) -> Components {
    match path {
        [] => Components::new(),
        path => path.split(|byte| *byte == 0).map(Vec::from).collect(),
    }
}
