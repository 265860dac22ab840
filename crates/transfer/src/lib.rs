//! One transfer from start to end, and the worker programs that do it.
//!
//! Bytes flow `source → [digest] → decoder → sink → prove → install`; each stage is one type in one
//! file, `Read` in and `Read` out. Only the files of the verbs compose them.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command lines of the four workers |
//! | [`source`] | where bytes come from: HTTP, files, descriptors |
//! | [`stage`] | adapters: digest, read ahead, write behind, count |
//! | [`proof`] | what a download must prove, and what proven means |
//! | [`sink`] | where bytes go, still hidden: raw image, tree |
//! | [`install`] | proven → visible |
//! | [`destination`] | where an image goes: a name, or a path |
//! | [`owners`] | whose files can be made, and the user namespace for that |
//! | [`companions`] | what goes with an image when it is replaced |
//! | [`images`] | finding images by name |
//! | [`oci`] | images of OCI: registries, layouts, layers, stacks |
//! | [`pull`], [`import`], [`export`] | one verb and kind per file |
//! | [`report`] | log lines and progress to whoever started us |
//! | [`cage`] | what each worker may still do once it has what it needs |
//!
//! This crate promises never to publish anything that is not complete and proven, and to leave
//! nothing behind when it fails. It holds no `unsafe`; a killed worker's leftovers are hidden and
//! swept by the next one.

#![forbid(unsafe_code)]

pub mod cage;
pub mod cli;
pub mod companions;
pub mod context;
pub mod destination;
pub mod error;
pub mod export;
pub mod images;
pub mod import;
pub mod install;
pub mod oci;
pub mod owners;
pub mod proof;
pub mod pull;
mod quota;
pub mod report;
pub mod sink;
pub mod source;
pub mod stage;

pub use error::{Error, Result};
