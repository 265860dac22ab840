//! The user scope, as somebody without privileges: images in the own home, trees with owners.
//!
//! Run on ours only: the original's user scope needs services that a test cannot start.

mod cut;
mod foreign;
mod oci;
mod oci_files;
mod person;
mod service;
mod trees;
mod without;
