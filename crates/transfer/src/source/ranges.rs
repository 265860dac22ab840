//! Several ranges of a body at once, each over a connection of its own.
//!
//! Servers limit the rate of a connection, and long ways fill one badly. The bytes behind those that
//! the first connection brings are fetched in pieces, ahead of the reader, and handed out in order.
//!
//! A piece is taken only if it is exactly what was asked for: a single range, of this version, with
//! this length in all. It is only a way to be faster: a server that is busy gets fewer
//! connections, and one that answers in any other way is read over a single one, by [`Fetcher::ask`]
//! with all its care. Memory is bounded by some pieces and what is on its way.

use super::ask::{Answer, Ask, Resume, Validator};
use super::failure::Failure;
use super::guard::Terms;
use super::http;
use super::message::Message;
use super::remote::{Fetcher, Remote};
use super::retry::{Again, Miss, Patience, may_pass};
use super::wire::{Network, Response};
use crate::error::{Error, Result};
use crate::report::size;
use crate::stage::chunks::{Chunks, Flow, Then};
use bytes::Bytes;
use importd_api::failure::Kind;
use importd_api::url::Url;
use reqwest::header::{HeaderMap, HeaderValue, IF_RANGE, RANGE};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How a body is cut.
#[derive(Clone, Copy, Debug)]
struct Pieces {
    bytes: u64,
    /// Most pieces that are fetched or wait for the reader.
    window: u64,
}

/// Of a single file. A piece is a tenth of a second at 40 MB/s, so that the way to the server and back
/// between two pieces does not count for much; 32 MiB wait at most.
const OF_FILE: Pieces = Pieces {
    bytes: 4 << 20,
    window: 8,
};
/// Of one of several layers that are fetched at once, each over few connections: 2 MiB wait at most.
const OF_LAYER: Pieces = Pieces {
    bytes: 1 << 20,
    window: 2,
};
/// A body of fewer pieces is not worth more connections.
const PIECES_MIN: u64 = 4;
/// Most connections: what browsers allow themselves, and no more than pieces.
pub const CONNECTIONS_MAX: u32 = 8;

/// What all connections fetch.
#[derive(Debug)]
struct Plan {
    fetcher: Fetcher,
    network: Network,
    url: Url,
    /// On what terms the pieces are asked for. Its lane is that of the first connection.
    terms: Terms,
    /// How far apart the lanes of the others are.
    stride: u32,
    /// What tells this version of the body from others; `None` if a digest will.
    validator: Option<Validator>,
    pieces: Pieces,
    /// Bytes in all.
    length: u64,
    /// Number of the first byte of the first piece.
    start: u64,
    /// How many pieces there are.
    count: u64,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The next piece that nobody has taken.
    next: u64,
    /// Pieces that were taken and given back.
    returned: BTreeSet<u64>,
    /// Pieces that have come.
    ready: BTreeMap<u64, VecDeque<Bytes>>,
    /// The piece that the reader wants next.
    wanted: u64,
    /// Connections at work.
    lanes: usize,
    /// Nobody wants pieces any more.
    is_over: bool,
}

/// Why a connection fetches no more.
enum End {
    /// It did not get on: others may.
    Lane(Error),
    /// The server does not give such pieces.
    All(String),
}

/// A body, in order.
struct Ranges {
    shared: Arc<Shared>,
    /// One connection that brings the bytes from `position` on.
    single: Option<Flow>,
    /// Up to which byte it is read.
    single_end: u64,
    position: u64,
    current: VecDeque<Bytes>,
}

impl Fetcher {
    /// Spreads the rest of a body over as many connections as the settings say, if it is large, and
    /// it can be told of each piece that it belongs to it.
    #[must_use]
    pub fn spread(&self, url: &Url, remote: Remote) -> Remote {
        match Validator::of(&remote) {
            None => remote,
            validator => self.spread_on((url, &Terms::default(), 1), validator, OF_FILE, remote),
        }
    }

    /// The same of a layer, which is compared with a digest, on terms. Its connections are `stride`
    /// lanes apart.
    #[must_use]
    pub(crate) fn spread_layer(&self, on: (&Url, &Terms, u32), remote: Remote) -> Remote {
        self.spread_on(on, None, OF_LAYER, remote)
    }

    fn spread_on(
        &self,
        (url, terms, stride): (&Url, &Terms, u32),
        validator: Option<Validator>,
        pieces: Pieces,
        mut remote: Remote,
    ) -> Remote {
        let lanes = self.settings.connections.min(CONNECTIONS_MAX);
        let (Some(network), Some(length)) = (&self.network, remote.length) else {
            return remote;
        };
        let left = length.saturating_sub(remote.offset);
        if lanes < 2 || left < PIECES_MIN * pieces.bytes {
            return remote;
        }
        // Of layers many come at once, and what comes beyond the first piece would be for nothing.
        let is_kept = validator.is_some();
        let start = remote.offset + if is_kept { pieces.bytes } else { 0 };
        let shared = Arc::new(Shared {
            plan: Plan {
                fetcher: self.clone(),
                network: network.clone(),
                url: url.clone(),
                terms: terms.clone(),
                stride,
                validator,
                pieces,
                length,
                start,
                count: (length - start).div_ceil(pieces.bytes),
            },
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        (u32::from(is_kept)..lanes).for_each(|number| shared.start(number));
        remote.body = Box::new(Ranges {
            shared,
            position: remote.offset,
            single: is_kept.then_some(remote.body),
            single_end: start,
            current: VecDeque::new(),
        });
        remote
    }
}

impl Ranges {
    /// The next bytes are at hand then, or a connection that brings them.
    fn advance(&mut self) -> Result<()> {
        let plan = &self.shared.plan;
        let index = (self.position - plan.start) / plan.pieces.bytes;
        if let Some(piece) = self.shared.wait_for(index) {
            if self.single.take().is_some() {
                // There is a connection less now.
                self.shared.start(0);
            }
            self.current = piece;
            return Ok(());
        }
        // Nobody fetches pieces any more.
        let plan = &self.shared.plan;
        let cancel = &plan.fetcher.context.cancel;
        cancel.check().map_err(|error| Error::io("", error))?;
        if self.single.is_none() {
            self.single = Some(plan.rest_from(self.position)?);
        }
        self.single_end = plan.length;
        Ok(())
    }

    /// Bytes of the single connection that are another's turn: wanted only if it goes on itself.
    fn give_back(&mut self, bytes: Bytes) {
        if let Some(single) = self.single.take() {
            self.single = Some(match bytes.is_empty() {
                true => single,
                false => Box::new(Then::new(bytes, single)),
            });
        }
    }
}

impl Chunks for Ranges {
    fn chunk(&mut self) -> io::Result<Bytes> {
        while self.position < self.shared.plan.length {
            if let Some(chunk) = self.current.pop_front() {
                self.position += chunk.len() as u64;
                return Ok(chunk);
            }
            let left = self.single_end.saturating_sub(self.position);
            match self.single.as_mut().filter(|_| left > 0) {
                Some(single) => {
                    let mut chunk = single.chunk()?;
                    let left = usize::try_from(left).unwrap_or(usize::MAX);
                    self.give_back(chunk.split_off(left.min(chunk.len())));
                    self.position += chunk.len() as u64;
                    return Ok(chunk);
                }
                None => self.advance().map_err(Error::into_io)?,
            }
        }
        Ok(Bytes::new())
    }
}

impl Drop for Ranges {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// What other threads left when they panicked is whole: every change is one statement.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a connection, by its number; without a thread for it there is none.
    fn start(self: &Arc<Self>, number: u32) {
        self.lock().lanes += 1;
        let shared = Arc::clone(self);
        let lane = self.plan.terms.lane + number * self.plan.stride;
        let thread = std::thread::Builder::new().name(format!("range-{lane}"));
        if thread.spawn(move || shared.run(lane)).is_err() {
            self.lock().lanes -= 1;
        }
    }

    fn run(&self, lane: u32) {
        let plan = &self.plan;
        let mut address = plan.url.as_str().to_owned();
        while let Some(index) = self.take() {
            let report = &plan.fetcher.context.report;
            match plan.fetch(lane, &mut address, index) {
                Ok(piece) => {
                    self.lock().ready.insert(index, piece);
                }
                Err(End::Lane(error)) => {
                    report.debug(format!("One connection less: {error}"));
                    self.lock().returned.insert(index);
                    break;
                }
                Err(End::All(reason)) => {
                    report.info(format!(
                        "{} is fetched over one connection: {reason}.",
                        plan.url
                    ));
                    self.lock().is_over = true;
                    break;
                }
            }
            self.changed.notify_all();
        }
        self.lock().lanes -= 1;
        self.changed.notify_all();
    }

    /// The next piece to fetch; `None` if there is none left.
    fn take(&self) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(index) = state.returned.pop_first() {
                return Some(index);
            }
            if state.next >= self.plan.count {
                return None;
            }
            if state.next < state.wanted + self.plan.pieces.window {
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.wait(state);
        }
    }

    /// A piece that the reader wants; `None` if nobody fetches it.
    fn wait_for(&self, index: u64) -> Option<VecDeque<Bytes>> {
        let mut state = self.lock();
        state.wanted = index;
        self.changed.notify_all();
        loop {
            if let Some(piece) = state.ready.remove(&index) {
                return Some(piece);
            }
            if state.lanes == 0 {
                // Those behind it are of no use any more.
                state.is_over = true;
                state.ready.clear();
                return None;
            }
            state = self.wait(state);
        }
    }
}

impl Plan {
    fn bytes_of(&self, index: u64) -> Range<u64> {
        let first = self.start + index * self.pieces.bytes;
        first..(first + self.pieces.bytes).min(self.length)
    }

    /// One connection from here to the end.
    fn rest_from(&self, position: u64) -> Result<Flow> {
        let resume = Resume {
            offset: position,
            validator: self.validator.clone(),
        };
        let ask = Ask {
            resume: Some(&resume),
            terms: &self.terms,
            ..Ask::whole(&self.url)
        };
        match self.fetcher.ask(ask)? {
            Answer::Body(remote)
                if remote.offset == position && remote.length == Some(self.length) =>
            {
                Ok(remote.body)
            }
            Answer::Body(_) | Answer::Unchanged { .. } => {
                let text = format!(
                    "{} became another version while it was downloaded, after {}",
                    self.url,
                    size(position)
                );
                Err(Error::new(Kind::Changed, text))
            }
        }
    }

    /// Fetches a piece, as often as patience goes.
    fn fetch(
        &self,
        lane: u32,
        address: &mut String,
        index: u64,
    ) -> std::result::Result<VecDeque<Bytes>, End> {
        let mut patience = Patience::new(&self.fetcher.settings);
        let bytes = self.bytes_of(index);
        loop {
            let pass = match &self.terms.guard {
                Some(guard) => guard.pass().map_err(|miss| End::Lane(miss.error))?,
                None => None,
            };
            let message = Message {
                lane,
                secret: pass,
                ..Message::get(self.headers(&bytes))
            };
            let answer = self.network.send(address, message);
            let miss = match answer {
                Ok(response) if response.status == 206 => {
                    self.check(&response, &bytes)?;
                    *address = response.address.clone();
                    match read(response, &bytes) {
                        Ok(piece) => return Ok(piece),
                        Err(failure) => self.missed(&bytes, failure),
                    }
                }
                Ok(response) => self.refused(&response, address)?,
                Err(failure) => self.missed(&bytes, failure),
            };
            patience
                .pause(miss, &self.fetcher.context)
                .map_err(End::Lane)?;
        }
    }

    fn headers(&self, bytes: &Range<u64>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let range = format!("bytes={}-{}", bytes.start, bytes.end - 1);
        let condition = self.validator.as_ref().map(Validator::header);
        let condition = condition.map(|value| (IF_RANGE, value));
        for (name, value) in std::iter::once((RANGE, range)).chain(condition) {
            // Without one of them the answer is not what is taken.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// Whether an answer is the very piece that was asked for.
    fn check(&self, response: &Response, bytes: &Range<u64>) -> std::result::Result<(), End> {
        let is_range = response.range.is_some_and(|range| {
            range.first == bytes.start
                && range.last == bytes.end - 1
                && range.total == Some(self.length)
        });
        let length = bytes.end - bytes.start;
        let is_same = match &self.validator {
            None => true,
            Some(Validator::Etag(etag)) => response.etag.as_ref().is_none_or(|other| other == etag),
            Some(Validator::LastModified(time)) => {
                response.last_modified.is_none_or(|other| other == *time)
            }
        };
        if is_range && is_same && response.length.is_none_or(|other| other == length) {
            return Ok(());
        }
        let text = "the server answers with another range than asked for";
        Err(End::All(text.into()))
    }

    /// What becomes of an answer that is no range: a later try, or none.
    fn refused(&self, response: &Response, address: &mut String) -> std::result::Result<Miss, End> {
        let status = response.status;
        let error = Error::new(
            Kind::Io,
            format!("HTTP request to {} failed with code {status}", self.url),
        );
        // The one that goes on by itself gets another pass.
        if matches!(status, 401 | 429 | 503) {
            return Err(End::Lane(error));
        }
        // An address that a redirect led to may have been good for a while only.
        let was_elsewhere = *address != self.url.as_str();
        if may_pass(status) || (status >= 400 && was_elsewhere) {
            self.url.as_str().clone_into(address);
            return Ok(Miss {
                error,
                again: Again::Later,
            });
        }
        Err(End::All(match status {
            200 => "the server sends all bytes when asked for some".into(),
            _ => format!("the server answers with code {status}"),
        }))
    }

    fn missed(&self, bytes: &Range<u64>, failure: Failure) -> Miss {
        let doing = format!("Download of {} broke at {}", self.url, size(bytes.start));
        http::missed(doing, failure)
    }
}

/// All bytes of a piece.
fn read(
    mut response: Response,
    bytes: &Range<u64>,
) -> std::result::Result<VecDeque<Bytes>, Failure> {
    let mut piece = VecDeque::new();
    let mut left = bytes.end - bytes.start;
    while let Some(chunk) = response.body.chunk()? {
        let length = chunk.len() as u64;
        let Some(rest) = left.checked_sub(length) else {
            return Err(Failure::Broken("more came than was announced".into()));
        };
        left = rest;
        piece.push_back(chunk);
    }
    match left {
        0 => Ok(piece),
        _ => Err(Failure::Broken("it ended too early".into())),
    }
}
