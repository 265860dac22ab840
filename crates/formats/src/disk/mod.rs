//! Disk image formats: `ReadAt` → extents of guest bytes, guest bytes → a qcow2 image.
//!
//! | module | format | read | written |
//! |---|---|---|---|
//! | `raw` | the bytes of the disk as they are | yes | – |
//! | [`qcow2`] | QEMU's, versions 2 and 3 | yes | yes |
//! | `vmdk` | VMware's, sparse and stream-optimised in one file | yes | – |
//! | `vhd` | Virtual PC's and Azure's, fixed and dynamic | yes | – |
//! | `vhdx` | Hyper-V's, fixed and dynamic | yes | – |
//! | `vdi` | VirtualBox's, fixed and dynamic | yes | – |
//!
//! A reader gives the disk as a row of [`Extent`]s: holes, stretches that stand in the image file as
//! they are (so that the caller can clone or copy them without looking at a byte), and packed
//! pieces, which [`Disk::unpack`] unpacks on any thread.
//!
//! An image that needs another file (a backing file, a parent, a file with the data) is refused by
//! name: an image is a stranger's text, and may not say which files of this machine are read.
//!
//! The work for an image is bounded by what stands in its file: tables are read piece by piece, must
//! lie inside the file, and count as damage if there are more of them than the file has room for.

mod blocks;
mod error;
mod extent;
mod format;
mod image;
mod inflate;
pub mod qcow2;
mod raw;
mod sink;
mod source;
mod table;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod walk;

pub use error::{Error, ForeignName, Kind};
pub use extent::{Content, Extent, Packed};
pub use format::{Format, SNIFF_BYTES, sniff};
pub use image::{Disk, Limits, open};
pub use sink::WriteAt;
pub use source::ReadAt;
