//! Files of HTTP servers: status codes and headers turned into a source or a failure.

use super::remote::Remote;
use super::wire::{Failure, Network};
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_api::url::Url;

/// Asks for an address; anything but success is a failure.
///
/// # Errors
/// [`Kind::HttpNotFound`] for 404 and 410, [`Kind::Unauthorized`] for 401, [`Kind::Io`] for
/// other codes and for a network that fails.
pub fn get(network: &Network, url: &Url) -> Result<Remote> {
    let response = network
        .get(url.as_str())
        .map_err(|failure| network_error(url, failure))?;
    if !(200..300).contains(&response.status) {
        return Err(status_error(url, response.status));
    }
    Ok(Remote {
        length: response.length,
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
