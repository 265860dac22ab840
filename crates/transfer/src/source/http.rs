//! One request to an HTTP server: status codes and headers turned into an answer or a failure.

use super::ask::Validator;
use super::content_range::ContentRange;
use super::failure::Failure;
use super::guard::{Guard, Terms};
use super::message::{Message, Secret};
use super::retry::{Again, Miss, Try, may_pass};
use super::wire::{Network, Response};
use crate::error::Error;
use importd_api::failure::Kind;
use importd_api::url::Url;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What a server is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// What messages name.
    pub(super) url: &'a Url,
    /// ETags of what is here already.
    pub(super) known: &'a [String],
    /// Where to begin; `None` for all bytes.
    pub(super) from: Option<From<'a>>,
    /// On what terms.
    pub(super) terms: &'a Terms,
    /// What lets requests into the server of the address.
    pub(super) guard: Option<&'a dyn Guard>,
}

/// The rest of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct From<'a> {
    /// Number of the first byte wanted.
    pub(super) offset: u64,
    /// What must be as before, or all bytes are wanted; `None` if that is found out otherwise.
    pub(super) condition: Option<&'a Validator>,
}

/// What one request brought.
#[derive(Debug)]
pub(super) enum Reply {
    /// All bytes.
    Whole(Response),
    /// The bytes from where they were asked for to the end.
    Rest(Response, ContentRange),
    /// Neither: the server cannot give the rest that was asked for, and may give all bytes.
    NoRest,
    /// What is here already is still what the address holds.
    Unchanged {
        /// Which of them, if the server says.
        etag: Option<String>,
    },
}

/// Asks once, at an address that need not be that of the question: redirects lead elsewhere.
///
/// # Errors
/// A miss with [`Kind::HttpNotFound`] for 404 and 410, [`Kind::Unauthorized`] for 401, [`Kind::Io`]
/// for other codes and for a network that fails.
pub(super) fn request(network: &Network, address: &str, ask: Question<'_>) -> Try<Reply> {
    let response = guarded(network, address, ask)?;
    match (response.status, ask.from) {
        (304, _) if !ask.known.is_empty() => Ok(Reply::Unchanged {
            etag: response.etag,
        }),
        (206, Some(from)) => Ok(rest(response, from.offset)),
        (206, None) if !is_all(&response) => {
            let text = format!("HTTP request to {} was answered with a part only", ask.url);
            Err(Miss::last(Error::new(Kind::Io, text)))
        }
        (416, Some(_)) => Ok(Reply::NoRest),
        (200 | 203, _) | (206, None) => Ok(Reply::Whole(response)),
        _ => Err(status_miss(ask.url, &response)),
    }
}

/// The answer to a request that was let in, if anything lets it in.
fn guarded(network: &Network, address: &str, ask: Question<'_>) -> Try<Response> {
    let send = |secret: Option<Secret>| {
        let message = Message {
            secret,
            lane: ask.terms.lane,
            ..Message::get(headers(ask))
        };
        let response = network.send(address, message);
        response.map_err(|failure| {
            if let Some(guard) = ask.guard {
                guard.unanswered();
            }
            network_miss(ask.url, failure)
        })
    };
    let Some(guard) = ask.guard else {
        return send(None);
    };
    let pass = guard.pass()?;
    let response = send(pass.clone())?;
    if !is_refused(&response, ask.url) {
        return Ok(response);
    }
    guard.refused(&response.labels.challenges, pass.as_ref())?;
    let response = send(guard.pass()?)?;
    match is_refused(&response, ask.url) {
        true => Err(Miss::last(guard.denied())),
        false => Ok(response),
    }
}

/// Whether the server itself, not one that it led to, wants credentials.
fn is_refused(response: &Response, url: &Url) -> bool {
    let parse = |text: &str| reqwest::Url::parse(text).map(|url| url.origin()).ok();
    response.status == 401 && parse(&response.address) == parse(url.as_str())
}

fn headers(ask: Question<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| {
        // What cannot stand in a header is not asked for: the answer is then all bytes.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if let Some(accepted) = ask.terms.accept {
        add(ACCEPT, accepted);
    }
    if !ask.known.is_empty() {
        add(IF_NONE_MATCH, &ask.known.join(", "));
    }
    if let Some(From { offset, condition }) = ask.from {
        add(RANGE, &format!("bytes={offset}-"));
        if let Some(validator) = condition {
            add(IF_RANGE, &validator.header());
        }
    }
    headers
}

/// Whether a part that nobody asked for is all there is, and says how much that is.
fn is_all(response: &Response) -> bool {
    response
        .range
        .is_some_and(|range| range.is_rest_from(0) && response.length == Some(range.length()))
}

/// The rest of a body; its range must be the one that was asked for, up to the end. Several ranges
/// in one body (`multipart/byteranges`) have no such header, and are not asked for.
fn rest(response: Response, offset: u64) -> Reply {
    let range = response.range.filter(|range| {
        let length = response.length;
        range.is_rest_from(offset) && length.is_none_or(|length| length == range.length())
    });
    match range {
        Some(range) => Reply::Rest(response, range),
        None => Reply::NoRest,
    }
}

fn status_miss(url: &Url, response: &Response) -> Miss {
    let status = response.status;
    let (kind, hint) = match status {
        404 | 410 => (Kind::HttpNotFound, " (wrong URL?)"),
        401 => (Kind::Unauthorized, " (not allowed without credentials)"),
        403 => (Kind::Io, " (not allowed)"),
        200..=299 => (Kind::Io, ", which brings no file"),
        407 => (Kind::Io, " (the proxy wants other credentials)"),
        429 => (Kind::Io, " (too many requests)"),
        503 => (Kind::Io, " (busy or under repair)"),
        _ => (Kind::Io, ""),
    };
    let text = format!("HTTP request to {url} failed with code {status}{hint}");
    Miss {
        error: Error::new(kind, text),
        again: match response.retry_after {
            _ if !may_pass(status) => Again::Never,
            Some(pause) => Again::After(pause),
            None => Again::Later,
        },
    }
}

fn network_miss(url: &Url, failure: Failure) -> Miss {
    missed(format!("HTTP request to {url} failed"), failure)
}

/// A try that the network failed; `doing` says which.
pub(crate) fn missed(doing: String, failure: Failure) -> Miss {
    let again = match failure.may_pass() {
        true => Again::Later,
        false => Again::Never,
    };
    let error = match failure {
        Failure::Cancelled => Error::cancelled(),
        failure @ Failure::Address(_) => Error::caused(Kind::InvalidArgument, doing, failure),
        failure => Error::caused(Kind::Io, doing, failure),
    };
    Miss { error, again }
}
