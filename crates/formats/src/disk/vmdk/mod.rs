//! VMware's format, as far as the disk stands in one file: grains, found by two levels of tables.
//!
//! ```text
//! header: "KDMV" · 4 version · 8 flags · 12 size · 20 size of a grain · 28 description, 36 its size
//!   44 entries of a table · 56 directory · 73 line ends · 77 compression
//! description: text, which says what kind of disk this is, and names the files it is in
//! directory: 4 bytes for each table, its sector; table: 4 bytes for each grain, its sector, or 1: zeros
//! packed grain: 8 bytes its sector on the disk · 4 bytes length · zlib stream
//! ```
//!
//! A file that was written in one go has its directory at the end, and a copy of the header, which
//! says where, in the last sector but one.
//!
//! # Source
//! "Virtual Disk Format 5.0", VMware 2011; block/vmdk.c of QEMU.

mod description;
mod header;
mod reader;

pub(super) use reader::Image;
