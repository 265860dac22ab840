//! What an address leads to, whatever its scheme.

use super::ask::{Answer, Ask};
use super::file::Input;
use super::http;
use super::wire::Network;
use crate::error::{Doing, Error, Result};
use crate::stage::Source;
use importd_api::failure::Kind;
use importd_api::url::{Scheme, Url};
use importd_formats::codec::{self, Codec, Limits};
use importd_host::cancel::Cancel;
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::SystemTime;

/// Bytes of a server or a file, and what is known of them.
pub struct Remote {
    /// Number of the first byte of the body: 0, or what was to be resumed at.
    pub offset: u64,
    /// Length in bytes of all there is, from byte 0 on, if known in advance.
    pub length: Option<u64>,
    /// The server's ETag, as it was sent.
    pub etag: Option<String>,
    /// When it was changed, if the server says.
    pub last_modified: Option<SystemTime>,
    /// The bytes.
    pub body: Source,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("length", &self.length)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}

/// Fetches addresses.
#[derive(Debug)]
pub struct Fetcher {
    /// `None` for a worker that was given a `file:` address: it needs no network.
    network: Option<Network>,
    cancel: Cancel,
}

impl Fetcher {
    /// A fetcher for this address and its siblings.
    ///
    /// # Errors
    /// When the network thread cannot be started.
    pub fn new(url: &Url, user_agent: &str, cancel: Cancel) -> Result<Self> {
        let network = match url.scheme() {
            Scheme::File => None,
            Scheme::Http | Scheme::Https => Some(
                Network::start(user_agent, cancel.clone())
                    .doing(|| "Failed to set up the network".into())?,
            ),
        };
        Ok(Self { network, cancel })
    }

    /// Asks an address. For `file:` the answer is always all bytes.
    ///
    /// # Errors
    /// As [`http::get`]; for `file:` what open(2) says.
    pub fn ask(&self, ask: Ask<'_>) -> Result<Answer> {
        let url = ask.url;
        match (&self.network, url.file_path()) {
            (Some(network), None) => http::get(network, ask),
            (_, Some(path)) => {
                let input = Input::open(&percent_decoded(path))?;
                Ok(Answer::Body(Remote {
                    offset: 0,
                    length: input.length,
                    etag: None,
                    last_modified: None,
                    body: Box::new(input.into_reader(self.cancel.clone())),
                }))
            }
            (None, None) => {
                let text = format!("{url} needs the network, which this transfer has not set up");
                Err(Error::new(Kind::InvalidArgument, text))
            }
        }
    }

    /// All bytes of an address.
    ///
    /// # Errors
    /// As [`Fetcher::ask`].
    pub fn get(&self, url: &Url) -> Result<Remote> {
        match self.ask(Ask::whole(url))? {
            Answer::Body(remote) => Ok(remote),
            Answer::Unchanged { .. } => {
                let text = format!("{url} was answered with what was not asked for");
                Err(Error::new(Kind::Io, text))
            }
        }
    }

    /// Fetches a small file whole, unpacked if it is compressed; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Fetcher::get`] for everything but absence; [`Kind::TooLarge`] beyond `limit` bytes,
    /// packed or unpacked.
    pub fn get_small_optional(&self, url: &Url, limit: u64) -> Result<Option<Vec<u8>>> {
        let remote = match self.get(url) {
            Ok(remote) => remote,
            Err(error) if matches!(error.kind, Kind::HttpNotFound | Kind::NotFound) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let read = |source: &mut dyn Read| {
            let mut bytes = Vec::new();
            source
                .take(limit + 1)
                .read_to_end(&mut bytes)
                .doing(|| format!("Failed to retrieve {url}"))?;
            if bytes.len() as u64 > limit {
                let text = format!("{url} is larger than the {limit} bytes such a file may have");
                return Err(Error::new(Kind::TooLarge, text));
            }
            Ok(bytes)
        };
        let mut body = remote.body;
        let bytes = read(&mut body)?;
        let codec = Codec::sniff(&bytes);
        if codec == Codec::None {
            return Ok(Some(bytes));
        }
        let mut unpacked = codec::decoder(codec, Box::new(Cursor::new(bytes)), Limits::default())
            .map_err(|error| {
            Error::caused(Kind::Corrupt, format!("Failed to unpack {url}"), error)
        })?;
        read(&mut unpacked).map(Some)
    }
}

/// The path of a `file:` address; malformed escapes stay as they are.
#[must_use]
pub fn percent_decoded(path: &str) -> PathBuf {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let value = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    std::ffi::OsString::from_vec(decoded).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_nonsense_is_kept() {
        for (text, path) in [("/a%20b", "/a b"), ("/a%2", "/a%2"), ("/%zz%41", "/%zzA")] {
            assert_eq!(percent_decoded(text), PathBuf::from(path));
        }
    }
}
