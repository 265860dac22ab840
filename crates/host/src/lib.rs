//! This machine: everything that talks to the kernel about files, processes and privileges.
//!
//! | module | holds |
//! |---|---|
//! | [`dir`] | handles of folders; names are resolved below them and nowhere else |
//! | [`tree`] | copying and removing whole trees |
//! | [`staging`], [`rename`] | hidden entries and the one rename that makes them visible |
//! | [`partial`] | the folder of unfinished downloads |
//! | [`copy`], [`canvas`], [`sparse`] | contents of files and devices, holes kept |
//! | [`flush`] | what is written goes to the disk while more comes |
//! | [`device`] | block devices |
//! | [`overlay`] | what overlayfs reads in its layers |
//! | [`attributes`], [`project`] | extended attributes, inode flags, time of birth, project numbers |
//! | [`subvolume`], [`quota`] | btrfs: subvolumes, snapshots, quota groups |
//! | [`child`] | worker processes |
//! | [`activation`] | descriptors that the service manager passes |
//! | [`peer`] | the process at the other end of a connection |
//! | [`notify`] | the notify socket, both ends |
//! | [`config`] | configuration files, as systemd reads its own |
//! | [`cancel`] | the end by SIGTERM and SIGINT, noticed everywhere |
//! | [`control_signal`] | the signal that asks services for small things |
//! | [`allocator`] | where large buffers begin |
//! | [`memory`] | memory that was freed, given back; how much there is |
//! | [`scheduling`] | how threads take turns on the processors |
//! | [`namespace`] | a user namespace, for trees without privileges |
//! | [`sandbox`] | what a worker gives up before it looks at foreign bytes |
//!
//! The only crate of the project where `unsafe` is allowed: in modules that say so, one operation a
//! block. It promises never to interpret a byte of an image.

pub mod activation;
pub mod allocator;
pub mod attributes;
pub mod cancel;
pub mod canvas;
pub mod child;
pub mod config;
pub mod control_signal;
pub mod copy;
pub mod device;
pub mod dir;
pub mod flush;
pub mod memory;
pub mod namespace;
pub mod notify;
pub mod overlay;
pub mod partial;
pub mod peer;
pub mod project;
pub mod quota;
pub mod rename;
pub mod sandbox;
pub mod scheduling;
pub mod sparse;
pub mod staging;
pub mod subvolume;
pub mod tree;
