//! A body that goes on where its connection broke.
//!
//! The rest is asked for by its first byte and under the condition that the bytes are still the same
//! ones; what comes is compared with what came before, and never are two versions put together
//! (docs/decisions/0009-resuming.md). Bytes that were handed out cannot be taken back: if they are
//! no longer what the address holds, the read fails with [`Kind::Changed`], and who reads begins anew.

use super::failure::Failure;
use super::guard::Terms;
use super::http::{self, From, Question, Reply};
use super::place::{Origins, Place};
use super::retry::{Miss, Patience, Try};
use super::settings::Settings;
use super::version::{Likeness, Version};
use super::wire::{Body, Network, Response};
use crate::context::Context;
use crate::error::{Error, Result, chain};
use crate::report::size;
use crate::stage::chunks::Chunks;
use crate::stage::digest::Running;
use bytes::Bytes;
use importd_api::failure::Kind;
use importd_api::url::Url;
use std::io;

/// What a body is asked for again with.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) network: Network,
    pub(super) context: Context,
    pub(super) settings: Settings,
    /// On what terms its first server was asked.
    pub(super) terms: Terms,
    /// The servers that may have the bytes, in order.
    pub(super) places: Vec<Place>,
    /// Which of them is in use.
    pub(super) at: usize,
    /// Those that gave bytes.
    pub(super) origins: Origins,
}

/// The bytes of an address, over as many connections as it takes.
#[derive(Debug)]
pub(super) struct Resuming {
    line: Line,
    patience: Patience,
    body: Body,
    /// Bytes that came and were not read yet.
    current: Bytes,
    /// Number of the next byte that the body brings.
    position: u64,
    /// How many bytes there are in all, if it is known.
    length: Option<u64>,
    /// Over all bytes so far; only where nothing else could tell that they are still the same.
    so_far: Option<Running>,
}

impl Resuming {
    /// A body that begins with byte `offset`.
    pub(super) fn new(line: Line, response: Response, offset: u64, version: Version) -> Self {
        let is_known = line.terms.length.is_some();
        let is_told_apart = is_known || version.validator.is_some();
        let so_far = (offset == 0 && !is_told_apart).then(Running::default);
        let mut resuming = Self {
            patience: Patience::new(&line.settings),
            line,
            body: response.body,
            current: Bytes::new(),
            position: offset,
            length: version.length,
            so_far,
        };
        resuming.line.origins.add(resuming.url());
        let place = resuming.place();
        place.address = response.address;
        place.version = Some(version);
        resuming
    }

    fn url(&self) -> &Url {
        &self.line.places[self.line.at].url
    }

    fn place(&mut self) -> &mut Place {
        &mut self.line.places[self.line.at]
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
        if let Some(whole) = self.length.filter(|whole| self.position > *whole) {
            let url = self.url();
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
        self.length.is_none_or(|whole| self.position == whole)
    }

    fn doing(&self) -> String {
        let (url, position) = (self.url(), size(self.position));
        match self.length.map(size) {
            Some(length) => format!("Download of {url} broke after {position} of {length}"),
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

    /// Asks the server in use, then the others. Bytes of several servers are put together only if
    /// the whole will be proven, and if they agree about the length.
    fn ask_again(&mut self) -> Try<()> {
        let before = self.line.at;
        let mut missed = match self.ask_place() {
            Err(miss) if !miss.is_cancel() => miss,
            other => return other,
        };
        let can_change =
            self.position == 0 || (self.line.settings.is_proven && self.length.is_some());
        for other in (0..self.line.places.len()).filter(|other| can_change && *other != before) {
            self.line.at = other;
            let text = format!("{}; trying {}.", chain(&missed.error), self.url());
            self.line.context.report.notice(text);
            match self.ask_place() {
                Err(miss) if !miss.is_cancel() => missed = missed.or(miss),
                other => return other,
            }
        }
        self.line.at = before;
        Err(missed)
    }

    /// Asks where the last bytes of this server came from, then at its own address.
    fn ask_place(&mut self) -> Try<()> {
        let address = self.place().address.clone();
        let own = self.url().as_str().to_owned();
        match self.ask_at(&address) {
            Err(miss) if !miss.is_cancel() && address != own => self.ask_at(&own),
            other => other,
        }
    }

    fn ask_at(&mut self, address: &str) -> Try<()> {
        let place = &self.line.places[self.line.at];
        let mut ask = Question {
            url: &place.url,
            known: &[],
            from: self.from(place),
            terms: &self.line.terms,
            guard: place.guard.as_deref(),
        };
        let mut reply = http::request(&self.line.network, address, ask)?;
        if matches!(reply, Reply::NoRest) {
            ask.from = None;
            reply = http::request(&self.line.network, address, ask)?;
            self.place().gives_rests = false;
        }
        match reply {
            Reply::Rest(response, range) => {
                let later = Version::of_rest(&response, range);
                match self.compare(&later) {
                    Likeness::Other => Err(self.changed()),
                    Likeness::Same | Likeness::Unknown => {
                        self.go_on(response, later);
                        Ok(())
                    }
                }
            }
            Reply::Whole(response) => self.skip(response),
            Reply::NoRest | Reply::Unchanged { .. } => Err(self.changed()),
        }
    }

    /// Where to begin: at the next byte, under a condition, of a server that gives rests. One that
    /// was not asked before has no condition to give; what it sends is proven in the end.
    fn from<'a>(&self, place: &'a Place) -> Option<From<'a>> {
        let version = place.version.as_ref();
        let condition = version.and_then(|version| version.validator.as_ref());
        let condition = condition.filter(|_| self.known_length().is_none());
        let is_bound = condition.is_some() || version.is_none() || self.known_length().is_some();
        (is_bound && place.gives_rests && self.position > 0).then_some(From {
            offset: self.position,
            condition,
        })
    }

    /// How many bytes there are, where their digest was known before: it tells in the end whether they
    /// were the right ones.
    fn known_length(&self) -> Option<u64> {
        self.line.terms.length
    }

    /// Compares an answer with what this server, or with the length that the first one said.
    fn compare(&self, later: &Version) -> Likeness {
        if let Some(length) = self.known_length() {
            // Storage hosts that take turns call the same bytes by different ETags.
            return match later.length.is_none_or(|later| later == length) {
                true => Likeness::Same,
                false => Likeness::Other,
            };
        }
        match &self.line.places[self.line.at].version {
            Some(version) => version.compare(later),
            None if self.length == later.length || self.position == 0 => Likeness::Unknown,
            None => Likeness::Other,
        }
    }

    fn go_on(&mut self, response: Response, later: Version) {
        self.length = self.length.or(later.length);
        let place = self.place();
        place.address = response.address;
        place.version.get_or_insert(later);
        self.body = response.body;
        self.line.origins.add(self.url());
    }

    /// All bytes came again: those that were handed out are left out, if they are the same.
    fn skip(&mut self, mut response: Response) -> Try<()> {
        let later = Version::of_whole(&response);
        let is_new_place = self.line.places[self.line.at].version.is_none();
        let again = match (self.compare(&later), &self.so_far) {
            (Likeness::Same, _) => None,
            (Likeness::Unknown, Some(_)) => Some(Running::default()),
            // Proven in the end.
            (Likeness::Unknown, None) if is_new_place => None,
            (Likeness::Unknown, None) | (Likeness::Other, _) => return Err(self.changed()),
        };
        if self.position > 0 {
            self.line.context.report.info(format!(
                "{} is sent from its start; leaving out the first {}.",
                self.url(),
                size(self.position)
            ));
        }
        self.current = self.leave_out(&mut response.body, again)?;
        self.go_on(response, later);
        Ok(())
    }

    /// Reads up to the position; gives what came beyond it. With a digest, what was read must have
    /// the one of what was handed out.
    fn leave_out(&self, body: &mut Body, mut again: Option<Running>) -> Try<Bytes> {
        let mut left = self.position;
        let mut beyond = Bytes::new();
        while left > 0 {
            let chunk = body.chunk();
            let chunk = chunk.map_err(|failure| http::missed(self.doing(), failure))?;
            beyond = chunk.ok_or_else(|| self.changed())?;
            let length = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(beyond.len());
            let old = beyond.split_to(length);
            if let Some(again) = &mut again {
                again.update(&old);
            }
            left -= old.len() as u64;
        }
        let is_same = match (again, self.so_far.clone()) {
            (Some(again), Some(so_far)) => again.finish() == so_far.finish(),
            _ => true,
        };
        is_same.then_some(beyond).ok_or_else(|| self.changed())
    }

    /// What was handed out does not go on here.
    fn changed(&self) -> Miss {
        let url = self.url();
        Miss::last(match self.line.places[self.line.at].version {
            Some(_) => {
                let after = size(self.position);
                let text =
                    format!("{url} became another version while it was downloaded, after {after}");
                Error::new(Kind::Changed, text)
            }
            None => {
                let text = format!("{url} has not the same length, and cannot be gone on with");
                Error::new(Kind::Io, text)
            }
        })
    }
}

impl Chunks for Resuming {
    fn chunk(&mut self) -> io::Result<Bytes> {
        if self.current.is_empty() {
            self.advance().map_err(Error::into_io)?;
        }
        Ok(std::mem::take(&mut self.current))
    }
}
