//! An image in a registry.
//!
//! | module | holds |
//! |---|---|
//! | [`surroundings`] | what the environment says: where files of registries and of credentials are |
//! | [`description`] | the file that describes a registry, or the images of a name |
//! | [`place`] | reference and description put together: addresses |
//!
//! # Source
//! OCI distribution specification 1.1; systemd-pull of systemd 262.

pub mod description;
pub mod place;
pub mod surroundings;

pub use place::Place;
pub use surroundings::Surroundings;
