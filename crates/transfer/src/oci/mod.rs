//! Images of OCI: where their documents and blobs come from, and what becomes of them.
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | what an image is read from, whatever it is |
//! | [`image`] | which image is meant, and what it consists of |
//! | [`layout`] | images that are files: layout folders, archives, what `docker save` wrote |
//! | [`names`] | what the folders of layers are called |
//! | [`registry`] | an image in a registry |
//! | [`flat`] | the layers of an image become one tree |
//! | [`layer`] | the archive of a layer becomes a folder that overlayfs can put on others |
//!
//! An image is an index or a manifest; the manifest names a configuration and layers, each by its
//! digest. Layers become trees that overlayfs puts together, or one tree; the configuration becomes
//! settings of systemd-nspawn. Nothing of it is seen under the image's name before all of it is proven.
//!
//! # Source
//! OCI image specification 1.1, OCI distribution specification 1.1; systemd.mstack(7).

pub mod image;
pub mod layout;
pub mod names;
pub mod registry;
pub mod flat;
pub mod layer;
mod merged;
pub mod source;
