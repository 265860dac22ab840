//! What the archive of a layer has beside a tree: markers, links and folders that are below.
//!
//! While entries come, `Marks` sorts out what is no inode and notes it; nothing of it depends on the
//! order of the archive. When all have come, `apply` puts it into the tree in the form that
//! overlayfs reads, and what only the layers below can tell is left as [`Needs`].

mod apply;
mod follow;
mod links;
mod marks;
mod needs;

pub(super) use follow::follow;
pub(super) use marks::{Marks, Meaning};
pub(crate) use needs::{Needs, joined, split};
