//! What crosses a process border: between clients, the daemon and its workers.
//!
//! | module | holds |
//! |---|---|
//! | [`class`] | image classes, scopes and the directories of each |
//! | [`name`] | names of images, checked; derived from a URL or a file name |
//! | [`oci`] | names of OCI images, checked |
//! | [`architecture`] | the machine that an OCI image is wanted for |
//! | [`url`] | addresses that may be pulled from, checked |
//! | [`verify`] | how much a download must prove |
//! | [`format`](mod@format) | compression of an export |
//! | [`flags`] | the flag word of the bus methods |
//! | [`job`] | one transfer, fully checked |
//! | [`worker`] | a [`job::Job`] as the command line of a worker |
//! | [`progress`] | the percentage that a worker reports on its notify socket |
//! | [`figures`] | what else it reports there: bytes, phase, retries, why it failed |
//! | [`pull_spec`] | one download asked for at boot |
//! | [`cache`] | where unfinished downloads are kept |
//! | [`abbreviation`] | abbreviated options where we have more than the original |
//! | [`introspection`] | a command line, described for tools |
//! | [`bus`] | D-Bus names, paths, result strings |
//! | [`failure`] | kinds of failure and what each is called at every border |
//!
//! This crate promises never to read a file, the environment or a clock: it only turns strings into
//! types and back. The text forms are those of org.freedesktop.import1(5) and importctl(1).

#![forbid(unsafe_code)]

pub mod abbreviation;
pub mod architecture;
pub mod bus;
pub mod cache;
pub mod class;
pub mod failure;
pub mod figures;
pub mod flags;
pub mod format;
pub mod introspection;
pub mod job;
pub mod name;
pub mod oci;
pub mod progress;
pub mod pull_spec;
pub mod url;
pub mod verify;
pub mod worker;

/// What every program prints for `--version`: scripts read the number of the systemd release whose
/// behaviour this is from the second word.
pub const VERSION: &str = concat!("systemd 262 (importd ", env!("CARGO_PKG_VERSION"), ")");
