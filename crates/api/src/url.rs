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
#[error("URL '{}' is invalid: {why}", .text.escape_debug())]
pub struct InvalidUrl {
    /// Its beginning, without a password or user.
    pub text: String,
    /// What is wrong with it.
    pub why: UrlFault,
}

/// What is wrong with a text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// It is of no known scheme, or of none.
    #[error("it must begin with http://, https:// or file:/")]
    Scheme,
    /// It is one of the network, and names no host.
    #[error("it names no host")]
    Host,
    /// It is no absolute path of this machine.
    #[error("behind file: there must be an absolute path of this machine")]
    Path,
    /// It has a character that cannot stand in an address as such.
    #[error("{0:?} must be written as {encoded}", encoded = encoded(*.0))]
    Character(char),
    /// It is longer than [`URL_MAX`].
    #[error("it is longer than {URL_MAX} bytes")]
    Length,
}

/// How much of a text that is no address is repeated, in characters.
const SHOWN_MAX: usize = 200;

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
        match fault_of(text) {
            None => Ok(Self(text.to_owned())),
            Some(why) => Err(InvalidUrl {
                text: without_credentials(text).chars().take(SHOWN_MAX).collect(),
                why,
            }),
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
        without_credentials(&self.0)
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

/// A text that may be an address, without the password or user that may stand in it.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    // Who forgets the scheme may have written a password all the same.
    let (scheme, rest) = match text.find("://") {
        Some(end) => text.split_at(end + "://".len()),
        None => ("", text),
    };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(host_end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{host}{tail}"),
        None => text.to_owned(),
    }
}

fn fault_of(text: &str) -> Option<UrlFault> {
    let host = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let is_printable = |it: &char| matches!(it, '!'..='~');
    match host {
        None if !text.starts_with("file:") => Some(UrlFault::Scheme),
        None if file_path(text).is_none() => Some(UrlFault::Path),
        Some(rest) if host_of(rest).is_empty() => Some(UrlFault::Host),
        _ if text.len() > URL_MAX => Some(UrlFault::Length),
        _ => text
            .chars()
            .find(|it| !is_printable(it))
            .map(UrlFault::Character),
    }
}

/// How a character is written in an address, RFC 3986 section 2.1.
fn encoded(character: char) -> String {
    let mut buffer = [0; 4];
    let bytes = character.encode_utf8(&mut buffer).bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
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
    fn what_is_wrong_with_an_address_is_told_and_no_password() {
        for (bad, told) in [
            (
                "",
                "URL '' is invalid: it must begin with http://, https:// or file:/",
            ),
            (
                "u:p@h/x",
                "URL 'h/x' is invalid: it must begin with http://, https:// or file:/",
            ),
            (
                "http://u:p@/x",
                "URL 'http:///x' is invalid: it names no host",
            ),
            (
                "http://u:p@h/a b",
                "URL 'http://h/a b' is invalid: ' ' must be written as %20",
            ),
            (
                "http://h/ü",
                "URL 'http://h/ü' is invalid: 'ü' must be written as %C3%BC",
            ),
            (
                "http://h/\n",
                "URL 'http://h/\\n' is invalid: '\\n' must be written as %0A",
            ),
        ] {
            assert_eq!(Url::parse(bad).unwrap_err().to_string(), told);
        }
        let remote = Url::parse("file://h/x").unwrap_err();
        let long = Url::parse(&format!("http://h/{}", "x".repeat(URL_MAX))).unwrap_err();
        assert_eq!((remote.why, long.why), (UrlFault::Path, UrlFault::Length));
        assert_eq!(long.text.chars().count(), SHOWN_MAX);
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
