//! Documents and blobs of an image, into its registry.
//!
//! # Source
//! OCI distribution specification 1.1, "Pushing".

use super::access::status_miss;
use super::fetch::Registry;
use crate::error::{Error, Result};
use crate::oci::hash::sha256;
use crate::source::http::missed;
use crate::source::message::{Message, Payload, Secret};
use crate::source::retry::{Miss, Patience, Try};
use crate::source::upload::Upload;
use crate::source::wire::{Network, Response};
use bytes::Bytes;
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_formats::oci::{BlobDigest, DOCUMENT_MAX, Descriptor};
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use std::io::Read;

/// Gives the bytes of a blob from the first one on, each time it is called.
pub type Opener<'a> = &'a dyn Fn() -> Result<Box<dyn Read + Send>>;

/// One request of an upload.
struct Step<'a> {
    /// For messages.
    doing: String,
    method: Method,
    address: &'a str,
    content_type: Option<&'a str>,
    /// Over which of the connections.
    lane: u32,
    /// Makes the body: a second time, if the registry asks for credentials first.
    body: &'a dyn Fn() -> Result<Payload>,
}

impl Registry<'_> {
    /// Whether the registry has a blob already, for this image.
    ///
    /// # Errors
    /// What the network says; [`Kind::Unauthorized`].
    pub fn has_blob(&self, digest: &BlobDigest) -> Result<bool> {
        let address = self.place.registry().blob(digest)?;
        let step = Step {
            lane: 0,
            doing: format!("Failed to ask for {address}"),
            method: Method::HEAD,
            address: address.as_str(),
            content_type: None,
            body: &|| Ok(Payload::None),
        };
        self.patiently(|| {
            let response = self.send(&step)?;
            match response.status {
                200 => Ok(true),
                404 => Ok(false),
                status => Err(status_miss(&step.doing, &response, status)),
            }
        })
    }

    /// Uploads a blob, in one piece. `open` is called again for each try.
    ///
    /// # Errors
    /// What the network or the blob's reader says; [`Kind::Unauthorized`]; [`Kind::Corrupt`] if the
    /// registry has got something else.
    pub fn upload(&self, descriptor: &Descriptor, open: Opener<'_>) -> Result<()> {
        self.patiently(|| {
            let session = self.session()?;
            self.put_blob(&session, descriptor, open)
        })
    }

    /// Puts an index or a manifest: under a tag, or, without one, under its digest only, which is given
    /// back.
    ///
    /// # Errors
    /// As [`Registry::upload`]; [`Kind::TooLarge`] beyond [`DOCUMENT_MAX`] bytes.
    pub fn put_manifest(
        &self,
        bytes: &[u8],
        media_type: &str,
        tag: Option<&str>,
    ) -> Result<BlobDigest> {
        if bytes.len() as u64 > DOCUMENT_MAX {
            let text = format!("Registries take no documents of more than {DOCUMENT_MAX} bytes");
            return Err(Error::new(Kind::TooLarge, text));
        }
        let digest = sha256(bytes);
        let name = tag.map_or_else(|| digest.to_string(), str::to_owned);
        let address = self.place.registry().manifest(&name)?;
        let step = Step {
            lane: 0,
            doing: format!("Failed to put {address}"),
            method: Method::PUT,
            address: address.as_str(),
            content_type: Some(media_type),
            body: &|| Ok(Payload::Bytes(Bytes::copy_from_slice(bytes))),
        };
        self.patiently(|| {
            let response = self.send(&step)?;
            match response.status {
                200..=202 => self.check(&response, &digest, &step.doing),
                status => Err(status_miss(&step.doing, &response, status)),
            }
        })?;
        Ok(digest)
    }

    /// Begins an upload: the address that takes its bytes.
    fn session(&self) -> Try<Url> {
        let address = self.place.registry().uploads().map_err(Miss::last)?;
        let step = Step {
            lane: 0,
            doing: format!("Failed to begin an upload at {address}"),
            method: Method::POST,
            address: address.as_str(),
            content_type: None,
            body: &|| Ok(Payload::Bytes(Bytes::new())),
        };
        let response = self.send(&step)?;
        if response.status != 202 {
            return Err(status_miss(&step.doing, &response, response.status));
        }
        let location = response.labels.location.as_deref();
        session_at(&address, location).ok_or_else(|| {
            let text = format!(
                "{}: the registry gives no address for the bytes",
                step.doing
            );
            Miss::last(Error::new(Kind::Io, text))
        })
    }

    fn put_blob(&self, session: &Url, descriptor: &Descriptor, open: Opener<'_>) -> Try<()> {
        let digest = &descriptor.digest;
        let separator = if session.as_str().contains('?') {
            '&'
        } else {
            '?'
        };
        let digest_text = digest.to_string().replace(':', "%3A");
        let address = format!("{}{separator}digest={digest_text}", session.as_str());
        let doing = format!(
            "Failed to upload {digest} to registry {}",
            self.place.registry().registry()
        );
        let lane = self.lanes.take();
        let step = Step {
            lane: lane.number(),
            doing: doing.clone(),
            method: Method::PUT,
            address: &address,
            content_type: Some("application/octet-stream"),
            body: &|| {
                let upload = Upload::new(open()?, descriptor.size);
                let upload = upload.map_err(|error| Error::io(doing.clone(), error))?;
                Ok(Payload::Stream(upload))
            },
        };
        let response = self.send(&step)?;
        match response.status {
            200..=202 => self.check(&response, digest, &step.doing),
            status => Err(status_miss(&step.doing, &response, status)),
        }
    }

    /// Whether the registry has got what was sent, by its own word.
    fn check(&self, response: &Response, digest: &BlobDigest, doing: &str) -> Try<()> {
        let said = response.labels.digest.as_deref();
        match said.map(str::parse::<BlobDigest>) {
            Some(Ok(said)) if said.algorithm() == digest.algorithm() && said != *digest => {
                let text = format!("{doing}: the registry has got {said}");
                Err(Miss::last(Error::new(Kind::Corrupt, text)))
            }
            _ => Ok(()),
        }
    }

    /// Sends one request; once more with what lets it in, if the registry wants that.
    fn send(&self, step: &Step<'_>) -> Try<Response> {
        let network = self.fetcher.network().ok_or_else(|| {
            let text = "Images can only be put into registries of the network";
            Miss::last(Error::new(Kind::Unsupported, text))
        })?;
        let Some(guard) = &self.guard else {
            return self.send_with(network, step, None);
        };
        let pass = guard.pass()?;
        let response = self.send_with(network, step, pass.clone())?;
        if response.status != 401 {
            return Ok(response);
        }
        guard.refused(&response.labels.challenges, pass.as_ref())?;
        let response = self.send_with(network, step, guard.pass()?)?;
        match response.status {
            401 => Err(Miss::last(guard.denied())),
            _ => Ok(response),
        }
    }

    fn send_with(
        &self,
        network: &Network,
        step: &Step<'_>,
        secret: Option<Secret>,
    ) -> Try<Response> {
        let payload = (step.body)().map_err(Miss::last)?;
        let mut headers = HeaderMap::new();
        let length = match &payload {
            Payload::None => None,
            Payload::Bytes(bytes) => Some(bytes.len() as u64),
            Payload::Stream(upload) => Some(upload.length()),
        };
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(text) = step.content_type {
            let value = HeaderValue::from_str(text).map_err(|error| {
                Miss::last(Error::caused(
                    Kind::InvalidArgument,
                    step.doing.clone(),
                    error,
                ))
            })?;
            headers.insert(CONTENT_TYPE, value);
        }
        let message = Message {
            method: step.method.clone(),
            secret,
            payload,
            lane: step.lane,
            ..Message::get(headers)
        };
        let response = network.send(step.address, message);
        response.map_err(|failure| missed(step.doing.clone(), failure))
    }

    fn patiently<T>(&self, attempt: impl Fn() -> Try<T>) -> Result<T> {
        let mut patience = Patience::new(self.fetcher.settings());
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(miss) if miss.is_cancel() => return Err(miss.error),
                Err(miss) => patience.pause(miss, &self.context)?,
            }
        }
    }
}

/// The address that takes the bytes: as the registry says, never less encrypted than itself.
fn session_at(registry: &Url, location: Option<&str>) -> Option<Url> {
    let base = reqwest::Url::parse(registry.as_str()).ok()?;
    let mut session = base.join(location?).ok()?;
    let is_good = match session.scheme() {
        "https" => true,
        "http" => base.scheme() == "http",
        _ => false,
    };
    // Whatever it says about users is not ours.
    session.set_username("").ok()?;
    session.set_password(None).ok()?;
    session.set_fragment(None);
    is_good.then(|| Url::parse(session.as_str()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_where_the_registry_says_and_as_encrypted_as_it() {
        let registry = Url::parse("https://h/v2/x/blobs/uploads/").unwrap();
        let at = |location: &str| session_at(&registry, Some(location)).map(|url| url.to_string());
        for (location, expected) in [
            ("/v2/x/up/1?s=a", Some("https://h/v2/x/up/1?s=a")),
            ("https://h/up", Some("https://h/up")),
            ("1", Some("https://h/v2/x/blobs/uploads/1")),
            ("https://u:p@storage/up#f", Some("https://storage/up")),
            ("http://h/up", None),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(at(location).as_deref(), expected, "{location}");
        }
        assert_eq!(session_at(&registry, None), None);
        let plain = Url::parse("http://h/v2/x/blobs/uploads/").unwrap();
        assert!(session_at(&plain, Some("/up")).is_some());
    }
}
