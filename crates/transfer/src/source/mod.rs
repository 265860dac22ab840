//! Where bytes come from: `Read`, a length, and what identifies them.

pub mod ask;
pub mod file;
pub mod http;
mod redirect;
pub mod remote;
pub mod wire;
