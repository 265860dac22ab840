//! Addresses that may be pulled from.

use crate::name::{Form, ImageName, NameError};
use std::fmt;

/// Longest address accepted, in bytes. Servers refuse request lines beyond 8 KiB; more would only
/// fill logs and buses.
pub const URL_MAX: usize = 8192;

/// A checked address: `http://…`, `https://…` or `file:/…`, printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url(String);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("URL '{}' is invalid", .0.escape_debug())]
pub struct InvalidUrl(pub String);

/// How the bytes behind an address are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text over the network.
    Http,
    /// TLS over the network.
    Https,
    /// A file of this machine.
    File,
}

impl Url {
    /// Checks an address.
    ///
    /// # Errors
    /// [`InvalidUrl`] unless it begins with a lower-case known scheme and holds only printable
    /// ASCII without blanks. `file:` needs an absolute path with an empty host or `localhost`.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl(text.chars().take(200).collect());
        let printable = text.bytes().all(|b| (0x21..0x7f).contains(&b));
        let host = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        let shaped = match host {
            Some(rest) => !host_of(rest).is_empty(),
            None => file_path(text).is_some(),
        };
        if printable && shaped && text.len() <= URL_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid())
        }
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How its bytes are reached.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        if self.0.starts_with("https:") {
            Scheme::Https
        } else if self.0.starts_with("http:") {
            Scheme::Http
        } else {
            Scheme::File
        }
    }

    /// The path of a `file:` address, still percent-encoded; `None` for the others.
    #[must_use]
    pub fn file_path(&self) -> Option<&str> {
        file_path(&self.0)
    }

    /// The address without the password or user that may stand in it: for logs and attributes.
    #[must_use]
    pub fn without_credentials(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return self.0.clone();
        };
        let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(host_end);
        match authority.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://{host}{tail}"),
            None => self.0.clone(),
        }
    }

    /// The last component of the path, query and fragment cut, trailing slashes ignored, not
    /// percent-decoded; `None` if the path is empty.
    #[must_use]
    pub fn last_component(&self) -> Option<&str> {
        let path = self.split_at_query().0;
        let path = match path.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => path.strip_prefix("file:").unwrap_or(path),
        };
        let last = path.trim_end_matches('/').rsplit('/').next()?;
        (!last.is_empty()).then_some(last)
    }

    /// The address of another file in the same folder: the last component replaced by `name`,
    /// query and fragment dropped.
    ///
    /// # Errors
    /// [`InvalidUrl`] if `name` does not belong into an address.
    pub fn sibling(&self, name: &str) -> Result<Self, InvalidUrl> {
        let path = self.split_at_query().0.trim_end_matches('/');
        let folder = match self.last_component() {
            Some(last) => path.strip_suffix(last).unwrap_or(path).to_owned(),
            None => format!("{path}/"),
        };
        Self::parse(&format!("{folder}{name}"))
    }

    /// The name an image from here gets when none is given.
    ///
    /// # Errors
    /// [`NameError`] if there is no last component or nothing of it is left.
    pub fn image_name(&self, form: Form) -> Result<ImageName, NameError> {
        ImageName::from_file_name(self.last_component().unwrap_or(""), form)
    }

    fn split_at_query(&self) -> (&str, &str) {
        let end = self.0.find(['?', '#']).unwrap_or(self.0.len());
        self.0.split_at(end)
    }
}

/// The host and port of what follows `http://`, without user and password.
fn host_of(rest: &str) -> &str {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or("");
    authority.rsplit('@').next().unwrap_or(authority)
}

fn file_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("file:")?;
    let path = match rest.strip_prefix("//") {
        Some(authority) => authority.strip_prefix("localhost").unwrap_or(authority),
        None => rest,
    };
    path.starts_with('/').then_some(path)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_credentials())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_the_three_schemes_are_addresses() {
        for good in [
            "http://h",
            "http://h/x.tar",
            "https://u:p@h:1/x?y#z",
            "file:/x",
            "file:///x",
            "file://localhost/x",
        ] {
            assert_eq!(url(good).as_str(), good);
        }
        for bad in [
            "",
            "http://",
            "HTTP://h/x",
            "ftp://h/x",
            "file:x",
            "file://h/x",
            "http:///x",
            "http://u:p@",
            "http://u@/x",
            "http://?x",
            "http://h/a b",
            "http://h/ü",
            "http://h/a\n",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
        assert!(Url::parse(&format!("http://h/{}", "x".repeat(URL_MAX))).is_err());
    }

    #[test]
    fn names_come_from_the_last_component() {
        for (text, name) in [
            ("http://h/d/a.tar.xz?x=1/2", Some("a")),
            ("http://h/d/a.tar#f", Some("a")),
            ("http://h/d/", Some("d")),
            ("file:/d/a.tgz", Some("a")),
            ("file:///a.tgz", Some("a")),
            ("http://h", None),
            ("http://h/", None),
            ("http://h/.tar", None),
        ] {
            let found = url(text).image_name(Form::Tar).ok();
            assert_eq!(found.as_ref().map(ImageName::as_str), name, "{text}");
        }
    }

    #[test]
    fn siblings_replace_the_last_component() {
        for (text, sibling) in [
            ("http://h/d/a.tar?x", "http://h/d/S"),
            ("http://h/a", "http://h/S"),
            ("http://h", "http://h/S"),
            ("http://h/d/", "http://h/S"),
            ("file:///d/a", "file:///d/S"),
        ] {
            assert_eq!(url(text).sibling("S").unwrap().as_str(), sibling, "{text}");
        }
    }

    #[test]
    fn credentials_never_reach_a_log() {
        assert_eq!(url("https://u:p@h/x?q@r").to_string(), "https://h/x?q@r");
        assert_eq!(url("https://u:p@q@h/x").to_string(), "https://h/x");
        assert_eq!(url("http://h/x@y").to_string(), "http://h/x@y");
    }
}
