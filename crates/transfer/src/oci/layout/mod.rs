//! Images of OCI that are files: a layout folder, an archive of one, what `docker save` wrote.
//!
//! | module | holds |
//! |---|---|
//! | `files` | files by their names, in a folder or in an archive |
//! | `archive` | where the files of an archive are; what cannot be read out of order is spooled |
//! | `choice` | which of several images is meant |
//! | `image` | a layout as a source |
//! | `docker` | what `docker save` wrote as a source |
//! | `open` | which of them something is |
//!
//! Nothing is unpacked to be looked at: files of an archive are read where they lie. What a name in a
//! document leads to is a regular file of this folder or archive, or nothing.
//!
//! # Source
//! OCI image specification, "Image Layout"; Docker image specification 1.2.

mod archive;
mod choice;
mod docker;
mod files;
mod image;
mod open;

pub(crate) use files::Part;
pub use open::{Place, Spool, open};

#[cfg(test)]
mod tests;
