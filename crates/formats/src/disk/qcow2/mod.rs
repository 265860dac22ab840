//! QEMU's format: clusters, found by two levels of tables.
//!
//! ```text
//! header: magic "QFI\xfb" · version · backing file · cluster bits · size · … · L1 table · … · features (3)
//! L1 table: 8 bytes for each L2 table     bits 9–55 its offset
//! L2 table: one cluster, 8 bytes each     bit 62 packed · bits 9–55 offset of a cluster · bit 0 zeros
//!           or 16 with extended L2        and 32 bits "stored", 32 bits "zeros", one for each part of a cluster
//! ```
//!
//! Read: versions 2 and 3 with everything that one file alone can hold. Reference counts,
//! snapshots and bitmaps are not looked at: they say nothing about the bytes of the disk. Entries
//! beyond the end of the disk are not looked at either: that is where QEMU keeps the state of a
//! suspended machine.
//!
//! # Source
//! docs/interop/qcow2.rst of QEMU.

mod entry;
mod header;
mod layout;
mod pack;
mod reader;
mod writer;

pub use pack::Compression;
pub(super) use reader::Image;
pub use writer::{Options, Writer};
