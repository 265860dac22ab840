//! An HTTP server on loopback that does what it is told, wrong things above all.
//!
//! Left alone it is a good server: it honours ranges and conditions, and keeps connections. Each
//! answer can have a [`Fault`] and a way to take [`Ranges`]; a path can have a sequence of answers,
//! one for each request.

mod answer;
mod http2;
mod proxy;
mod reply;
mod send;
#[expect(clippy::module_inception, reason = "it is the server")]
mod server;
mod state;
mod tls;

pub(crate) use answer::{Answer, Fault, Ranges};
pub(crate) use proxy::{Proxy, ProxyKind};
pub(crate) use server::{Server, unreachable};
pub(crate) use tls::Certificate;
