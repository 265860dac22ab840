//! What an image is read from: a registry, a layout folder, an archive.

use crate::error::Result;
use crate::stage::chunks::Flow;
use crate::stage::digest::Follower;
use importd_formats::oci::Descriptor;

/// Documents and blobs of one image.
pub trait Source: Send + Sync {
    /// What messages call the image: its whole reference, or the path of the file.
    fn label(&self) -> String;

    /// The index or manifest that was asked for, at most [`importd_formats::oci::DOCUMENT_MAX`] bytes. Where
    /// it was asked for by its digest, it has that digest.
    ///
    /// # Errors
    /// What the network or the file system says; [`importd_api::failure::Kind::TooLarge`],
    /// [`importd_api::failure::Kind::Corrupt`].
    fn top(&self) -> Result<Top>;

    /// A document, whole: of the size and with the digest that its descriptor says. Where the descriptor
    /// has the bytes themselves, those are proven and taken.
    ///
    /// # Errors
    /// As [`Source::top`]; [`importd_api::failure::Kind::TooLarge`] beyond `limit` bytes, before anything
    /// is read.
    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>>;

    /// A blob on its way, of which nothing is proven: whoever reads it takes no more bytes than its
    /// descriptor says, and compares the digest. Called from several threads at once.
    ///
    /// # Errors
    /// What the network or the file system says; reads of the body fail in the same way.
    fn blob(&self, descriptor: &Descriptor) -> Result<Blob<'_>>;
}

/// The document that a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// The document.
    pub bytes: Vec<u8>,
    /// What it was sent as, if anybody said.
    pub sent_as: Option<String>,
}

/// Bytes of a blob, as they are stored: packed, if the layer is.
pub struct Blob<'a> {
    /// The bytes, from the first one on.
    pub body: Flow,
    /// How many of them come from an earlier try, on this machine.
    pub resumed: u64,
    /// Told of all that is hashed, to keep it for the next try.
    pub follower: Option<Box<dyn Follower>>,
    /// Told how it ended, once the blob is installed, or once it has failed.
    pub end: End<'a>,
}

/// What is done when a blob has been used. It says whether another try may go better: what was wrong came
/// from an earlier try, or from a server that will not be asked again.
pub type End<'a> = Box<dyn FnOnce(&Result<()>) -> bool + Send + 'a>;

impl std::fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob")
            .field("resumed", &self.resumed)
            .finish_non_exhaustive()
    }
}
