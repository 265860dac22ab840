//! Where blobs wait until all of an image is complete.

use crate::stage::digest::Running;
use importd_formats::checksums::Digest;
use importd_formats::oci::descriptor::Stored;
use importd_formats::oci::{BlobDigest, MediaType};
use importd_host::dir::Dir;
use importd_host::staging::{Shape, Staging};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What the hidden names have of files that have not got their own yet.
pub(super) const HIDDEN_NAME: &str = "blob";

/// Where blobs wait.
#[derive(Debug)]
pub(crate) enum Blobs {
    /// Under hidden names in the folder in which they will be.
    Hidden(Dir),
    /// Without names, on the file system of a folder.
    Unnamed(Dir),
}

/// A file for a blob.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) file: OwnedFd,
    staging: Option<Staging>,
}

/// A blob that is complete.
#[derive(Debug)]
pub(crate) struct Blob {
    /// How documents name it.
    pub(crate) stored: Stored,
    pub(crate) data: Data,
    /// The hidden name; removed with this.
    pub(super) staging: Option<Staging>,
}

/// Where the bytes of a blob are.
#[derive(Debug)]
pub(crate) enum Data {
    /// In memory: documents.
    Bytes(Vec<u8>),
    /// In a file, from its start.
    File(Arc<OwnedFd>),
}

impl Blobs {
    pub(super) fn sheet(&self) -> io::Result<Sheet> {
        match self {
            Self::Unnamed(folder) => Ok(Sheet {
                file: folder.make_unnamed()?,
                staging: None,
            }),
            Self::Hidden(folder) => {
                let staging = Staging::create(folder, OsStr::new(HIDDEN_NAME), Shape::File)?;
                Ok(Sheet {
                    file: staging.fd().try_clone_to_owned()?,
                    staging: Some(staging),
                })
            }
        }
    }
}

impl Sheet {
    /// The blob that was written to it.
    pub(super) fn complete(self, stored: Stored) -> Blob {
        Blob {
            stored,
            data: Data::File(Arc::new(self.file)),
            staging: self.staging,
        }
    }
}

impl Blob {
    /// A document.
    pub(crate) fn document(media_type: &str, bytes: Vec<u8>) -> Self {
        let mut sha256 = Running::default();
        sha256.update(&bytes);
        Self {
            stored: stored(media_type, sha256.finish(), bytes.len() as u64),
            data: Data::Bytes(bytes),
            staging: None,
        }
    }

    /// Whether it is a layer.
    pub(crate) fn is_layer(&self) -> bool {
        MediaType::parse(&self.stored.media_type) == MediaType::Layer
    }
}

pub(super) fn stored(media_type: &str, sha256: [u8; 32], size: u64) -> Stored {
    Stored {
        media_type: media_type.into(),
        digest: BlobDigest::from(Digest::Sha256(sha256)),
        size,
        platform: None,
    }
}
