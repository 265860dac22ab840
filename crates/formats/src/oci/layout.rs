//! What a folder of images says of itself: `oci-layout` and `index.json`.
//!
//! ```text
//! oci-layout              { "imageLayoutVersion": "1.0.0" }
//! index.json              an index; its images may have names
//! blobs/sha256/HEX        blobs by their digests
//! ```
//!
//! # Source
//! OCI image specification, "Image Layout".

use super::descriptor::{Stored, Written};
use super::object::Object;
use super::{Descriptor, Error, MANIFESTS_MAX, MediaType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file that tells a layout.
pub const MARKER_FILE: &str = "oci-layout";
/// The file that lists the images.
pub const INDEX_FILE: &str = "index.json";
/// The folder of blobs; in it is one for each kind of digest.
pub const BLOBS_FOLDER: &str = "blobs";
/// Largest `oci-layout`, in bytes: it has one member.
pub const MARKER_MAX: u64 = 4096;
/// What `oci-layout` has in a layout of ours.
pub const MARKER: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";

/// Where an image's name stands.
const NAME_KEY: &str = "org.opencontainers.image.ref.name";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// Reads `oci-layout`.
///
/// # Errors
/// [`Error::Json`]; [`Error::Unsupported`] for a version other than 1.
pub fn check_marker(bytes: &[u8]) -> Result<(), Error> {
    let Object(marker): Object<Marker> = serde_json::from_slice(bytes)?;
    let version = marker.image_layout_version;
    if version.split('.').next() == Some("1") {
        return Ok(());
    }
    let shown: String = version
        .chars()
        .take(40)
        .flat_map(char::escape_debug)
        .collect();
    let text = format!("layouts of version '{shown}' are not supported, only 1");
    Err(Error::Unsupported(text))
}

/// The images of a layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// What is an index or a manifest; signatures and the like are left out.
    pub images: Vec<Listed>,
    /// All of the document, as it was.
    whole: serde_json::Map<String, Value>,
}

/// An image of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The document: an index or a manifest.
    pub descriptor: Descriptor,
    /// Its names, as the writer of the layout understood them: `latest`, `debian:13`.
    pub names: Vec<String>,
}

/// The document's members that say which blobs are images.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<Object<Written>>>,
}

/// The same list once more, for the names.
#[derive(Debug, Deserialize)]
struct NameMembers {
    manifests: Option<Vec<Object<Annotated>>>,
}

#[derive(Debug, Deserialize)]
struct Annotated {
    annotations: Option<Object<Names>>,
}

/// Annotations that name an image; those of containerd have the whole name.
#[derive(Debug, Default, Deserialize)]
struct Names {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    name: Option<String>,
    #[serde(rename = "io.containerd.image.name")]
    whole: Option<String>,
}

/// An image as it is added to a listing.
#[derive(Debug, Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    blob: &'a Stored,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<AddedNames<'a>>,
}

#[derive(Debug, Serialize)]
struct AddedNames<'a> {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    name: &'a str,
}

impl Listing {
    /// Reads `index.json`, of at most [`super::DOCUMENT_MAX`] bytes.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::Invalid`], [`Error::TooLarge`] as [`super::Document::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Object(members): Object<Members> = serde_json::from_slice(bytes)?;
        let Object(names): Object<NameMembers> = serde_json::from_slice(bytes)?;
        let whole = serde_json::from_slice(bytes)?;
        let own = members.media_type.as_deref().map(MediaType::parse);
        if members.schema_version != Some(2) || own.is_some_and(|own| own != MediaType::Index) {
            let text = "it is no index: its schemaVersion is not 2, or its mediaType another one";
            return Err(Error::Invalid(text.into()));
        }
        let written = members.manifests.unwrap_or_default();
        if written.len() > MANIFESTS_MAX {
            let text = format!(
                "{} images, where there may be {MANIFESTS_MAX}",
                written.len()
            );
            return Err(Error::TooLarge(text));
        }
        let names = names.manifests.unwrap_or_default();
        let mut images = Vec::new();
        for (blob, names) in written.into_iter().zip(names) {
            let descriptor = blob.0.read(MediaType::Manifest)?;
            let names = names.0.annotations.map(|names| names.0).unwrap_or_default();
            if matches!(
                descriptor.media_type,
                MediaType::Index | MediaType::Manifest
            ) {
                images.push(Listed {
                    descriptor,
                    names: [names.name, names.whole].into_iter().flatten().collect(),
                });
            }
        }
        Ok(Self { images, whole })
    }

    /// The document with one image more. One of the same name goes, all others stay as they were;
    /// without a name, one of the same digest.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the document would have more images than it may.
    pub fn with(mut self, blob: &Stored, name: Option<&str>) -> Result<Vec<u8>, Error> {
        let annotations = name.map(|name| AddedNames { name });
        let added = serde_json::to_value(Added { blob, annotations })?;
        let list = match self.whole.get_mut("manifests") {
            Some(Value::Array(list)) => std::mem::take(list),
            _ => Vec::new(),
        };
        let digest = blob.digest.to_string();
        let mut list: Vec<Value> = list
            .into_iter()
            .filter(|old| !is_replaced(old, name, &digest))
            .collect();
        list.push(added);
        if list.len() > MANIFESTS_MAX {
            let text = format!("{} images, where there may be {MANIFESTS_MAX}", list.len());
            return Err(Error::TooLarge(text));
        }
        self.whole.insert("manifests".into(), list.into());
        self.whole.insert("schemaVersion".into(), 2.into());
        self.whole
            .entry("mediaType")
            .or_insert_with(|| MediaType::INDEX.into());
        Ok(serde_json::to_vec(&self.whole)?)
    }
}

fn is_replaced(old: &Value, name: Option<&str>, digest: &str) -> bool {
    let annotations = old.get("annotations");
    let old_name = annotations
        .and_then(|all| all.get(NAME_KEY))
        .and_then(Value::as_str);
    match name {
        Some(_) => old_name == name,
        None => old_name.is_none() && old.get("digest").and_then(Value::as_str) == Some(digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksums::Digest;

    fn stored(number: u8) -> Stored {
        Stored {
            media_type: MediaType::MANIFEST.into(),
            digest: Digest::Sha256([number; 32]).into(),
            size: 7,
            platform: None,
        }
    }

    fn names(bytes: &[u8]) -> Vec<(String, Vec<String>)> {
        let listing = Listing::parse(bytes).unwrap();
        listing
            .images
            .into_iter()
            .map(|image| (image.descriptor.digest.hex()[..2].to_owned(), image.names))
            .collect()
    }

    #[test]
    fn a_new_image_replaces_the_one_of_its_name_only() {
        let first = Listing::default().with(&stored(1), Some("a")).unwrap();
        let second = Listing::parse(&first).unwrap();
        let second = second.with(&stored(2), Some("b")).unwrap();
        let third = Listing::parse(&second).unwrap();
        let third = third.with(&stored(3), Some("a")).unwrap();
        let expected = [("02", "b"), ("03", "a")];
        let expected = expected.map(|(digest, name)| (digest.to_owned(), vec![name.to_owned()]));
        assert_eq!(names(&third), expected);
        // Without a name the same blob is not listed twice.
        let fourth = Listing::parse(&third).unwrap();
        let fourth = fourth.with(&stored(4), None).unwrap();
        let fifth = Listing::parse(&fourth).unwrap();
        let fifth = fifth.with(&stored(4), None).unwrap();
        assert_eq!(fourth, fifth);
        assert_eq!(names(&fifth).len(), 3);
    }

    #[test]
    fn what_is_not_understood_stays() {
        let text = format!(
            r#"{{"schemaVersion":2,"annotations":{{"x":"y"}},"manifests":[
            {{"mediaType":"application/x","digest":"sha256:{0}","size":1,"odd":[1,{{"b":null}}]}},
            {{"mediaType":"{1}","digest":"sha256:{0}","size":1,"annotations":
             {{"io.containerd.image.name":"r.example/a:1","org.opencontainers.image.ref.name":"1"}}}}]}}"#,
            "0a".repeat(32),
            MediaType::INDEX
        );
        let listing = Listing::parse(text.as_bytes()).unwrap();
        assert_eq!(listing.images.len(), 1);
        assert_eq!(listing.images[0].names, ["1", "r.example/a:1"]);
        assert_eq!(listing.images[0].descriptor.media_type, MediaType::Index);
        let before: Value = serde_json::from_str(&text).unwrap();
        let after = listing.with(&stored(9), Some("n")).unwrap();
        let after: Value = serde_json::from_slice(&after).unwrap();
        assert_eq!(after["annotations"], before["annotations"]);
        for at in 0..2 {
            assert_eq!(after["manifests"][at], before["manifests"][at]);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        check_marker(MARKER).unwrap();
        check_marker(b"{\"imageLayoutVersion\":\"1.1.0\"}").unwrap();
        let other = check_marker(b"{\"imageLayoutVersion\":\"2.0.0\"}");
        assert!(matches!(other, Err(Error::Unsupported(_))));
        for bad in [&b""[..], b"{}", b"[\"1.0.0\"]"] {
            assert!(matches!(check_marker(bad), Err(Error::Json(_))));
        }
        for bad in [
            &b"[]"[..],
            b"{}",
            b"{\"schemaVersion\":1}",
            b"{\"schemaVersion\":2,\"schemaVersion\":2}",
            b"{\"schemaVersion\":2,\"mediaType\":\"text/plain\"}",
            b"{\"schemaVersion\":2,\"manifests\":[{\"size\":1}]}",
            b"{\"schemaVersion\":2,\"manifests\":{}}",
        ] {
            Listing::parse(bad).unwrap_err();
        }
    }
}
