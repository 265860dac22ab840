//! Files of HTTP servers: status codes and headers turned into an answer or a failure.

use super::ask::{Answer, Ask, Resume};
use super::remote::Remote;
use super::wire::{Failure, Network, Response};
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_api::url::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};

/// Asks for an address; anything but bytes, or that they are unchanged, is a failure.
///
/// # Errors
/// [`Kind::HttpNotFound`] for 404 and 410, [`Kind::Unauthorized`] for 401, [`Kind::Io`] for
/// other codes, for another range than was asked for, and for a network that fails.
pub fn get(network: &Network, ask: Ask<'_>) -> Result<Answer> {
    let response = network
        .get(ask.url.as_str(), headers(ask))
        .map_err(|failure| network_error(ask.url, failure))?;
    match (response.status, ask.resume) {
        (304, _) if !ask.known.is_empty() => Ok(Answer::Unchanged {
            etag: response.etag,
        }),
        (206, Some(resume)) => rest(response, resume, ask.url).map(Answer::Body),
        (200, _) | (201..=299, None) => Ok(Answer::Body(whole(response))),
        (status, _) => Err(status_error(ask.url, status)),
    }
}

fn headers(ask: Ask<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| {
        // What cannot stand in a header is not asked for: the answer is then all bytes.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if !ask.known.is_empty() {
        add(IF_NONE_MATCH, &ask.known.join(", "));
    }
    if let Some(Resume { offset, validator }) = ask.resume {
        add(RANGE, &format!("bytes={offset}-"));
        add(IF_RANGE, &validator.header());
    }
    headers
}

fn whole(response: Response) -> Remote {
    Remote {
        offset: 0,
        length: response.length,
        etag: response.etag,
        last_modified: response.last_modified,
        body: Box::new(response.body),
    }
}

/// The rest of a body; its range must be the one that was asked for, up to the end.
fn rest(response: Response, resume: &Resume, url: &Url) -> Result<Remote> {
    let range = response.range.filter(|range| {
        range.first == resume.offset
            && range.total.is_none_or(|total| total == range.last + 1)
            && response
                .length
                .is_none_or(|length| length == range.last + 1 - range.first)
    });
    let Some(range) = range else {
        let text = format!("HTTP request to {url} was answered with another range than asked for");
        return Err(Error::new(Kind::Io, text));
    };
    Ok(Remote {
        offset: range.first,
        length: Some(range.last + 1),
        etag: response.etag,
        last_modified: response.last_modified,
        body: Box::new(response.body),
    })
}

fn status_error(url: &Url, status: u16) -> Error {
    let (kind, hint) = match status {
        404 | 410 => (Kind::HttpNotFound, " (wrong URL?)"),
        401 => (Kind::Unauthorized, " (not allowed without credentials)"),
        403 => (Kind::Io, " (not allowed)"),
        _ => (Kind::Io, ""),
    };
    let text = format!("HTTP request to {url} failed with code {status}{hint}");
    Error::new(kind, text)
}

fn network_error(url: &Url, failure: Failure) -> Error {
    match failure {
        Failure::Cancelled => Error::cancelled(),
        failure @ Failure::Address(_) => {
            let text = format!("HTTP request to {url} failed");
            Error::caused(Kind::InvalidArgument, text, failure)
        }
        failure => Error::caused(Kind::Io, format!("HTTP request to {url} failed"), failure),
    }
}
