//! Hyper-V's format: blocks, found by one table; everything else found by tables of identifiers.
//!
//! ```text
//! 0 "vhdxfile" · 64 KiB, 128 KiB two headers, the one with the larger number is in force
//! 192 KiB, 256 KiB two copies of the region table: where the block table and the metadata are
//! metadata: sizes of the disk, of blocks, of sectors; whether there is a parent
//! block table: 8 bytes for each block, bits 0–2 its state, bits 20–63 its MiB in the file;
//!   one entry more after each run of blocks ("chunk"), for the bitmap that only children need
//! log: what was being changed when the file was last in use
//! ```
//!
//! # Source
//! \[MS-VHDX\], Virtual Hard Disk v2 (VHDX) File Format, version 8.0.

mod crc;
mod header;
mod metadata;
mod reader;

pub(super) use reader::Image;
