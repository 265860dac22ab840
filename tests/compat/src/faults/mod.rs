//! Pulls from servers that misbehave: the image is right or absent, never wrong, and nothing is left.
//!
//! Nothing proves the bytes here but the transport itself (`--verify=no`), unless a test says so.

mod bodies;
mod heads;
mod http2;
mod paths;
mod proxies;
mod ranges;
mod redirects;
mod rig;
mod statuses;
mod tls;
mod trees;
mod versions;

pub(crate) use rig::{Ends, Rig};
