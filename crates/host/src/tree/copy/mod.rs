//! Copies a tree with everything that is in it.
//!
//! Contents (shared where the file system can, holes kept), hard links of every kind of inode,
//! owners, modes, all extended attributes that may be read and set (access lists and capabilities
//! are such), restorable flags, project numbers, times to the nanosecond; the top folder's own
//! included. The copy stays on one mount: a mount point becomes an empty folder, a nested subvolume
//! a folder.
//!
//! One thread walks (`walk`): it makes the folders in order and hands what else is in them to a few
//! others (`pool`), which copy it (`inode`, `content`). A folder is dressed (`dress`) when nothing
//! will be put into it any more, by whoever put in the last. Another thread counts ahead
//! (`count`), so that progress is known. A failure on any of them ends them all.

mod content;
mod count;
mod dress;
mod facts;
mod folder;
mod inode;
mod list;
mod names;
mod place;
mod pool;
mod report;
mod single;
mod walk;

pub use dress::adopt;
pub use report::{CopyError, CopyProgress, CopyReport, Tell};
pub use single::copy_inode;
pub use walk::copy;

/// Deepest folder copied, the top counted: as in the reference. Deeper trees are accidents.
const DEPTH_MAX: usize = 2048;

/// Folders of the walk open at once, two descriptors each. Those further up are closed and reached
/// again by way of their child, so that depth costs no descriptors.
const OPEN_MAX: usize = 64;

#[cfg(test)]
mod tests;
