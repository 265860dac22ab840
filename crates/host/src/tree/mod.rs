//! Whole trees: copied with everything that is in them, removed whatever is in them, surveyed.
//!
//! All reach every inode by its own name in an open folder and follow no link.

mod copy;
mod remove;
mod survey;

pub use copy::{CopyError, CopyProgress, CopyReport, Tell, adopt, copy, copy_inode};
pub use remove::remove;
pub use survey::{Survey, allocated, nanoseconds, outlast, survey};
