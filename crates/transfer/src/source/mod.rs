//! Where bytes come from: `Read`, a length, and what identifies them.

pub mod ask;
mod authorities;
mod clients;
pub mod content_range;
pub mod failure;
pub mod file;
pub mod guard;
pub mod http;
pub(crate) mod labels;
pub(crate) mod message;
mod pace;
pub mod place;
pub mod proxies;
pub mod ranges;
mod rate;
mod redirect;
pub mod remote;
mod resume;
pub(crate) mod retry;
pub mod settings;
mod tls;
pub(crate) mod upload;
mod version;
pub mod wire;

#[cfg(test)]
mod tests;
