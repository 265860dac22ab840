//! A body that goes on where its connection broke.
//!
//! The rest is asked for by its first byte and under the condition that the bytes are still the same
//! ones; what comes is compared with what came before, and never are two versions put together
//! (docs/decisions/0009-resuming.md). Bytes that were handed out cannot be taken back: if they are
//! no longer what the address holds, the read fails with [`Kind::Changed`], and who reads begins anew.

use super::ask::{Ask, Resume, Validator};
use super::failure::Failure;
use super::http::{self, Reply};
use super::retry::{Miss, Patience, Try};
use super::settings::Settings;
use super::version::{Likeness, Version};
use super::wire::{Body, Network, Response};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::report::size;
use crate::stage::digest::Running;
use bytes::Bytes;
use importd_api::failure::Kind;
use importd_api::url::Url;
use std::io::{self, Read};

/// What a body is asked for again with.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) network: Network,
    pub(super) url: Url,
    pub(super) context: Context,
    pub(super) settings: Settings,
}

/// The bytes of an address, over as many connections as it takes.
#[derive(Debug)]
pub(super) struct Resuming {
    line: Line,
    patience: Patience,
    /// The address that gave the body last; redirects may lead elsewhere the next time.
    address: String,
    body: Body,
    /// Bytes that came and were not read yet.
    current: Bytes,
    /// Number of the next byte that the body brings.
    position: u64,
    version: Version,
    /// Over all bytes so far; only where nothing else could tell that they are still the same.
    so_far: Option<Running>,
    /// The server has given a rest, or was not asked for one yet.
    gives_rests: bool,
}

impl Resuming {
    /// A body that begins with byte `offset`.
    pub(super) fn new(line: Line, response: Response, offset: u64, version: Version) -> Self {
        let so_far = (offset == 0 && version.validator.is_none()).then(Running::default);
        Self {
            patience: Patience::new(&line.settings),
            line,
            address: response.address,
            body: response.body,
            current: Bytes::new(),
            position: offset,
            version,
            so_far,
            gives_rests: true,
        }
    }

    /// Takes the next bytes from the network; none at the end.
    fn advance(&mut self) -> Result<()> {
        loop {
            let failure = match self.body.chunk() {
                Ok(Some(chunk)) => return self.take(chunk),
                Ok(None) if self.is_complete() => return Ok(()),
                Ok(None) => Failure::Broken("it ended too early".into()),
                Err(failure) => failure,
            };
            let miss = http::missed(self.doing(), failure);
            self.reconnect(miss)?;
            if !self.current.is_empty() {
                return self.take(self.current.clone());
            }
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<()> {
        let length = chunk.len() as u64;
        self.position += length;
        if let Some(whole) = self.version.length.filter(|whole| self.position > *whole) {
            let url = &self.line.url;
            let text = format!("The server of {url} sends more than the {whole} bytes there are");
            return Err(Error::new(Kind::Io, text));
        }
        if let Some(so_far) = &mut self.so_far {
            so_far.update(&chunk);
        }
        self.patience.progress(length);
        self.current = chunk;
        Ok(())
    }

    /// Whether nothing is missing, as far as the length is known.
    fn is_complete(&self) -> bool {
        self.version
            .length
            .is_none_or(|whole| self.position == whole)
    }

    fn doing(&self) -> String {
        let url = &self.line.url;
        let position = size(self.position);
        match self.version.length {
            Some(length) => {
                format!(
                    "Download of {url} broke after {position} of {}",
                    size(length)
                )
            }
            None => format!("Download of {url} broke after {position}"),
        }
    }

    /// Asks for the rest until there is one; what came with it is in `current`.
    fn reconnect(&mut self, mut miss: Miss) -> Result<()> {
        self.current = Bytes::new();
        loop {
            self.patience.pause(miss, &self.line.context)?;
            miss = match self.ask_again() {
                Ok(()) => return Ok(()),
                Err(miss) => miss,
            };
        }
    }

    /// Asks where the last bytes came from, then where the first question went.
    fn ask_again(&mut self) -> Try<()> {
        let address = self.address.clone();
        match self.ask_at(&address) {
            Err(miss)
                if miss.error.kind != Kind::Cancelled && address != self.line.url.as_str() =>
            {
                let address = self.line.url.as_str().to_owned();
                self.ask_at(&address)
            }
            other => other,
        }
    }

    fn ask_at(&mut self, address: &str) -> Try<()> {
        let resume = self.resume();
        let mut ask = Ask {
            resume: resume.as_ref(),
            ..Ask::whole(&self.line.url)
        };
        let mut reply = http::request(&self.line.network, address, ask)?;
        if matches!(reply, Reply::NoRest) {
            self.gives_rests = false;
            ask.resume = None;
            reply = http::request(&self.line.network, address, ask)?;
        }
        match reply {
            Reply::Rest(response, range) => {
                let later = Version::of_rest(&response, range);
                match self.version.compare(&later) {
                    Likeness::Other => Err(Miss::last(self.changed())),
                    Likeness::Same | Likeness::Unknown => {
                        self.version.length = later.length;
                        self.go_on(response);
                        Ok(())
                    }
                }
            }
            Reply::Whole(response) => self.skip(response),
            Reply::NoRest | Reply::Unchanged { .. } => Err(Miss::last(self.changed())),
        }
    }

    /// The rest can be asked for only under a condition, and of a server that gives rests.
    fn resume(&self) -> Option<Resume> {
        let validator: Option<&Validator> = self.version.validator.as_ref();
        let validator = validator.filter(|_| self.gives_rests && self.position > 0);
        validator.map(|validator| Resume {
            offset: self.position,
            validator: validator.clone(),
        })
    }

    fn go_on(&mut self, response: Response) {
        self.address = response.address;
        self.body = response.body;
    }

    /// All bytes came again: those that were handed out are left out, if they are the same.
    fn skip(&mut self, mut response: Response) -> Try<()> {
        let later = Version::of_whole(&response);
        let likeness = self.version.compare(&later);
        let mut again = match (likeness, &self.so_far) {
            (Likeness::Same, _) => None,
            (Likeness::Unknown, Some(_)) => Some(Running::default()),
            (Likeness::Unknown, None) | (Likeness::Other, _) => {
                return Err(Miss::last(self.changed()));
            }
        };
        let mut left = self.position;
        if left > 0 {
            self.line.context.report.info(format!(
                "The server sends {} from its start; leaving out the first {}.",
                self.line.url,
                size(left)
            ));
        }
        while left > 0 {
            let chunk = response.body.chunk();
            let chunk = chunk.map_err(|failure| http::missed(self.doing(), failure))?;
            let mut chunk = chunk.ok_or_else(|| Miss::last(self.changed()))?;
            let old = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let old = chunk.split_to(old);
            if let Some(again) = &mut again {
                again.update(&old);
            }
            left -= old.len() as u64;
            self.current = chunk;
        }
        if again.map(Running::finish) != self.so_far.clone().map(Running::finish) {
            return Err(Miss::last(self.changed()));
        }
        self.version.length = self.version.length.or(later.length);
        self.go_on(response);
        Ok(())
    }

    fn changed(&self) -> Error {
        let text = format!(
            "{} became another version while it was downloaded, after {}",
            self.line.url,
            size(self.position)
        );
        Error::new(Kind::Changed, text)
    }
}

impl Read for Resuming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && !buffer.is_empty() {
            self.advance().map_err(Error::into_io)?;
        }
        let length = self.current.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}
