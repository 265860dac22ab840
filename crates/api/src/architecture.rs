//! The machine that an image is wanted for, as people write it: `arm64`, `arm/v7`.

use std::fmt;
use std::str::FromStr;

/// Longest text, in bytes. The longest names that are in use have a dozen.
const LENGTH_MAX: usize = 32;

/// The name of an architecture, perhaps with a variant. Whether there is such a machine only the
/// worker knows: it also takes the kernel's names.
///
/// # Source
/// OCI image specification 1.1, "Image Index", "platform".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture(String);

/// A text that names no architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("It is no architecture, such as amd64, arm64 or arm/v7")]
pub struct Invalid;

impl Architecture {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Architecture {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_allowed = |byte: u8| is_word(byte) || matches!(byte, b'-' | b'_' | b'.');
        let is_part =
            |part: &str| part.bytes().next().is_some_and(is_word) && part.bytes().all(is_allowed);
        let is_valid = text.len() <= LENGTH_MAX
            && text.split('/').all(is_part)
            && text.split('/').count() <= 2;
        is_valid.then(|| Self(text.to_owned())).ok_or(Invalid)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_variant_are_taken_and_no_options() {
        for good in ["amd64", "arm/v7", "x86_64", "x86-64", "arm64/v8.2"] {
            assert_eq!(good.parse::<Architecture>().unwrap().as_str(), good);
        }
        let long = "a".repeat(LENGTH_MAX + 1);
        for bad in ["", "-x", "a/b/c", "a/", "/v7", "ARM64", "a b", "a\n", &long] {
            assert_eq!(bad.parse::<Architecture>(), Err(Invalid), "{bad}");
        }
    }
}
