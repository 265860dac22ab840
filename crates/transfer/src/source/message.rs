//! One request on its way to the network thread: method, headers, body, and what lets it in.

use super::upload::Upload;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Url};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A request, without its address.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// What lets it in, at one server only.
    pub(crate) secret: Option<Secret>,
    /// Which client sends it: each has connections of its own.
    pub(crate) lane: u32,
    pub(crate) payload: Payload,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Payload {
    /// None.
    None,
    /// These few bytes.
    Bytes(Bytes),
    /// What is read meanwhile.
    Stream(Upload),
}

impl Payload {
    /// How many bytes have gone so far, if that takes its time.
    pub(super) fn moved(&self) -> Option<Arc<AtomicU64>> {
        match self {
            Self::Stream(upload) => Some(upload.moved()),
            Self::None | Self::Bytes(_) => None,
        }
    }

    /// As the client wants it.
    pub(super) fn into_body(self) -> Option<Body> {
        match self {
            Self::None => None,
            Self::Bytes(bytes) => Some(bytes.into()),
            Self::Stream(upload) => Some(Body::wrap_stream(upload)),
        }
    }
}

impl Message {
    /// Asks for the bytes of an address.
    pub(crate) const fn get(headers: HeaderMap) -> Self {
        Self {
            method: Method::GET,
            headers,
            secret: None,
            lane: 0,
            payload: Payload::None,
        }
    }
}

/// A value of `Authorization`, for one server: it is sent nowhere else, wherever redirects lead, and
/// is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    server: Url,
    value: HeaderValue,
}

impl Secret {
    /// For the server of an address; `None` for what is no address, or cannot stand in a header.
    pub(crate) fn new(address: &str, value: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some(Self {
            server: Url::parse(address).ok()?,
            value,
        })
    }

    /// Adds it to a request to its own server.
    pub(super) fn add_to(&self, url: &Url, headers: &mut HeaderMap) {
        if self.is_for(url) {
            headers.insert(AUTHORIZATION, self.value.clone());
        }
    }

    fn is_for(&self, url: &Url) -> bool {
        self.server.origin() == url.origin()
    }
}

impl fmt::Debug for Secret {
    /// Without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_one_server_and_is_not_shown() {
        let secret = Secret::new("https://h/v2/x", "Bearer abc").unwrap();
        for (url, is_sent) in [
            ("https://h/other?x", true),
            ("https://h:443/x", true),
            ("https://H/x", true),
            ("http://h/x", false),
            ("https://h:444/x", false),
            ("https://h.evil/x", false),
            ("https://evil/h", false),
        ] {
            let mut headers = HeaderMap::new();
            secret.add_to(&Url::parse(url).unwrap(), &mut headers);
            assert_eq!(headers.contains_key(AUTHORIZATION), is_sent, "{url}");
        }
        let mut headers = HeaderMap::new();
        secret.add_to(&Url::parse("https://h/").unwrap(), &mut headers);
        for shown in [format!("{secret:?}"), format!("{headers:?}")] {
            assert!(!shown.contains("abc"), "{shown}");
        }
        assert_eq!(Secret::new("https://h/", "Bearer a\nb"), None);
        assert_eq!(Secret::new("h", "Bearer a"), None);
    }
}
