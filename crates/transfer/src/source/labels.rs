//! What an answer says of its body, and of what it wants, beside what is needed to fetch it.

use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, WWW_AUTHENTICATE};

/// Longest value that is kept, in bytes; a longer one is as none. Challenges of registries with many
/// scopes have some hundred.
const VALUE_MAX: usize = 4096;
/// Most headers with challenges that are looked at: there is one a scheme.
const CHALLENGES_MAX: usize = 8;

/// Headers of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// `Content-Type`, as it was sent.
    pub(crate) content_type: Option<String>,
    /// `WWW-Authenticate`, each header as it was sent.
    pub(crate) challenges: Vec<String>,
    /// `Docker-Content-Digest`, as it was sent.
    pub(crate) digest: Option<String>,
    /// `Location`, as it was sent.
    pub(crate) location: Option<String>,
}

impl Labels {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let short = |value: &reqwest::header::HeaderValue| {
            let text = value.to_str().ok()?.trim();
            (text.len() <= VALUE_MAX).then(|| text.to_owned())
        };
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        Self {
            content_type: headers.get(CONTENT_TYPE).and_then(short),
            challenges: challenges.take(CHALLENGES_MAX).filter_map(short).collect(),
            digest: headers.get("docker-content-digest").and_then(short),
            location: headers.get(LOCATION).and_then(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn labels_are_bounded() {
        let mut headers = HeaderMap::new();
        for _ in 0..100 {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        }
        let long = "x".repeat(VALUE_MAX + 1);
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(&long).unwrap());
        headers.insert("Docker-Content-Digest", HeaderValue::from_static(" a "));
        let labels = Labels::of(&headers);
        assert_eq!(labels.challenges.len(), CHALLENGES_MAX);
        assert_eq!(labels.content_type, None);
        assert_eq!(labels.digest.as_deref(), Some("a"));
    }
}
