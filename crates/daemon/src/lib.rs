//! systemd-importd: accepts requests on the bus, runs a worker process for each, reports.
//!
//! | module | holds |
//! |---|---|
//! | [`command_line`] | its options, and what `--introspect-cli` says of them |
//! | [`settings`] | what the daemon was told by its command line and environment |
//! | [`configuration`] | what its section of `importd.conf` says |
//! | [`control`], [`pressure`] | what it is asked for by signals, and when memory is short |
//! | [`service_manager`] | what the service manager hears of it |
//! | [`lifetime`] | from the first connection to the last worker: the one loop |
//! | [`bus`] | D-Bus: objects, methods, signals; translates, decides nothing |
//! | [`varlink`] | Varlink: the socket, connections, calls; translates, decides nothing |
//! | [`authorize`] | who may start and cancel |
//! | [`polkit`] | whether somebody without privileges may |
//! | [`request`] | what a caller asked for, checked into a job |
//! | [`descriptor`] | which descriptors of callers are taken |
//! | [`manager`] | the table of transfers; knows no bus type |
//! | [`notice`] | what happens to transfers, as everyone is told |
//! | [`queue`] | which transfers wait for a place, and whose turn it is |
//! | [`transfer`] | one transfer's states and edges |
//! | [`pace`] | how fast bytes come |
//! | [`worker`] | a worker process: start, stop, its output as events |
//! | [`readiness`] | waiting for descriptors |
//! | [`lines`] | the bytes a worker writes as log lines |
//! | [`ids`] | numbers of transfers that a restart does not hand out again |
//! | [`images`] | the list of images |
//! | [`leftovers`] | what killed workers left behind |
//! | [`echo`] | what answers repeat of a caller's text |
//! | [`open_files`] | how many descriptors the daemon may have |
//! | [`refusal`] | why a request is refused, and its name on the bus |
//! | [`log`] | the daemon's own log |
//!
//! This crate promises never to parse a byte of an image, never to resolve a path or an address for
//! a caller, and to hold no state that a restart would miss: one thread, no locks.
//!
//! Source: org.freedesktop.import1(5), systemd-importd.service(8).

#![forbid(unsafe_code)]

pub mod authorize;
pub mod bus;
pub mod command_line;
pub mod configuration;
pub mod control;
pub mod descriptor;
pub mod echo;
pub mod ids;
pub mod images;
pub mod leftovers;
pub mod lifetime;
pub mod lines;
pub mod log;
pub mod manager;
pub mod notice;
pub mod open_files;
pub mod pace;
pub mod polkit;
pub mod pressure;
pub mod queue;
pub mod readiness;
pub mod refusal;
pub mod request;
pub mod service_manager;
pub mod settings;
pub mod transfer;
pub mod varlink;
pub mod worker;
