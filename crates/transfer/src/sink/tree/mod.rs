//! A tree unpacked from an archive, safe by construction.
//!
//! Every inode is made by its own name in a folder that was reached from the hidden top folder one
//! component at a time, no link followed; metadata is set on what was just created. Nothing outside
//! the hidden folder can be named. Parsing, writing and dressing overlap: contents of small files
//! go to a small pool (`pool`), folders are made in order and dressed last (`folders`).
//!
//! # Source
//! tar(5) of libarchive and pax(1p) for the meaning of entries; what the reference does with them
//! is in docs/original-behaviour.md.

mod devices;
mod dress;
mod extract;
mod flatten;
mod folders;
mod in_place;
mod inode;
mod layer;
mod limits;
mod places;
mod pool;

pub use extract::{Extracted, TreeSink, Unpack};
pub(crate) use flatten::{move_up, single_tree};
pub use in_place::FolderInPlace;
pub(crate) use layer::{Needs, joined, split};
pub use limits::{
    DEPTH_MAX_DEFAULT, DEPTH_MAX_POSSIBLE, ENTRIES_MAX_DEFAULT, Limits, RATIO_MAX_DEFAULT,
};
pub(crate) use places::{Components, IMPLIED_MODE, shown};
