//! Layers, configuration and manifest of an image.

use super::super::walk::Part;
use super::blobs::{Blob, Blobs};
use super::layer::pack;
use super::trees::Trees;
use crate::context::Context;
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_formats::codec::{Codec, EncodeOptions};
use importd_formats::oci::compose::{self, Wishes};
use importd_formats::oci::descriptor::Stored;
use importd_formats::oci::platform::Wanted;
use importd_formats::oci::{self, Config, MediaType, Platform};

/// How layers are packed, and what the configuration is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packing<'a> {
    /// None, gzip or zstd: other readers know no more.
    pub(crate) codec: Codec,
    pub(crate) options: EncodeOptions,
    pub(crate) wishes: &'a Wishes,
    /// How many such works there are in all, for the percents: 1 if there is nothing but packing.
    pub(crate) steps: usize,
}

/// An image that is complete but for its name.
#[derive(Debug)]
pub(crate) struct Built {
    /// The layers, the lowest first, each once, and the configuration.
    pub(crate) blobs: Vec<Blob>,
    /// What names them.
    pub(crate) manifest: Blob,
}

impl Built {
    /// How a list of images names it.
    pub(crate) fn listed(&self) -> Stored {
        self.manifest.stored.clone()
    }
}

/// Packs the layers and writes the documents.
///
/// # Errors
/// As [`pack`]; [`Kind::Document`] for a configuration that is none.
pub(crate) fn build(
    trees: &Trees,
    packing: Packing<'_>,
    blobs: &Blobs,
    context: &Context,
) -> Result<Built> {
    let refused = |error: oci::Error| {
        let text = "Failed to describe the image";
        Error::caused(Kind::Document, text, error)
    };
    let before = trees.config();
    let known = before.map(Config::parse).transpose().map_err(refused)?;
    let mut wishes = packing.wishes.clone();
    if wishes.platform.is_none() && known.and_then(|known| known.architecture).is_none() {
        wishes.platform = Some(Wanted::native().platform());
    }
    let count = trees.layers().len().saturating_mul(packing.steps);
    let (mut layers, mut diff_ids, mut kept) = (Vec::new(), Vec::new(), Vec::<Blob>::new());
    for (index, layer) in trees.layers().iter().enumerate() {
        let packed = pack(layer, Part { index, count }, packing, blobs, context)?;
        layers.push(packed.blob.stored.clone());
        diff_ids.push(packed.diff_id);
        if kept.iter().all(|blob| blob.stored != packed.blob.stored) {
            kept.push(packed.blob);
        }
    }
    let config = compose::config(before, &wishes, &diff_ids).map_err(refused)?;
    let platform = platform_of(&config);
    let config = Blob::document(MediaType::CONFIG, config);
    let manifest = compose::manifest(&config.stored, &layers).map_err(refused)?;
    let mut manifest = Blob::document(MediaType::MANIFEST, manifest);
    manifest.stored.platform = platform;
    kept.push(config);
    Ok(Built {
        blobs: kept,
        manifest,
    })
}

/// For which machine an image is, by its configuration.
fn platform_of(config: &[u8]) -> Option<Platform> {
    serde_json::from_slice::<Platform>(config)
        .ok()
        .filter(|platform| platform.architecture.is_some())
}
