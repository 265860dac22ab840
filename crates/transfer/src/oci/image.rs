//! Which image is meant, and what it consists of.

use super::source::Source;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::report::size;
use importd_api::failure::Kind;
use importd_formats::oci::platform::Wanted;
use importd_formats::oci::{
    self, CONFIG_MAX, Config, DOCUMENT_MAX, Descriptor, Document, Index, Manifest, MediaType,
};

/// Most images of an index that a refusal names.
const NAMED_MAX: usize = 20;

/// An image, before any of its layers is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// How a container of it is started; empty if it does not say.
    pub config: Config,
    /// The configuration as it is stored; `None` if there is none.
    pub config_bytes: Option<Vec<u8>>,
    /// The layers, the lowest first, none twice.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The blob.
    pub blob: Descriptor,
    /// The digest of the blob once it is unpacked, if the configuration says.
    pub plain: Option<oci::BlobDigest>,
}

impl Image {
    /// Reads the documents of an image.
    ///
    /// # Errors
    /// What the source says; [`Kind::NotFound`] if there is none for the machine; [`Kind::Document`] for
    /// documents that are none, or say several things; [`Kind::Unsupported`] for layers that are no
    /// file systems, or lie elsewhere.
    pub fn read(source: &dyn Source, wanted: &Wanted, context: &Context) -> Result<Self> {
        let manifest = manifest(source, wanted, context)?;
        let (config, config_bytes) = config(source, &manifest, context)?;
        if let Some(architecture) = &config.architecture
            && !wanted.is_of(architecture)
        {
            context.report.warning(format!(
                "{} is for {architecture}, not for {wanted}.",
                source.label()
            ));
        }
        let layers = layers(&source.label(), manifest.layers, &config)?;
        let image = Self {
            config,
            config_bytes,
            layers,
        };
        context.report.info(format!(
            "The image has {} layers of {} in all.",
            image.layers.len(),
            size(image.bytes())
        ));
        Ok(image)
    }

    /// Bytes of all layers, as they are stored.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sizes = self.layers.iter().map(|layer| layer.blob.size);
        sizes.fold(0, u64::saturating_add)
    }
}

/// The manifest that was asked for, or that of the index for this machine.
fn manifest(source: &dyn Source, wanted: &Wanted, context: &Context) -> Result<Manifest> {
    let label = source.label();
    let top = source.top()?;
    let index = match parsed(&label, &top.bytes, top.sent_as.as_deref())? {
        Document::Manifest(manifest) => return Ok(manifest),
        Document::Index(index) => index,
    };
    let chosen = wanted
        .choose(&index.images)
        .ok_or_else(|| no_image(&label, wanted, &index))?;
    context.report.info(format!(
        "Of {} images, {} is for {wanted}.",
        index.images.len(),
        chosen.digest
    ));
    let bytes = source.document(chosen, DOCUMENT_MAX)?;
    let label = format!("{} of {label}", chosen.digest);
    match parsed(&label, &bytes, None)? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => Err(Error::new(
            Kind::Document,
            format!("{label} is an index, where an image was to be"),
        )),
    }
}

fn parsed(label: &str, bytes: &[u8], sent_as: Option<&str>) -> Result<Document> {
    Document::parse(bytes, sent_as)
        .map_err(|error| refused(format!("Refusing the manifest of {label}"), error))
}

/// A document that is refused, with its kind.
fn refused(doing: String, error: oci::Error) -> Error {
    let kind = match error {
        oci::Error::Unsupported(_) => Kind::Unsupported,
        oci::Error::TooLarge(_) => Kind::TooLarge,
        oci::Error::Json(_) | oci::Error::Invalid(_) | oci::Error::Ambiguous(_) => Kind::Document,
    };
    Error::caused(kind, doing, error)
}

fn no_image(label: &str, wanted: &Wanted, index: &Index) -> Error {
    let platforms = index.images.iter().filter_map(|it| it.platform.as_ref());
    let named: Vec<_> = platforms.take(NAMED_MAX).map(ToString::to_string).collect();
    let has = match named.is_empty() {
        true => "it has no images at all".to_owned(),
        false => format!("it has {}; --arch= chooses one", named.join(", ")),
    };
    Error::new(
        Kind::NotFound,
        format!("{label} has no image for {wanted}: {has}"),
    )
}

/// The configuration, read and as it is stored. One of another kind says nothing about containers.
fn config(
    source: &dyn Source,
    manifest: &Manifest,
    context: &Context,
) -> Result<(Config, Option<Vec<u8>>)> {
    let Some(descriptor) = &manifest.config else {
        return Ok((Config::default(), None));
    };
    if descriptor.media_type != MediaType::Config {
        context.report.info(format!(
            "Its configuration is {}, which is not one of containers.",
            descriptor.media_type
        ));
        return Ok((Config::default(), None));
    }
    let bytes = source.document(descriptor, CONFIG_MAX)?;
    let config = Config::parse(&bytes).map_err(|error| {
        let text = format!("Refusing the configuration of {}", source.label());
        refused(text, error)
    })?;
    Ok((config, Some(bytes)))
}

/// The layers with what they unpack to. Of several equal ones the topmost counts: all that it holds is on
/// top again there, and overlayfs takes no folder twice.
fn layers(label: &str, blobs: Vec<Descriptor>, config: &Config) -> Result<Vec<Layer>> {
    let diff_ids = &config.diff_ids;
    if !diff_ids.is_empty() && diff_ids.len() != blobs.len() {
        let text = format!(
            "Refusing {label}: its configuration speaks of {} layers, its manifest of {}",
            diff_ids.len(),
            blobs.len()
        );
        return Err(Error::new(Kind::Document, text));
    }
    if blobs.is_empty() {
        let text = format!("Refusing {label}: it has no layers");
        return Err(Error::new(Kind::Document, text));
    }
    let plain = diff_ids.iter().copied().map(Some);
    let plain = plain.chain(std::iter::repeat(None));
    let mut layers: Vec<Layer> = Vec::with_capacity(blobs.len());
    for (blob, plain) in blobs.into_iter().zip(plain) {
        let media_type = &blob.media_type;
        match media_type {
            MediaType::Layer => {}
            MediaType::ForeignLayer => {
                let text = format!(
                    "Refusing {label}: its layer {} is to be had from somebody else's address only",
                    blob.digest
                );
                return Err(Error::new(Kind::Unsupported, text));
            }
            _ => {
                let text = format!(
                    "Refusing {label}: its layer {} is {media_type}, which is no file system",
                    blob.digest
                );
                return Err(Error::new(Kind::Unsupported, text));
            }
        }
        let layer = Layer { blob, plain };
        if let Some(at) = layers
            .iter()
            .position(|other| other.blob.digest == layer.blob.digest)
        {
            let other = layers.remove(at);
            if other.blob.size != layer.blob.size || other.plain != layer.plain {
                let digest = layer.blob.digest;
                let text = format!("Refusing {label}: it says two things about its layer {digest}");
                return Err(Error::new(Kind::Document, text));
            }
        }
        layers.push(layer);
    }
    Ok(layers)
}

#[cfg(test)]
mod tests;
