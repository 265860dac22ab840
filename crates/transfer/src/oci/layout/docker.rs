//! What `docker save` wrote as a source.
//!
//! Its layers have names, not digests: a manifest of OCI is made of them. The digest of a layer that is
//! not packed is the one that the configuration says, which is compared when the layer is read; others
//! are hashed.

use super::choice::choose;
use super::files::{Files, Part};
use super::open::{self, document_error};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::oci::source::{Blob, Source, Top};
use crate::stage::digest::Running;
use importd_api::failure::Kind;
use importd_formats::checksums::Digest;
use importd_formats::codec::Codec;
use importd_formats::oci::compose;
use importd_formats::oci::descriptor::Stored;
use importd_formats::oci::docker::{MANIFEST_FILE, Saved, parse};
use importd_formats::oci::{BlobDigest, CONFIG_MAX, Config, DOCUMENT_MAX, Descriptor, MediaType};
use importd_host::cancel::Cancel;
use std::collections::HashMap;
use std::io::Read;

/// Size of the buffer for hashing, in bytes.
const HASH_BYTES: usize = 1 << 20;

/// One image of an archive.
#[derive(Debug)]
pub(super) struct SavedImage {
    label: String,
    blobs: HashMap<BlobDigest, Part>,
    manifest: Vec<u8>,
    cancel: Cancel,
}

impl SavedImage {
    /// Finds the image in what `docker save` wrote.
    ///
    /// # Errors
    /// [`Kind::Document`] for documents that are none; [`Kind::NotFound`] for a layer that is missing;
    /// as [`choose`].
    pub(super) fn open(
        label: &str,
        files: &Files,
        asked: Option<&str>,
        context: &Context,
    ) -> Result<Self> {
        let refused = |name: &str| format!("Refusing '{}' of {label}", name.escape_debug());
        let listed = files.read(MANIFEST_FILE, DOCUMENT_MAX)?.unwrap_or_default();
        let images =
            parse(&listed).map_err(|error| document_error(refused(MANIFEST_FILE), error))?;
        let mut chosen = choose(label, images, |image| image.tags.as_slice(), asked)?;
        let (Some(saved), true) = (chosen.pop(), chosen.is_empty()) else {
            let text = format!("There are several images in {label} that nothing tells apart");
            return Err(Error::new(Kind::InvalidArgument, text));
        };
        let part = file(files, label, &saved.config)?;
        let bytes = part.read(&saved.config, CONFIG_MAX)?;
        let config =
            Config::parse(&bytes).map_err(|error| document_error(refused(&saved.config), error))?;
        let mut sha256 = Running::default();
        sha256.update(&bytes);
        let digest = BlobDigest::from(Digest::Sha256(sha256.finish()));
        check_name(label, &saved.config, &digest)?;
        let mut image = Self {
            label: label.to_owned(),
            blobs: HashMap::from([(digest, part.clone())]),
            manifest: Vec::new(),
            cancel: context.cancel.clone(),
        };
        let layers = image.layers(files, &saved, &config)?;
        let config = stored(MediaType::CONFIG, digest, &part);
        image.manifest = compose::manifest(&config, &layers)
            .map_err(|error| document_error(format!("Failed to describe {label}"), error))?;
        Ok(image)
    }

    fn layers(&mut self, files: &Files, saved: &Saved, config: &Config) -> Result<Vec<Stored>> {
        let says_all = config.diff_ids.len() == saved.layers.len();
        let mut layers = Vec::with_capacity(saved.layers.len());
        // Of many names of one file each would be hashed.
        let mut hashed = HashMap::new();
        for (at, path) in saved.layers.iter().enumerate() {
            let part = file(files, &self.label, path)?;
            let failed = || format!("Failed to read '{}'", path.escape_debug());
            let said = config.diff_ids.get(at).filter(|_| says_all);
            let digest = match said {
                Some(digest) if !is_packed(&part).doing(failed)? => *digest,
                _ => {
                    let place = part.place().doing(failed)?;
                    match hashed.get(&place) {
                        Some(digest) => *digest,
                        None => {
                            let digest = hash(&part, &self.cancel).doing(failed)?;
                            hashed.insert(place, digest);
                            digest
                        }
                    }
                }
            };
            layers.push(stored(MediaType::LAYER, digest, &part));
            if let Some(other) = self.blobs.insert(digest, part.clone())
                && other.length != part.length
            {
                let text = format!(
                    "Two files of {} of different lengths are said to have the digest {digest}",
                    self.label
                );
                return Err(Error::new(Kind::Corrupt, text));
            }
        }
        Ok(layers)
    }
}

fn stored(media_type: &str, digest: BlobDigest, part: &Part) -> Stored {
    Stored {
        media_type: media_type.into(),
        digest,
        size: part.length,
        platform: None,
    }
}

fn file(files: &Files, label: &str, path: &str) -> Result<Part> {
    files.find(path)?.ok_or_else(|| {
        let text = format!("There is no '{}' in {label}", path.escape_debug());
        Error::new(Kind::NotFound, text)
    })
}

/// A configuration is called by its digest: then it must have that.
fn check_name(label: &str, path: &str, digest: &BlobDigest) -> Result<()> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".json").unwrap_or(name);
    let name = name.strip_prefix("sha256:").unwrap_or(name);
    match format!("sha256:{name}").parse::<BlobDigest>() {
        Ok(said) if said != *digest => {
            let text =
                format!("The configuration of {label} is said to be {said}, but it is {digest}");
            Err(Error::new(Kind::Corrupt, text))
        }
        _ => Ok(()),
    }
}

fn is_packed(part: &Part) -> std::io::Result<bool> {
    let mut start = Vec::new();
    let mut reader = part.reader(None).take(Codec::MAGIC_LEN as u64);
    reader.read_to_end(&mut start)?;
    Ok(Codec::sniff(&start) != Codec::None)
}

fn hash(part: &Part, cancel: &Cancel) -> std::io::Result<BlobDigest> {
    let mut sha256 = Running::default();
    let mut reader = part.reader(Some(cancel.clone()));
    let mut buffer = vec![0; HASH_BYTES];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(Digest::Sha256(sha256.finish()).into()),
            length => sha256.update(&buffer[..length]),
        }
    }
}

impl Source for SavedImage {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn top(&self) -> Result<Top> {
        Ok(Top {
            bytes: self.manifest.clone(),
            sent_as: Some(MediaType::MANIFEST.into()),
        })
    }

    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        open::document(&self.label, (descriptor, limit), || {
            self.part(descriptor).cloned()
        })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob<'_>> {
        Ok(open::blob(self.part(descriptor)?, &self.cancel))
    }
}

impl SavedImage {
    fn part(&self, blob: &Descriptor) -> Result<&Part> {
        self.blobs.get(&blob.digest).ok_or_else(|| {
            let text = format!("There is no blob {} in {}", blob.digest, self.label);
            Error::new(Kind::NotFound, text)
        })
    }
}
