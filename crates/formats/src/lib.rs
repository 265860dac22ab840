//! Foreign bytes: what strangers send us, turned into checked values.
//!
//! | module | holds |
//! |---|---|
//! | [`codec`] | compression by magic: `Read` → `Read`, `Write` → `Write` |
//! | [`disk`] | disk images: `ReadAt` → extents; qcow2: clusters → `WriteAt` |
//! | [`archive`] | archives of whatever kind: `Read` → entries |
//! | [`tar`] | tar archives: `Read` → entries, entries → `Write` |
//! | [`cpio`] | cpio archives: `Read` → entries |
//! | [`checksums`] | `SHA256SUMS`, `NAME.sha256` and the like |
//! | [`pgp`] | OpenPGP signatures → verdict |
//! | [`oci`] | documents of OCI images → what to fetch and how to start it |
//! | [`minisign`] | signatures of minisign and signify → verdict |
//!
//! This crate promises never to open a file, a socket or a process, never to hold `unsafe` code,
//! and never to allocate by a length it has not compared with a named limit. Every parser here has
//! a fuzz target in `fuzz/`.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::expect_used
    )
)]

pub mod archive;
pub mod checksums;
pub mod codec;
pub mod cpio;
pub mod disk;
pub mod minisign;
pub mod oci;
pub mod pgp;
pub mod tar;
