//! The archive of a layer becomes a folder that overlayfs can put on others.
//!
//! | module | holds |
//! |---|---|
//! | `unpack` | the archive becomes a hidden tree; what only the layers below can tell is left |
//! | `settle` | what only the layers below can tell, told |
//! | `relocate` | folders that are links below |
//! | `adopt` | hard links to files below, and what implied folders look like |
//! | `names` | what the folder of a layer is called |
//! | `usable` | whether a folder that is there is a layer as we make them |
//!
//! # Source
//! OCI image specification, "Image Layer Filesystem Changeset"; docs/decisions/0018-layers.md.

mod adopt;
mod names;
mod own;
mod relocate;
mod settle;
mod unpack;
mod usable;

pub(super) use adopt::take_over;
pub use names::Chain;
pub(crate) use names::PREFIX;
pub(super) use own::keeping_times;
pub(super) use settle::{Taking, settle};
pub(super) use unpack::fill;
pub use unpack::{Unpacked, unpack};
pub use usable::is_usable;

#[cfg(test)]
mod tests;
