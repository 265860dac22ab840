//! An image in a registry.
//!
//! | module | holds |
//! |---|---|
//! | [`surroundings`] | what the environment says: where files of registries and of credentials are |
//! | [`description`] | the file that describes a registry, or the images of a name |
//! | [`place`] | reference and description put together: addresses |
//! | [`credentials`] | who we are at registries |
//! | [`fetch`] | documents and blobs |
//! | [`push`] | uploads |
//!
//! What has to be read from the file system, and programs that know credentials, come first:
//! [`Place::find`], [`Credentials::look_up`]. Then the cage is closed, and [`Registry::open`] has all
//! that it needs.
//!
//! # Source
//! OCI distribution specification 1.1; systemd-pull of systemd 262.

mod access;
pub mod credentials;
pub mod description;
pub mod fetch;
mod helper;
mod lanes;
pub mod place;
pub mod push;
pub mod surroundings;

pub use credentials::Credentials;
pub use fetch::Registry;
pub use place::{Place, Purpose};
pub use surroundings::Surroundings;

#[cfg(test)]
mod tests;
