//! Images of OCI: where their documents and blobs come from, and what becomes of them.
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | what an image is read from, whatever it is |
//! | [`registry`] | an image in a registry |
//! | [`layout`] | images that are files: layout folders, archives, what `docker save` wrote |
//! | [`image`] | which image is meant, and what it consists of |
//! | [`fetch`] | layers on their way: several at once, proven |
//! | [`layer`] | the archive of a layer becomes a folder that overlayfs can put on others |
//! | [`folders`] | the layers of an image as folders of the image root, which several images share |
//! | [`flat`] | the layers of an image become one tree |
//! | [`one_tree`] | the layers of an image fetched as one tree |
//! | [`stack`] | layers, settings and configuration get the image's name |
//! | [`settings`] | how a container is started, as settings of systemd-nspawn |
//! | [`install`] | all of it, from a source to an image |
//! | [`unused`] | layers that no stack has any more |
//! | `hash` | digests of documents that are in memory |
//! | [`progress`] | how far the download of several layers is |
//!
//! An image is an index or a manifest; the manifest names a configuration and layers, each by its
//! digest. Layers become trees that overlayfs puts together, or one tree; the configuration becomes
//! settings of systemd-nspawn. Nothing of it is seen under the image's name before all of it is proven.
//!
//! # Source
//! OCI image specification 1.1, OCI distribution specification 1.1; systemd.mstack(7).

pub mod fetch;
pub mod flat;
pub mod folders;
mod hash;
pub mod image;
pub mod install;
pub mod layer;
pub mod layout;
pub(crate) mod merged;
pub mod one_tree;
pub mod progress;
pub mod registry;
pub mod settings;
pub mod source;
pub mod stack;
pub mod unused;
