//! What an address of a registry holds.

use super::descriptor::Written;
use super::object::Object;
use super::{Descriptor, Error, LAYERS_MAX, MANIFESTS_MAX, MediaType};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// An index or a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// The images of several platforms.
    Index(Index),
    /// An image.
    Manifest(Manifest),
}

/// The images of several platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What it names that is an image; signatures and the like are left out.
    pub images: Vec<Descriptor>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// How a container of it is started.
    pub config: Option<Descriptor>,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// A document as it is written: of an index, of a manifest, or of both.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<Object<Written>>,
    layers: Option<Vec<Object<Written>>>,
    manifests: Option<Vec<Object<Written>>>,
    /// Of Docker's first schema.
    fs_layers: Option<IgnoredAny>,
}

impl Document {
    /// Reads a document, of at most [`super::DOCUMENT_MAX`] bytes. `sent_as` is what the server says
    /// that it is; nothing, or a type that says nothing, leaves it to the document itself.
    ///
    /// # Errors
    /// By kind: [`Error::Json`], [`Error::Invalid`], [`Error::Ambiguous`], [`Error::Unsupported`],
    /// [`Error::TooLarge`].
    pub fn parse(bytes: &[u8], sent_as: Option<&str>) -> Result<Self, Error> {
        let Object(members): Object<Members> = serde_json::from_slice(bytes)?;
        let sent_as = sent_as.map(MediaType::parse).filter(says_something);
        match members.kind(sent_as)? {
            Kind::Index => members.index().map(Self::Index),
            Kind::Manifest => members.manifest().map(Self::Manifest),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Index,
    Manifest,
}

/// Whether a type says what a document is: files and careless servers have general ones.
fn says_something(media_type: &MediaType) -> bool {
    let general = [
        "application/json",
        "application/octet-stream",
        "text/plain",
        "",
    ];
    !matches!(media_type, MediaType::Other(name)
        if general.iter().any(|general| name.eq_ignore_ascii_case(general)))
}

impl Kind {
    fn of(media_type: &MediaType) -> Result<Self, Error> {
        match media_type {
            MediaType::Index => Ok(Self::Index),
            MediaType::Manifest => Ok(Self::Manifest),
            other => Err(Error::Unsupported(format!(
                "{other} is neither an index nor a manifest"
            ))),
        }
    }
}

impl Members {
    /// What it is: by the server's word, its own, and its members, which must agree.
    fn kind(&self, sent_as: Option<MediaType>) -> Result<Kind, Error> {
        if self.schema_version == Some(1) || self.fs_layers.is_some() {
            let text = "manifests of Docker's first schema are not supported";
            return Err(Error::Unsupported(text.into()));
        }
        let own = self.media_type.as_deref().map(MediaType::parse);
        let kinds = [sent_as, own].into_iter().flatten();
        let kinds: Vec<Kind> = kinds
            .map(|media_type| Kind::of(&media_type))
            .collect::<Result<_, _>>()?;
        if self.schema_version != Some(2) {
            return Err(Error::Invalid("its schemaVersion is not 2".into()));
        }
        let looks = match (&self.manifests, &self.layers, &self.config) {
            (Some(_), None, None) => Kind::Index,
            (None, Some(_), _) => Kind::Manifest,
            (Some(_), _, _) => {
                let text = "it is an index and a manifest at once";
                return Err(Error::Ambiguous(text.into()));
            }
            (None, None, _) => {
                let text = "it has neither layers nor manifests";
                return Err(Error::Invalid(text.into()));
            }
        };
        match kinds.iter().any(|kind| *kind != looks) {
            true => Err(Error::Ambiguous("it is not what it is said to be".into())),
            false => Ok(looks),
        }
    }

    fn index(self) -> Result<Index, Error> {
        let written = self.manifests.unwrap_or_default();
        bounded(written.len(), MANIFESTS_MAX, "images")?;
        let images = written
            .into_iter()
            .map(|one| one.0.read(MediaType::Manifest));
        let mut images: Vec<_> = images.collect::<Result<_, _>>()?;
        images.retain(|image| image.media_type == MediaType::Manifest);
        Ok(Index { images })
    }

    fn manifest(self) -> Result<Manifest, Error> {
        let written = self.layers.unwrap_or_default();
        bounded(written.len(), LAYERS_MAX, "layers")?;
        let layers = written.into_iter().map(|one| one.0.read(MediaType::Layer));
        let layers = layers.collect::<Result<_, _>>()?;
        let config = self.config.map(|one| one.0.read(MediaType::Config));
        Ok(Manifest {
            config: config.transpose()?,
            layers,
        })
    }
}

fn bounded(count: usize, most: usize, what: &str) -> Result<(), Error> {
    match count > most {
        true => Err(Error::TooLarge(format!(
            "{count} {what}, where there may be {most}"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
