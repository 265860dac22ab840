//! Reference and description put together: the addresses of an image.

use super::description::{self, Described};
use super::lanes::Lanes;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::pull::USER_AGENT;
use crate::source::remote::Fetcher;
use crate::source::settings::Settings;
use importd_api::failure::Kind;
use importd_api::oci::Reference;
use importd_api::url::Url;
use importd_formats::oci::BlobDigest;
use importd_formats::oci::description::Description;
use std::path::PathBuf;

/// The registry of names without one, and of Docker's, if no file says otherwise.
pub(super) const HUB: &str = "registry-1.docker.io";
/// What people call it.
pub(super) const HUB_NAMES: [&str; 2] = ["docker.io", "index.docker.io"];
/// Under which its images without a slash are.
const HUB_PREFIX: &str = "library/";
/// The tag where nothing says another one.
const TAG: &str = "latest";

/// What is to be done with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is downloaded.
    Pull,
    /// It is uploaded.
    Push,
}

/// One registry that has the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What the addresses of its documents and blobs begin with, without a slash at the end.
    base: Url,
    /// `HOST[:PORT]`, or the folder of a `file` registry.
    registry: String,
    /// The image's name there.
    image: String,
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    reference: Reference,
    purpose: Purpose,
    registry: Endpoint,
    mirrors: Vec<Endpoint>,
    wanted: Wanted,
}

/// Which of the documents of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Tag(String),
    Digest(BlobDigest),
}

impl Endpoint {
    /// `HOST[:PORT]`, or the folder of a `file` registry.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The image's name there.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Its own address.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// The address of a document.
    pub(super) fn manifest(&self, tag_or_digest: &str) -> Result<Url> {
        self.address(&format!("manifests/{tag_or_digest}"))
    }

    /// The address of a blob.
    pub(super) fn blob(&self, digest: &BlobDigest) -> Result<Url> {
        self.address(&format!("blobs/{digest}"))
    }

    /// The address where uploads begin.
    pub(super) fn uploads(&self) -> Result<Url> {
        self.address("blobs/uploads/")
    }

    fn address(&self, path: &str) -> Result<Url> {
        let text = format!("{}/{path}", self.base.as_str());
        Url::parse(&text).map_err(|error| {
            let text = format!("There is no address for images of '{}'", self.registry);
            Error::caused(Kind::InvalidArgument, text, error)
        })
    }

    /// By `HOST[:PORT][/PATH]`, the path before `v2`; or by the folder of a `file` registry.
    fn of_registry(protocol: &str, text: &str, image: &str) -> Option<Self> {
        let (registry, path) = match (protocol, text.split_once('/')) {
            ("file", _) => (text, text.strip_prefix('/')?.trim_end_matches('/')),
            (_, Some((host, path))) => (host, path.trim_end_matches('/')),
            (_, None) => (text, ""),
        };
        let is_good = path.is_empty() || path.split('/').all(is_component);
        let base = match (protocol, path) {
            ("file", path) => format!("file:///{path}/v2/{image}"),
            (_, "") => format!("{protocol}://{registry}/v2/{image}"),
            _ => format!("{protocol}://{registry}/{path}/v2/{image}"),
        };
        Self::checked(protocol, (registry, image), &base).filter(|_| is_good)
    }

    /// By `[SCHEME://]HOST[:PORT][/PREFIX]`, the prefix before the image's name.
    fn of_mirror(protocol: &str, text: &str, image: &str) -> Option<Self> {
        let (protocol, text) = match text.split_once("://") {
            Some((protocol @ ("http" | "https"), text)) => (protocol, text),
            Some(_) => return None,
            None => (protocol, text),
        };
        let image = match text.split_once('/') {
            Some((_, prefix)) => format!("{}/{image}", prefix.trim_end_matches('/')),
            None => image.to_owned(),
        };
        let host = text.split('/').next().unwrap_or_default();
        is_image(&image, TAG)
            .then(|| format!("{protocol}://{host}/v2/{image}"))
            .and_then(|base| Self::checked(protocol, (host, &image), &base))
    }

    fn checked(protocol: &str, (registry, image): (&str, &str), base: &str) -> Option<Self> {
        let is_host = || format!("{registry}/x").parse::<Reference>().is_ok();
        (protocol == "file" || is_host())
            .then(|| Url::parse(base).ok())
            .flatten()
            .map(|base| Self {
                base,
                registry: registry.to_owned(),
                image: image.to_owned(),
            })
    }
}

/// A part of a path.
fn is_component(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+~%".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(is_allowed)
}

/// Whether these are an image's name and its tag.
fn is_image(image: &str, tag: &str) -> bool {
    format!("registry.invalid/{image}:{tag}")
        .parse::<Reference>()
        .is_ok_and(|reference| reference.image() == image && reference.tag() == Some(tag))
}

/// A reference and what is known of it.
struct Known {
    registry: Option<String>,
    image: String,
    described: Option<Described>,
    /// What counts where no file says anything.
    usual: Description,
}

impl Known {
    fn look_up(reference: &Reference, folders: &[PathBuf]) -> Result<Self> {
        let image = reference.image().to_owned();
        let Some(registry) = reference.registry() else {
            return Self::of_image(image, folders);
        };
        let known = |described, usual| Self {
            registry: Some(registry.to_owned()),
            image: image.clone(),
            described,
            usual,
        };
        if let Some(described) = description::of_registry(folders, registry)? {
            return Ok(known(Some(described), Description::default()));
        }
        if HUB_NAMES.contains(&registry) {
            let described = description::of_registry(folders, HUB_NAMES[0])?;
            return Ok(known(described, hub()));
        }
        if !reference.has_host() {
            // As Docker has it: a user, or an organisation, of the usual registry.
            return Self::of_image(format!("{registry}/{image}"), folders);
        }
        // Who names a host means it: the file about everything else is about names without one.
        Ok(known(None, Description::default()))
    }

    fn of_image(image: String, folders: &[PathBuf]) -> Result<Self> {
        let described = match description::of_image(folders, &image)? {
            Some(described) => Some(described),
            None => description::of_others(folders)?,
        };
        Ok(Self {
            registry: None,
            image,
            described,
            usual: hub(),
        })
    }

    fn invalid(&self, what: &str, value: &str) -> Error {
        let shown: String = value
            .chars()
            .take(200)
            .flat_map(char::escape_debug)
            .collect();
        Error::new(
            Kind::InvalidArgument,
            match &self.described {
                Some(described) => {
                    let path = described.path.display();
                    format!("The description file '{path}' is invalid: '{shown}' is no {what}")
                }
                None => format!("'{shown}' is no {what}"),
            },
        )
    }

    fn description(&self) -> &Description {
        let described = self.described.as_ref();
        described.map_or(&self.usual, |described| &described.description)
    }

    fn protocol(&self) -> Result<&str> {
        match self.description().default_protocol.as_deref() {
            None => Ok("https"),
            Some(protocol @ ("https" | "http" | "file")) => Ok(protocol),
            Some(other) => Err(self.invalid("protocol", other)),
        }
    }

    fn image(&self) -> String {
        let description = self.description();
        match (&description.override_image, &description.short_image_prefix) {
            (Some(image), _) => image.clone(),
            (None, Some(prefix)) if !self.image.contains('/') => format!("{prefix}{}", self.image),
            _ => self.image.clone(),
        }
    }

    fn registry(&self) -> Result<&str> {
        let description = self.description();
        let registry = description.override_registry.as_ref();
        let registry = registry
            .or(self.registry.as_ref())
            .or(description.default_registry.as_ref());
        let registry = registry.ok_or_else(|| {
            let path = self
                .described
                .as_ref()
                .map(|it| it.path.display().to_string());
            let text = format!(
                "Nothing says in which registry '{}' is: '{}' names none",
                self.image,
                path.unwrap_or_default()
            );
            Error::new(Kind::NotFound, text)
        })?;
        Ok(match HUB_NAMES.contains(&registry.as_str()) {
            true => HUB,
            false => registry,
        })
    }
}

fn hub() -> Description {
    Description {
        override_registry: Some(HUB.into()),
        short_image_prefix: Some(HUB_PREFIX.into()),
        ..Description::default()
    }
}

impl Place {
    /// Looks up where an image is, in description files of these folders.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for a file that cannot be understood, [`Kind::NotFound`] if nothing
    /// names a registry; as [`description::of_registry`].
    pub fn find(reference: &Reference, purpose: Purpose, folders: &[PathBuf]) -> Result<Self> {
        let known = Known::look_up(reference, folders)?;
        let (protocol, image) = (known.protocol()?, known.image());
        let description = known.description();
        let tag = reference.tag().or(description.default_tag.as_deref());
        let tag = tag.unwrap_or(TAG);
        if !is_image(&image, tag) {
            return Err(known.invalid("name of an image", &format!("{image}:{tag}")));
        }
        let registry = known.registry()?;
        let endpoint = Endpoint::of_registry(protocol, registry, &image);
        let endpoint = endpoint.ok_or_else(|| known.invalid("registry", registry))?;
        let mut mirrors = Vec::new();
        for text in description.mirrors.iter().flatten() {
            let mirror = Endpoint::of_mirror(protocol, text, &image);
            mirrors.push(mirror.ok_or_else(|| known.invalid("mirror", text))?);
        }
        let wanted = match reference.digest() {
            Some(digest) => Wanted::Digest(digest.parse().map_err(|error| {
                let text = format!("'{reference}' has no usable digest");
                Error::caused(Kind::InvalidArgument, text, error)
            })?),
            None => Wanted::Tag(tag.to_owned()),
        };
        Ok(Self {
            reference: reference.clone(),
            purpose,
            registry: endpoint,
            mirrors,
            wanted,
        })
    }

    /// The image as it was named.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Its tag; `None` if it was named by its digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match &self.wanted {
            Wanted::Tag(tag) => Some(tag),
            Wanted::Digest(_) => None,
        }
    }

    /// What is to be done with it.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &Endpoint {
        &self.registry
    }

    /// Registries with the same blobs.
    #[must_use]
    pub fn mirrors(&self) -> &[Endpoint] {
        &self.mirrors
    }

    /// The folder of a registry in the file system, for the cage.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        let path = self.registry.base.file_path()?;
        Some(crate::source::remote::percent_decoded(path))
    }

    /// What fetches from its registry and the mirrors, over a connection for each layer. It is to be
    /// made when the cage is closed: it has a thread.
    ///
    /// # Errors
    /// As [`Fetcher::new`].
    pub fn fetcher(&self, settings: &Settings, context: &Context) -> Result<Fetcher> {
        let settings = Settings {
            lanes: Lanes::count() * settings.connections.max(1),
            ..settings.clone()
        };
        Fetcher::new(self.registry.base(), USER_AGENT, &settings, context)
    }

    pub(super) const fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

#[cfg(test)]
mod tests;
