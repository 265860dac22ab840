//! What `docker save` says of the images of an archive: `manifest.json`.
//!
//! ```text
//! [ { "Config": "HEX.json", "RepoTags": ["name:tag", …], "Layers": ["HEX/layer.tar", …] }, … ]
//! ```
//!
//! # Source
//! Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".

use super::object::Object;
use super::{Error, LAYERS_MAX, MANIFESTS_MAX};
use serde::Deserialize;

/// The name of the document in its archive.
pub const MANIFEST_FILE: &str = "manifest.json";
/// What archives had in its place before Docker 1.10.
pub const OLD_FILE: &str = "repositories";

/// An image of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The path of its configuration in the archive.
    pub config: String,
    /// Its names.
    pub tags: Vec<String>,
    /// The paths of its layers in the archive, the lowest first.
    pub layers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Reads the document, of at most [`super::DOCUMENT_MAX`] bytes.
///
/// # Errors
/// [`Error::Json`]; [`Error::TooLarge`] for too many images or layers.
pub fn parse(bytes: &[u8]) -> Result<Vec<Saved>, Error> {
    let images: Vec<Object<Written>> = serde_json::from_slice(bytes)?;
    if images.len() > MANIFESTS_MAX {
        let text = format!(
            "{} images, where there may be {MANIFESTS_MAX}",
            images.len()
        );
        return Err(Error::TooLarge(text));
    }
    images.into_iter().map(|image| image.0.read()).collect()
}

impl Written {
    fn read(self) -> Result<Saved, Error> {
        let layers = self.layers.unwrap_or_default();
        if layers.len() > LAYERS_MAX {
            let text = format!("{} layers, where there may be {LAYERS_MAX}", layers.len());
            return Err(Error::TooLarge(text));
        }
        Ok(Saved {
            config: self.config,
            tags: self.repo_tags.unwrap_or_default(),
            layers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_names_and_layers() {
        let text =
            br#"[{"Config":"a.json","RepoTags":["x:1","y:2"],"Layers":["a/layer.tar","b.tar"],
            "LayerSources":{}},{"Config":"b.json","RepoTags":null,"Layers":[]}]"#;
        let images = parse(text).unwrap();
        assert_eq!(images.len(), 2);
        assert_eq!(images[0].config, "a.json");
        assert_eq!(images[0].tags, ["x:1", "y:2"]);
        assert_eq!(images[0].layers, ["a/layer.tar", "b.tar"]);
        assert!(images[1].tags.is_empty() && images[1].layers.is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            &b"{}"[..],
            b"[[\"a.json\",[],[]]]",
            b"[{\"RepoTags\":[]}]",
            b"[{\"Config\":1}]",
            b"[{\"Config\":\"a\",\"Config\":\"b\"}]",
            b"[{\"Config\":\"a\",\"Layers\":[1]}]",
            b"[] x",
        ] {
            assert!(matches!(parse(bad), Err(Error::Json(_))));
        }
        let many = format!(
            "[{{\"Config\":\"a\",\"Layers\":[{}]}}]",
            vec!["\"l\""; LAYERS_MAX + 1].join(",")
        );
        assert!(matches!(parse(many.as_bytes()), Err(Error::TooLarge(_))));
    }
}
