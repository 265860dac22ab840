//! Checksum lists: where they are looked for, and which one counts.
//!
//! | order | name | used by |
//! |---|---|---|
//! | 1 | `NAME.sha256` | openSUSE, Gentoo |
//! | 2 | `SHA256SUMS` | Ubuntu, Debian, linuxcontainers, systemd-sysupdate |
//! | 3 | `NAME.sha512` | Alpine |
//! | 4 | `SHA512SUMS` | Debian |
//! | 5 | `NAME.CHECKSUM`, `CHECKSUM` | Rocky, Alma |
//!
//! The first two are the reference's. Without a signature the first list that is there counts; with
//! one, the first that is signed, and a bad signature is not passed over.

use crate::error::{Error, Result};
use crate::source::remote::Fetcher;
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_formats::checksums::{CHECKSUMS_MAX, List};

/// Endings of the list of one file, and names of that of a folder, in the order of the search.
const SEARCH: [(&str, &str); 3] = [
    (".sha256", "SHA256SUMS"),
    (".sha512", "SHA512SUMS"),
    (".CHECKSUM", "CHECKSUM"),
];
/// What ends the name of a file that is a list itself. The last two are not the reference's.
const LISTS: [&str; 4] = ["SHA256SUMS", ".sha256", "SHA512SUMS", ".sha512"];

/// Whether a file of this name is a list itself, which can only be proven by its own signature.
pub(super) fn is_list(name: &str) -> bool {
    LISTS.iter().any(|ending| name.ends_with(ending))
}

/// A list that was found.
pub(super) struct Found {
    pub(super) url: Url,
    pub(super) bytes: Vec<u8>,
    /// Belongs to this one file only.
    pub(super) is_own: bool,
}

impl Found {
    /// Reads it.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if it is none.
    pub(super) fn parse(&self, text: &[u8]) -> Result<List> {
        List::parse(text).map_err(|error| {
            let text = format!("Failed to read checksum file {}", self.url);
            Error::caused(Kind::Corrupt, text, error)
        })
    }
}

/// Where the lists of a file may be.
pub(super) struct Places {
    urls: Vec<(Url, bool)>,
}

impl Places {
    /// Those of the file at an address.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] if its name leads to no addresses.
    pub(super) fn of(url: &Url) -> Result<Self> {
        let mut urls = Vec::new();
        for (ending, folder_list) in SEARCH {
            if let Some(last) = url.last_component() {
                urls.push((sibling(url, &format!("{last}{ending}"))?, true));
            }
            urls.push((sibling(url, folder_list)?, false));
        }
        Ok(Self { urls })
    }

    /// The lists that are there, in order; each is fetched when it is asked for.
    pub(super) fn found<'a>(&'a self, fetcher: &'a Fetcher) -> impl Iterator<Item = Result<Found>> {
        self.urls.iter().filter_map(|(url, is_own)| {
            let bytes = fetcher.get_small_optional(url, CHECKSUMS_MAX).transpose()?;
            Some(bytes.map(|bytes| Found {
                url: url.clone(),
                bytes,
                is_own: *is_own,
            }))
        })
    }

    /// That there is none.
    pub(super) fn none(url: &Url) -> Error {
        let looked: Vec<String> = SEARCH
            .iter()
            .map(|(ending, folder_list)| format!("its name with {ending}, {folder_list}"))
            .collect();
        let text = format!(
            "No checksum file for {url} was found (looked for {}); --verify=no does without one",
            looked.join(", ")
        );
        Error::new(Kind::HttpNotFound, text)
    }
}

/// Another file in the same folder.
pub(super) fn sibling(url: &Url, name: &str) -> Result<Url> {
    url.sibling(name).map_err(|error| {
        let text = format!("Failed to build the URL of '{name}'");
        Error::caused(Kind::InvalidArgument, text, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_looked_for_by_the_names_of_distributions() {
        let order = |url: &str| {
            let places = Places::of(&Url::parse(url).unwrap()).unwrap();
            let names = places.urls.into_iter();
            names
                .map(|(url, _)| url.as_str().trim_start_matches("http://h/d/").to_owned())
                .collect::<Vec<String>>()
        };
        assert_eq!(
            order("http://h/d/a.raw.xz?x=1"),
            [
                "a.raw.xz.sha256",
                "SHA256SUMS",
                "a.raw.xz.sha512",
                "SHA512SUMS",
                "a.raw.xz.CHECKSUM",
                "CHECKSUM",
            ]
        );
        let bare = order("http://h/");
        assert_eq!(bare[..2], ["http://h/SHA256SUMS", "http://h/SHA512SUMS"]);
    }

    #[test]
    fn lists_are_known_by_their_names() {
        for name in ["SHA256SUMS", "a.raw.sha256", "SHA512SUMS", "a.sha512"] {
            assert!(is_list(name), "{name}");
        }
        for name in ["a.raw", "SHA256SUMS.gpg", "sha256", "SHA256SUMS.txt"] {
            assert!(!is_list(name), "{name}");
        }
    }
}
