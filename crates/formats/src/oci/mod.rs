//! Documents of OCI images: indexes, manifests, configurations; those of Docker, which say the same.
//!
//! | module | holds |
//! |---|---|
//! | [`digest`] | what identifies a blob, as it is written: `sha256:HEX` |
//! | [`media_type`] | what a blob is |
//! | [`descriptor`] | a blob: what it is, its digest and size |
//! | [`marker`] | names in a layer's archive that speak of the layers below |
//! | [`document`] | what an address of a registry holds: an index or a manifest, never both |
//! | [`platform`] | which image of an index is for this machine |
//! | [`config`] | how a container of the image is started |
//! | [`description`] | what a file says of a registry |
//! | [`compose`] | documents that we write |
//! | [`layout`] | what a folder of images says of itself: `oci-layout`, `index.json` |
//! | [`docker`] | what `docker save` says of its images: `manifest.json` |
//! | [`challenge`], [`token`] | what a registry wants, and what who gives out tokens answers |
//! | [`login`] | who somebody is at registries |
//!
//! Documents come from strangers. Each has a limit ([`DOCUMENT_MAX`], [`CONFIG_MAX`]), is read to its
//! end before anything of it is believed, and means one thing or is refused: a document that is both
//! an index and a manifest, a name that stands twice, or a kind that is another than what it was sent
//! as are errors. Documents that we write have one form: the same image gives the same bytes.
//!
//! # Source
//! OCI image specification 1.1; image manifest version 2, schema 2, of Docker's registry.

pub mod challenge;
pub mod compose;
pub mod config;
pub mod description;
pub mod descriptor;
pub mod digest;
pub mod docker;
pub mod document;
pub mod layout;
pub mod login;
pub mod marker;
pub mod media_type;
mod object;
pub mod platform;
pub mod token;

pub use config::Config;
pub use descriptor::Descriptor;
pub use digest::BlobDigest;
pub use document::{Document, Index, Manifest};
pub use media_type::MediaType;
pub use platform::Platform;

/// Largest index or manifest, in bytes: registries take no larger ones.
pub const DOCUMENT_MAX: u64 = 4 << 20;
/// Largest configuration, in bytes: a history of some hundred steps has some dozen KiB.
pub const CONFIG_MAX: u64 = 4 << 20;
/// Most layers of an image; as in the reference. Builders stop at 127, the kernel mounts up to 500.
pub const LAYERS_MAX: usize = 4096;
/// Most images of an index. Multi-platform images have some twenty.
pub const MANIFESTS_MAX: usize = 4096;

/// Why a document is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no JSON, a member has the wrong type, or stands twice.
    #[error("it is no valid JSON document: {0}")]
    Json(#[from] serde_json::Error),
    /// Something in it makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It may mean one thing or another.
    #[error("it is ambiguous: {0}")]
    Ambiguous(String),
    /// It is something that cannot be an image here.
    #[error("{0}")]
    Unsupported(String),
    /// It has more than may be.
    #[error("it is too large: {0}")]
    TooLarge(String),
}
