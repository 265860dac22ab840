//! What an address leads to, whatever its scheme.

use super::ask::{Answer, Ask, Resume};
use super::file::Input;
use super::http::{self, From, Question, Reply};
use super::place::{Origins, Place};
use super::resume::{Line, Resuming};
use super::retry::{Miss, Patience, Try};
use super::settings::Settings;
use super::version::Version;
use super::wire::Network;
use crate::context::Context;
use crate::error::{Doing, Error, Result, chain};
use crate::stage::chunks::{Copied, Flow, Reader};
use importd_api::failure::Kind;
use importd_api::url::{Scheme, Url};
use importd_formats::codec::{self, Codec, Limits};
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
    /// When the server gave the answer, by its own clock, if it says.
    pub date: Option<SystemTime>,
    /// `Content-Type`, as it was sent.
    pub content_type: Option<String>,
    /// The digest that a registry says that they have, as it was sent.
    pub content_digest: Option<String>,
    /// Where they come from; told while they come.
    pub origins: Origins,
    /// The bytes.
    pub body: Flow,
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
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// `None` for a worker that was given a `file:` address: it needs no network.
    pub(super) network: Option<Network>,
    /// The address that the mirrors are of.
    pub(super) url: Url,
    pub(super) settings: Settings,
    pub(super) context: Context,
}

/// How often a small file is begun anew because it became another version meanwhile.
const RESTARTS_MAX: u32 = 3;
/// How often at most a hasty fetcher tries again: once, after a quarter of a second.
const HASTY_RETRIES: u32 = 1;

impl Fetcher {
    /// A fetcher for this address and its siblings.
    ///
    /// # Errors
    /// When the network thread cannot be started.
    pub fn new(
        url: &Url,
        user_agent: &str,
        settings: &Settings,
        context: &Context,
    ) -> Result<Self> {
        let network = match url.scheme() {
            Scheme::File => None,
            Scheme::Http | Scheme::Https => Some(
                Network::start(user_agent, settings, context.cancel.clone())
                    .doing(|| "Failed to set up the network".into())?,
            ),
        };
        Ok(Self {
            network,
            url: url.clone(),
            settings: settings.clone(),
            context: context.clone(),
        })
    }

    /// The same, less patient: for what can be done without, on servers that fail where they have
    /// nothing.
    #[must_use]
    pub fn hasty(&self) -> Self {
        let mut settings = self.settings.clone();
        settings.retries = settings.retries.min(HASTY_RETRIES);
        Self {
            network: self.network.clone(),
            url: self.url.clone(),
            settings,
            context: self.context.clone(),
        }
    }

    /// The same, for what will be compared with a digest that was known before.
    #[must_use]
    pub(crate) fn proven(&self) -> Self {
        let mut fetcher = self.clone();
        fetcher.settings.is_proven = true;
        fetcher
    }

    /// How patient it is.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The network, for requests of another kind; `None` for a `file:` address.
    pub(crate) const fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// Asks an address. For `file:` the answer is always all bytes.
    ///
    /// What may pass (connections, codes such as 503) is tried again, as the settings say. The body
    /// does the same when its connection breaks, and goes on where it was.
    ///
    /// # Errors
    /// [`Kind::HttpNotFound`] for 404 and 410, [`Kind::Unauthorized`] for 401, [`Kind::Io`] for
    /// other codes, for a part that was not asked for, and for a network that fails. For `file:`
    /// what open(2) says. Reads of the body fail in the same way, and with [`Kind::Changed`] if it
    /// can only be begun anew.
    pub fn ask(&self, ask: Ask<'_>) -> Result<Answer> {
        let url = ask.url;
        match (&self.network, url.file_path()) {
            (Some(network), None) => self.ask_server(network, ask),
            (_, Some(path)) => {
                let input = Input::open(&percent_decoded(path))?;
                Ok(Answer::Body(Remote {
                    offset: 0,
                    length: input.length,
                    etag: None,
                    last_modified: None,
                    date: None,
                    content_type: None,
                    content_digest: None,
                    origins: Origins::default(),
                    body: Box::new(Copied::new(input.into_reader(self.context.cancel.clone()))),
                }))
            }
            (None, None) => {
                let text = format!("{url} needs the network, which this transfer has not set up");
                Err(Error::new(Kind::InvalidArgument, text))
            }
        }
    }

    /// Asks the server, then its mirrors, until one answers; after a round of failures there is a
    /// pause.
    fn ask_server(&self, network: &Network, ask: Ask<'_>) -> Result<Answer> {
        let mut patience = Patience::new(&self.settings);
        let places = self.places(ask);
        loop {
            let mut missed: Option<Miss> = None;
            for (at, place) in places.iter().enumerate() {
                if let Some(miss) = &missed {
                    let text = format!("{}; trying {}.", chain(&miss.error), place.url);
                    self.context.report.notice(text);
                }
                match self.ask_place(network, ask, (&places, at)) {
                    Ok(answer) => return Ok(answer),
                    Err(miss) if miss.is_cancel() => return Err(miss.error),
                    Err(miss) => {
                        missed = Some(match missed {
                            Some(first) => first.or(miss),
                            None => miss,
                        });
                    }
                }
            }
            if let Some(miss) = missed {
                patience.pause(miss, &self.context)?;
            }
        }
    }

    fn places(&self, ask: Ask<'_>) -> Vec<Place> {
        let mirrors = self.settings.mirrors.iter();
        let mirrors = mirrors.filter(|_| *ask.url == self.url);
        let others = ask.terms.others.iter();
        std::iter::once(Place::new(ask.url, ask.terms.guard.clone()))
            .chain(mirrors.map(|url| Place::new(url, None)))
            .chain(others.map(|other| Place::new(&other.url, other.guard.clone())))
            .collect()
    }

    /// Asks one of several servers. What was asked for under a condition is that of the first one:
    /// of the others all bytes are wanted, unless their digest is known.
    fn ask_place(
        &self,
        network: &Network,
        ask: Ask<'_>,
        (places, at): (&[Place], usize),
    ) -> Try<Answer> {
        let (place, resume) = (&places[at], resume_at(ask, at));
        let mut question = Question {
            url: &place.url,
            known: if at == 0 { ask.known } else { &[] },
            from: resume.map(|resume| From {
                offset: resume.offset,
                condition: resume.validator.as_ref(),
            }),
            terms: ask.terms,
            guard: place.guard.as_deref(),
        };
        let mut reply = http::request(network, &place.address, question)?;
        if matches!(reply, Reply::NoRest) {
            question.from = None;
            reply = http::request(network, &place.address, question)?;
        }
        let (response, offset, mut version) = match reply {
            Reply::Unchanged { etag } => return Ok(Answer::Unchanged { etag }),
            Reply::NoRest => {
                let text = format!("HTTP request to {} was answered with no bytes", place.url);
                return Err(Miss::last(Error::new(Kind::Io, text)));
            }
            Reply::Whole(response) => {
                let version = Version::of_whole(&response);
                (response, 0, version)
            }
            Reply::Rest(response, range) => {
                let mut version = Version::of_rest(&response, range);
                // The answer may leave out what it was asked for under.
                let asked = resume.and_then(|resume| resume.validator.clone());
                version.validator = version.validator.or(asked);
                (response, range.first, version)
            }
        };
        if let Some(length) = ask.terms.length {
            demand_length(&mut version, length, &place.url)?;
        }
        let line = Line {
            network: network.clone(),
            context: self.context.clone(),
            settings: self.settings.clone(),
            terms: ask.terms.clone(),
            places: places.to_vec(),
            at,
            origins: Origins::default(),
        };
        Ok(Answer::Body(Remote {
            offset,
            length: version.length,
            etag: response.etag.clone(),
            last_modified: response.last_modified,
            date: response.date,
            content_type: response.labels.content_type.clone(),
            content_digest: response.labels.digest.clone(),
            origins: line.origins.clone(),
            body: Box::new(Resuming::new(line, response, offset, version)),
        }))
    }

    /// All bytes of an address.
    ///
    /// # Errors
    /// As [`Fetcher::ask`].
    pub fn get(&self, url: &Url) -> Result<Remote> {
        self.ask(Ask::whole(url))?.body(url)
    }

    /// Fetches a small file whole, unpacked if it is compressed; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Fetcher::get`] for everything but absence; [`Kind::TooLarge`] beyond `limit` bytes,
    /// packed or unpacked.
    pub fn get_small_optional(&self, url: &Url, limit: u64) -> Result<Option<Vec<u8>>> {
        let mut restarts = 0;
        let bytes = loop {
            match self
                .get(url)
                .and_then(|remote| read_small(Reader::new(remote.body), url, limit))
            {
                Ok(bytes) => break bytes,
                Err(error) if matches!(error.kind, Kind::HttpNotFound | Kind::NotFound) => {
                    return Ok(None);
                }
                Err(error) if error.kind == Kind::Changed && restarts < RESTARTS_MAX => {
                    restarts += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let codec = Codec::sniff(&bytes);
        if codec == Codec::None {
            return Ok(Some(bytes));
        }
        let unpacked = codec::decoder(codec, Box::new(Cursor::new(bytes)), Limits::default())
            .map_err(|error| {
                Error::caused(Kind::Corrupt, format!("Failed to unpack {url}"), error)
            })?;
        read_small(unpacked, url, limit).map(Some)
    }
}

/// Where one of several servers is to go on.
fn resume_at(ask: Ask<'_>, at: usize) -> Option<&Resume> {
    let resume = ask.resume?;
    (at == 0 || resume.validator.is_none()).then_some(resume)
}

/// Refuses a body of another length than it must have.
fn demand_length(version: &mut Version, length: u64, url: &Url) -> Try<()> {
    let has = *version.length.get_or_insert(length);
    if has == length {
        return Ok(());
    }
    let text = format!("{url} is to have {length} bytes, and has {has}");
    Err(Miss::last(Error::new(Kind::Corrupt, text)))
}

/// All bytes of a source that must not have more than `limit`.
fn read_small(source: impl Read, url: &Url, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .doing(|| format!("Failed to retrieve {url}"))?;
    if bytes.len() as u64 > limit {
        let text = format!("{url} is larger than the {limit} bytes such a file may have");
        return Err(Error::new(Kind::TooLarge, text));
    }
    Ok(bytes)
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
