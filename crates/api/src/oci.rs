//! What an OCI image is called: `[REGISTRY[:PORT]/]NAME[/NAME…][:TAG][@DIGEST]`.

use std::fmt;
use std::str::FromStr;

/// Longest reference, in bytes: a host, a path of 255 bytes, a tag and a digest fit in.
const REFERENCE_MAX: usize = 1024;
/// Longest tag, in characters.
const TAG_MAX: usize = 128;
/// Longest host, in bytes (RFC 1035).
const HOST_MAX: usize = 253;

/// The name of an OCI image, as people write it.
///
/// # Source
/// systemd-pull of systemd 262 for all but the digest; OCI distribution specification 1.1 for that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: Option<String>,
    image: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// A text that is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not of the form [REGISTRY[:PORT]/]NAME[:TAG][@sha256:DIGEST], in lower case")]
pub struct Invalid;

/// The name of an image among those of a layout or an archive: `debian:13`, `latest`.
///
/// # Source
/// OCI image specification 1.1, "Annotations", `org.opencontainers.image.ref.name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(String);

/// Longest name in a layout, in bytes: a path of 255 and a tag.
const LAYOUT_TAG_MAX: usize = 384;

/// A text that is no name in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("It is no name of an image in a layout, such as latest or debian:13")]
pub struct InvalidTag;

impl Tag {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@+/".contains(&byte);
        let bytes = text.as_bytes();
        let is_valid = text.len() <= LAYOUT_TAG_MAX
            && is_edge(bytes.first())
            && is_edge(bytes.last())
            && text.bytes().all(is_allowed);
        is_valid.then(|| Self(text.to_owned())).ok_or(InvalidTag)
    }
}

impl Reference {
    /// What stands before the first slash, with its port; a host, or the start of the image's name
    /// (see [`Reference::has_host`]).
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// The name of the image, without what stands before the first slash.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.image
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest or index, with its algorithm.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether the registry can only be a host: it has a dot or a port, or is this machine.
    #[must_use]
    pub fn has_host(&self) -> bool {
        self.registry()
            .is_some_and(|registry| registry == "localhost" || registry.contains(['.', ':']))
    }

    /// The last component of the image's name: what a local image is called without another name.
    #[must_use]
    pub fn last(&self) -> &str {
        self.image.rsplit('/').next().unwrap_or(&self.image)
    }
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > REFERENCE_MAX {
            return Err(Invalid);
        }
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(digest)),
            None => (text, None),
        };
        let path = text.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match text[path..].find(':') {
            Some(colon) => (&text[..path + colon], Some(&text[path + colon + 1..])),
            None => (text, None),
        };
        let (registry, image) = match name.split_once('/') {
            Some((registry, image)) => (Some(registry), image),
            None => (None, name),
        };
        let is_valid = registry.is_none_or(is_registry)
            && image.split('/').all(is_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        let owned = |part: Option<&str>| part.map(str::to_owned);
        is_valid
            .then(|| Self {
                registry: owned(registry),
                image: image.to_owned(),
                tag: owned(tag),
                digest: owned(digest),
            })
            .ok_or(Invalid)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.image)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn is_component(text: &str) -> bool {
    let is_allowed = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'_' | b'-' | b'+' | b'.')
    };
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(is_allowed)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_MAX
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", digits)) => (digits, 64),
        Some(("sha512", digits)) => (digits, 128),
        _ => return false,
    };
    let (digits, length) = length;
    digits.len() == length
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// A name of the DNS, with a port or not.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(is_allowed)
    };
    host.len() <= HOST_MAX && host.split('.').all(is_label) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> [Option<String>; 4] {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.to_string(), text);
        let owned = |part: Option<&str>| part.map(str::to_owned);
        [
            owned(reference.registry()),
            Some(reference.image().to_owned()),
            owned(reference.tag()),
            owned(reference.digest()),
        ]
    }

    #[test]
    fn references_have_four_parts() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let some = |text: &str| Some(text.to_owned());
        for (text, expected) in [
            ("debian".to_owned(), [None, some("debian"), None, None]),
            (
                "debian:13-slim".into(),
                [None, some("debian"), some("13-slim"), None],
            ),
            (
                "localhost:5000/foo".into(),
                [some("localhost:5000"), some("foo"), None, None],
            ),
            (
                "r.example/a/b_c+d/e:T_1".into(),
                [some("r.example"), some("a/b_c+d/e"), some("T_1"), None],
            ),
            (
                format!("a@{digest}"),
                [None, some("a"), None, some(&digest)],
            ),
            (
                format!("h:1/a:t@{digest}"),
                [some("h:1"), some("a"), some("t"), some(&digest)],
            ),
        ] {
            assert_eq!(parts(&text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let digest = "0a".repeat(32);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a:",
            "a:b:c",
            "a:-x",
            "http://a/b",
            "a b",
            ".a",
            "a/.b",
            "h:0/a",
            "h:65536/a",
            "h:x/a",
            "-h/a",
            "h..i/a",
            "a@",
            "a@sha256:00",
            "a/../b",
            "ä",
            "--verify=no/a",
            "a\n",
        ] {
            assert_eq!(bad.parse::<Reference>(), Err(Invalid), "{bad}");
        }
        let long = format!("a:{}", "t".repeat(129));
        assert!(long.parse::<Reference>().is_err());
        for bad in [
            format!("a@sha256:{}", digest.to_uppercase()),
            format!("a@sha512:{digest}"),
            format!("a@md5:{digest}"),
            format!("a@sha256:{digest}@sha256:{digest}"),
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_in_a_layout_are_no_options_and_no_paths() {
        for good in ["latest", "debian:13", "r.example:5000/a/b:1", "a"] {
            assert_eq!(good.parse::<Tag>().unwrap().as_str(), good);
        }
        let long = "a".repeat(LAYOUT_TAG_MAX + 1);
        for bad in ["", "-a", "a/", "/a", "a b", "a\n", "ä", &long] {
            assert_eq!(bad.parse::<Tag>(), Err(InvalidTag), "{bad}");
        }
    }

    #[test]
    fn a_registry_can_only_be_a_host_if_it_looks_like_one() {
        let has_host = |text: &str| text.parse::<Reference>().unwrap().has_host();
        assert!(has_host("localhost/a") && has_host("h:1/a") && has_host("r.example/a"));
        assert!(!has_host("user/a") && !has_host("a"));
        assert_eq!("h:1/a/b:t".parse::<Reference>().unwrap().last(), "b");
    }
}
