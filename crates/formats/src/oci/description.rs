//! What a file says of a registry, or of the images of a name: `NAME.oci-registry`.
//!
//! ```text
//! { "defaultProtocol": "https", "overrideRegistry": "registry.example:5000/path",
//!   "shortImagePrefix": "library/", "mirrors": ["mirror.example/hub"] }
//! ```

use super::Error;
use super::object::Object;
use serde::Deserialize;

/// Largest file, in bytes: those that are shipped have a hundred.
pub const DESCRIPTION_MAX: u64 = 64 << 10;
/// Most mirrors: each is tried for each blob.
const MIRRORS_MAX: usize = 32;

/// What is to be known of a registry; what stands for nothing is left out or `null`.
///
/// # Source
/// systemd-pull of systemd 262; `mirrors` is our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Description {
    /// Scheme of its addresses: `https`, `http` or `file`.
    pub default_protocol: Option<String>,
    /// Stands in for whatever registry was named: `HOST[:PORT][/PATH]`.
    pub override_registry: Option<String>,
    /// The registry, where none was named.
    pub default_registry: Option<String>,
    /// Stands in for whatever image was named.
    pub override_image: Option<String>,
    /// Stands before names of images without a slash.
    pub short_image_prefix: Option<String>,
    /// The tag, where none was named.
    pub default_tag: Option<String>,
    /// Other registries with the same blobs, in the order in which they are asked:
    /// `[SCHEME://]HOST[:PORT][/PREFIX]`.
    pub mirrors: Option<Vec<String>>,
}

impl Description {
    /// Reads a file, of at most [`DESCRIPTION_MAX`] bytes. Members that are not known are left out.
    ///
    /// # Errors
    /// [`Error::Json`]; [`Error::TooLarge`] for too many mirrors.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Object(description): Object<Self> = serde_json::from_slice(bytes)?;
        let count = description.mirrors.as_ref().map_or(0, Vec::len);
        if count > MIRRORS_MAX {
            let text = format!("{count} mirrors, where there may be {MIRRORS_MAX}");
            return Err(Error::TooLarge(text));
        }
        Ok(description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_may_be_missing_null_or_unknown() {
        let text = br#"{"defaultProtocol":"http","overrideRegistry":"r:1/p","defaultTag":null,
            "shortImagePrefix":"library/","mirrors":["m"],"somethingElse":{"x":[1]}}"#;
        let description = Description::parse(text).unwrap();
        let expected = Description {
            default_protocol: Some("http".into()),
            override_registry: Some("r:1/p".into()),
            short_image_prefix: Some("library/".into()),
            mirrors: Some(vec!["m".into()]),
            ..Description::default()
        };
        assert_eq!(description, expected);
        assert_eq!(Description::parse(b"{}").unwrap(), Description::default());
    }

    #[test]
    fn nonsense_is_refused() {
        let many = format!("{{\"mirrors\":[\"m\"{}]}}", ",\"m\"".repeat(MIRRORS_MAX));
        for bad in [
            "",
            "[]",
            "{",
            "{} {}",
            "{\"defaultTag\":1}",
            "{\"mirrors\":\"m\"}",
            "{\"mirrors\":[1]}",
            "{\"defaultTag\":\"a\",\"defaultTag\":\"b\"}",
            many.as_str(),
        ] {
            assert!(Description::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
