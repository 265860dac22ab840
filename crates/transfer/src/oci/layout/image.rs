//! A layout as a source.

use super::choice::choose;
use super::files::Files;
use super::open::{self, document_error};
use crate::error::{Error, Result};
use crate::oci::source::{Blob, Source, Top};
use importd_api::failure::Kind;
use importd_formats::oci::descriptor::Stored;
use importd_formats::oci::layout::{
    BLOBS_FOLDER, INDEX_FILE, Listed, Listing, MARKER_FILE, MARKER_MAX, check_marker,
};
use importd_formats::oci::{BlobDigest, DOCUMENT_MAX, Descriptor, MediaType, compose};
use importd_host::cancel::Cancel;

/// One image of a layout, or those of several machines.
#[derive(Debug)]
pub(super) struct Layout {
    label: String,
    files: Files,
    chosen: Vec<Descriptor>,
    cancel: Cancel,
}

impl Layout {
    /// Finds the image in a layout. `asked` is a name, a tag, or the digest of an image.
    ///
    /// # Errors
    /// [`Kind::Document`] for a layout that is none; as [`choose`].
    pub(super) fn open(
        label: &str,
        files: Files,
        asked: Option<&str>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let refused = |name: &str| format!("Refusing {name} of {label}");
        let marker = files.read(MARKER_FILE, MARKER_MAX)?.unwrap_or_default();
        check_marker(&marker).map_err(|error| document_error(refused(MARKER_FILE), error))?;
        let index = files.read(INDEX_FILE, DOCUMENT_MAX)?.ok_or_else(|| {
            let text = format!("There is no {INDEX_FILE} in {label}");
            Error::new(Kind::Document, text)
        })?;
        let listing =
            Listing::parse(&index).map_err(|error| document_error(refused(INDEX_FILE), error))?;
        let mut images = listing.images;
        let mut asked = asked;
        if let Some(digest) = asked.and_then(|asked| asked.parse::<BlobDigest>().ok()) {
            images.retain(|image| image.descriptor.digest == digest);
            asked = None;
        }
        let chosen = choose(label, merged(images), |image| image.names.as_slice(), asked)?;
        let chosen: Vec<_> = chosen.into_iter().map(|image| image.descriptor).collect();
        let is_clear = chosen.len() == 1
            || chosen
                .iter()
                .all(|image| image.media_type == MediaType::Manifest && image.platform.is_some());
        if !is_clear {
            let text = format!(
                "There are several images in {label} that nothing tells apart; \
                 --tag= takes the digest of one, too"
            );
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        Ok(Self {
            label: label.to_owned(),
            files,
            chosen,
            cancel: cancel.clone(),
        })
    }

    /// The file of a blob, which has the size that is said.
    fn part(&self, blob: &Descriptor) -> Result<super::files::Part> {
        let digest = &blob.digest;
        let path = format!("{BLOBS_FOLDER}/{}/{}", digest.algorithm(), digest.hex());
        let part = self.files.find(&path)?.ok_or_else(|| {
            let text = format!("There is no blob {digest} in {}", self.label);
            Error::new(Kind::NotFound, text)
        })?;
        if part.length != blob.size {
            let text = format!(
                "Blob {digest} of {} has {} bytes, where {} are said",
                self.label, part.length, blob.size
            );
            return Err(Error::new(Kind::Corrupt, text));
        }
        Ok(part)
    }
}

/// The images, each once with all its names.
fn merged(images: Vec<Listed>) -> Vec<Listed> {
    let mut merged: Vec<Listed> = Vec::new();
    for image in images {
        match merged
            .iter_mut()
            .find(|other| other.descriptor.digest == image.descriptor.digest)
        {
            Some(other) => other.names.extend(image.names),
            None => merged.push(image),
        }
    }
    merged
}

impl Source for Layout {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn top(&self) -> Result<Top> {
        if let [image] = &self.chosen[..] {
            let sent_as = match image.media_type {
                MediaType::Index => MediaType::INDEX,
                _ => MediaType::MANIFEST,
            };
            return Ok(Top {
                bytes: self.document(image, DOCUMENT_MAX)?,
                sent_as: Some(sent_as.into()),
            });
        }
        // Images of several machines, listed side by side: an index of them.
        let images: Vec<_> = self
            .chosen
            .iter()
            .map(|image| Stored {
                media_type: MediaType::MANIFEST.into(),
                digest: image.digest,
                size: image.size,
                platform: image.platform.clone(),
            })
            .collect();
        let bytes = compose::index(&images)
            .map_err(|error| document_error(format!("Failed to list {}", self.label), error))?;
        Ok(Top {
            bytes,
            sent_as: Some(MediaType::INDEX.into()),
        })
    }

    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        open::document(&self.label, (descriptor, limit), || self.part(descriptor))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob<'_>> {
        Ok(open::blob(&self.part(descriptor)?, &self.cancel))
    }
}
