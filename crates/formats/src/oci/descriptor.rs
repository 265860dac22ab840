//! A blob, as a document names it.

use super::object::Object;
use super::{BlobDigest, Error, MediaType, Platform};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Largest blob that stands in its descriptor, in characters of base64: small ones save a request.
const EMBEDDED_MAX: usize = 64 << 10;

/// What identifies a blob. Addresses that it names are left alone: blobs are had from the registry.
///
/// # Source
/// OCI image specification, "Descriptors".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is.
    pub media_type: MediaType,
    /// Its digest.
    pub digest: BlobDigest,
    /// Its length in bytes.
    pub size: u64,
    /// The blob itself, if the document has it; not proven.
    pub data: Option<Vec<u8>>,
    /// For which machine it is, if the document says.
    pub platform: Option<Platform>,
}

/// A blob of ours, as documents that we write name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// What it is: one of the names that [`MediaType`] has, or one that was read.
    pub media_type: String,
    /// Its digest.
    pub digest: BlobDigest,
    /// Its length in bytes.
    pub size: u64,
    /// For which machine it is; only images say that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// A descriptor as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    media_type: Option<String>,
    digest: BlobDigest,
    size: u64,
    data: Option<String>,
    platform: Option<Object<Platform>>,
}

impl Written {
    /// Reads it; where no kind is written, it is `usual`.
    pub(super) fn read(self, usual: MediaType) -> Result<Descriptor, Error> {
        let media_type = self.media_type.as_deref().map(MediaType::parse);
        let data = self.data.map(|text| decode(&text, self.size)).transpose()?;
        Ok(Descriptor {
            media_type: media_type.unwrap_or(usual),
            digest: self.digest,
            size: self.size,
            data,
            platform: self.platform.map(|written| written.0),
        })
    }
}

fn decode(text: &str, size: u64) -> Result<Vec<u8>, Error> {
    if text.len() > EMBEDDED_MAX {
        let text = format!("a blob in its descriptor has more than {EMBEDDED_MAX} characters");
        return Err(Error::TooLarge(text));
    }
    let bytes = STANDARD.decode(text);
    let bytes = bytes.map_err(|error| Error::Invalid(format!("a blob is no base64: {error}")))?;
    if bytes.len() as u64 == size {
        return Ok(bytes);
    }
    let length = bytes.len();
    let text = format!("a blob of {length} bytes is said to have {size}");
    Err(Error::Invalid(text))
}
