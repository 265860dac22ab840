//! What an export reads: a snapshot where one can be made, so that all of it is of one moment; else
//! the tree itself.

use crate::context::Context;
use importd_host::dir::Dir;
use importd_host::staging::{self, Staging};
use importd_host::subvolume;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// A tree to export. A snapshot is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Frozen {
    tree: Dir,
    /// The snapshot, hidden and locked; swept by the next export if this one is killed.
    _snapshot: Option<Staging>,
}

impl Frozen {
    /// Takes a picture of the tree at `path`.
    pub(super) fn take(path: &Path, tree: Dir, context: &Context) -> Self {
        match snapshot(path, &tree) {
            Ok(Some((snapshot, tree))) => {
                context.report.debug("A snapshot is exported.");
                Self {
                    tree,
                    _snapshot: Some(snapshot),
                }
            }
            Ok(None) => Self {
                tree,
                _snapshot: None,
            },
            Err(error) => {
                let text = format!("No snapshot could be made, the live tree is exported: {error}");
                context.report.debug(text);
                Self {
                    tree,
                    _snapshot: None,
                }
            }
        }
    }

    /// The tree.
    pub(super) fn tree(&self) -> &Dir {
        &self.tree
    }
}

/// A read-only snapshot beside the tree; `None` if the tree is no subvolume, or nothing is beside it.
fn snapshot(path: &Path, tree: &Dir) -> io::Result<Option<(Staging, Dir)>> {
    if !subvolume::is_subvolume(tree)? {
        return Ok(None);
    }
    let above = tree.open_parent()?;
    // What is mounted has other folders above it, and the root itself.
    let is_top = above.identity()? == tree.identity()?;
    if is_top || above.mount_id()? != tree.mount_id()? {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or(OsStr::new("tree"));
    // What cannot be swept is no reason not to export.
    staging::sweep_snapshots(&above, name, tree).unwrap_or(0);
    let snapshot = Staging::snapshot(&above, name, tree, true)?;
    let tree = snapshot.folder()?.reopen()?;
    Ok(Some((snapshot, tree)))
}
