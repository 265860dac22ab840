//! What a blob is.

use std::fmt;

/// Longest media type that is repeated in messages, in characters.
const SHOWN_MAX: usize = 120;

/// A media type, without its parameters; Docker's names and those of OCI are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// The images of several platforms.
    Index,
    /// An image.
    Manifest,
    /// How a container of the image is started.
    Config,
    /// A tar archive, packed in whatever way: its first bytes say it.
    Layer,
    /// A layer that is not to be had from the registry, but from the address of somebody else.
    ForeignLayer,
    /// An image of Docker's first schema, which is signed and has no digests.
    Schema1,
    /// Anything else, as it was written.
    Other(String),
}

impl MediaType {
    /// Reads a media type; parameters, such as a character set, are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let name = text.split(';').next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Self::Manifest,
            "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json" => Self::Config,
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::Layer,
            "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Self::ForeignLayer,
            "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws" => Self::Schema1,
            _ => Self::Other(name.to_owned()),
        }
    }

    /// How an index is written.
    pub const INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    /// How a manifest is written.
    pub const MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    /// How a configuration is written.
    pub const CONFIG: &'static str = "application/vnd.oci.image.config.v1+json";
    /// How a layer is written that is not packed.
    pub const LAYER: &'static str = "application/vnd.oci.image.layer.v1.tar";
    /// How a layer is written that is packed with gzip.
    pub const LAYER_GZIP: &'static str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// How a layer is written that is packed with zstd.
    pub const LAYER_ZSTD: &'static str = "application/vnd.oci.image.layer.v1.tar+zstd";

    /// What a request for an index or a manifest says it takes.
    pub const ACCEPTED: &'static str = "application/vnd.oci.image.index.v1+json, \
        application/vnd.oci.image.manifest.v1+json, \
        application/vnd.docker.distribution.manifest.list.v2+json, \
        application/vnd.docker.distribution.manifest.v2+json";
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("an index"),
            Self::Manifest => f.write_str("a manifest"),
            Self::Config => f.write_str("a configuration"),
            Self::Layer => f.write_str("a layer"),
            Self::ForeignLayer => f.write_str("a layer of somebody else"),
            Self::Schema1 => f.write_str("a manifest of Docker's first schema"),
            Self::Other(name) => {
                let shown: String = name.chars().take(SHOWN_MAX).collect();
                write!(f, "'{}'", shown.escape_debug())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_play_no_part() {
        for text in [
            "application/vnd.oci.image.index.v1+json",
            "Application/vnd.oci.image.Index.v1+json; charset=utf-8",
            " application/vnd.docker.distribution.manifest.list.v2+json ;x=y",
        ] {
            assert_eq!(MediaType::parse(text), MediaType::Index, "{text}");
        }
        let other = MediaType::parse("text/html; charset=utf-8");
        assert_eq!(other, MediaType::Other("text/html".into()));
        let odd = MediaType::parse("a\nb");
        assert_eq!(odd.to_string(), "'a\\nb'");
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        for part in MediaType::ACCEPTED.split(", ") {
            let read = MediaType::parse(part);
            assert!(matches!(read, MediaType::Index | MediaType::Manifest));
        }
    }
}
