//! Varlink: the socket, connections, calls; translates, decides nothing.
//!
//! | module | holds |
//! |---|---|
//! | [`listener`] | the socket: passed by the service manager, or bound by us |
//! | [`limits`] | how much of us all connections together may take |
//! | [`peer`] | who is at the other end |
//! | [`connection`] | one task a connection: bytes to calls, replies to bytes |
//! | [`outbox`] | the replies of one call on their way to the connection |
//! | [`server`] | calls looked up, authorised and done; followers of transfers |
//! | [`method`] | the table of interfaces and methods |
//! | [`wish`] | what a call wants that not everybody may |
//! | [`parameters`] | parameters of a call, checked |
//! | [`import`] | `io.systemd.Import` |
//! | [`own`] | `io.importd.Import`: what the original's interface does not have |
//! | [`service`] | `io.systemd.service`: log level, environment |
//! | [`standard`] | `org.varlink.service`: what there is, and its description |
//! | [`fault`] | errors |
//!
//! ```text
//! listener ─▶ connection ──Event::Call──▶ server ─▶ manager
//!                 ▲                          │
//!                 └───────── outbox ─────────┘
//! ```
//!
//! A connection has one call at a time, and nobody waits for it: the server hands replies over and
//! goes on. A client that does not take them in time loses the connection; its transfer goes on.
//!
//! # Source
//! <https://varlink.org/>, docs/varlink.md.

pub mod connection;
pub mod fault;
pub mod import;
pub mod limits;
pub mod listener;
pub mod method;
pub mod oci;
pub mod outbox;
pub mod own;
pub mod parameters;
pub mod peer;
pub mod server;
pub mod service;
pub mod standard;
pub mod wish;
