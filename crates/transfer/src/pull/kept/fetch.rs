//! An address is asked for its bytes, unless what is kept of it will do.
//!
//! | what is known | what serves |
//! |---|---|
//! | a digest, from a list or the caller | an object whose bytes had it; nothing is asked |
//! | nothing, and a local file | an object read from it in the state it has now |
//! | nothing, and a server | an object whose ETag the server confirms, or, without ETags, of the same length and time of change |

use super::find::{self, Need, Object};
use super::record::{Stamp, Version};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::install::Root;
use crate::proof::Expectation;
use crate::pull::Request;
use crate::source::ask::{Answer, Ask};
use crate::source::remote::Remote;
use importd_api::failure::Kind;
use std::ffi::{OsStr, OsString};
use std::time::SystemTime;

/// Most ETags that are sent, the newest: more would make a request that servers refuse.
const ETAGS_MAX: usize = 16;

/// How often a kept download is tried; each try but the last fails only if another transfer
/// replaces it at this moment.
const TRIES: usize = 5;

/// Progress when a kept download is found, in percent: as when a download is complete.
const FOUND_SHARE: u8 = 95;

/// Asks the address, whoever does it.
pub(in crate::pull) type Asker<'a> = &'a mut dyn FnMut(Ask<'_>) -> Result<Answer>;

/// Bytes that are coming.
#[derive(Debug)]
pub(in crate::pull) struct Fresh {
    /// The answer.
    pub(in crate::pull) remote: Remote,
    /// Which version of the bytes it is.
    pub(in crate::pull) version: Version,
}

impl Fresh {
    /// An answer that has just come; of a local file, with its state before it was opened.
    pub(in crate::pull) fn of(remote: Remote, stamp: Option<Stamp>) -> Self {
        let version = Version {
            etag: remote.etag.clone(),
            last_modified: remote.last_modified,
            answered: remote.date.unwrap_or_else(SystemTime::now),
            stamp,
        };
        Self { remote, version }
    }
}

/// What an address turned out to be.
#[derive(Debug)]
pub(in crate::pull) enum Found {
    /// A kept download is it.
    Kept(Box<Object>),
    /// Bytes that are not here yet.
    Bytes(Box<Fresh>),
}

/// Where an image comes from.
#[derive(Debug)]
pub(in crate::pull) enum Taken {
    /// From the kept download of this name; it is installed.
    Kept(OsString),
    /// From bytes that are on their way.
    Bytes(Box<Fresh>),
}

/// Gets an image from what is kept, and installs it under `local`; else the bytes.
///
/// # Errors
/// As the asker says; what the copy and the installation say.
pub(in crate::pull) fn fetch(
    request: &Request,
    need: &Need<'_>,
    local: Option<&OsStr>,
    (asker, root): (Asker<'_>, &Root),
    context: &Context,
) -> Result<Taken> {
    // What is kept is the caller's own, and no copy of it can be given to others.
    let place = Some(root).filter(|_| !request.has_foreign_ids(context));
    for _ in 0..TRIES {
        match look(request, need, (asker, place), context)? {
            Found::Bytes(fresh) => return Ok(Taken::Bytes(fresh)),
            Found::Kept(object) => {
                context.report.info(format!(
                    "Found kept download '{}', using it.",
                    root.path.join(&object.name).display()
                ));
                context.report.progress(FOUND_SHARE);
                if super::install::again(&object, local, request, root, context)? {
                    return Ok(Taken::Kept(object.name));
                }
                // It was replaced by a newer one, or removed, while it was copied.
            }
        }
    }
    Err(super::install::replaced(request))
}

/// Finds what the address holds now; without an image root nothing is kept.
///
/// # Errors
/// As the asker says.
pub(in crate::pull) fn look(
    request: &Request,
    need: &Need<'_>,
    (asker, root): (Asker<'_>, Option<&Root>),
    context: &Context,
) -> Result<Found> {
    let mut objects = match root {
        Some(root) => find::serving(request, need, root, context),
        None => Vec::new(),
    };
    let stamp = Stamp::of(&request.url);
    let served = match (need.expected, &stamp) {
        (Expectation::Digest { .. }, _) => take(&mut objects, &|_| true),
        (Expectation::Nothing, Some(stamp)) => take(&mut objects, &|object| {
            let record = object.record.as_ref();
            record.is_some_and(|record| record.has_stamp(stamp))
        }),
        (Expectation::Nothing | Expectation::Judged { .. }, _) => None,
    };
    if let Some(object) = served {
        return Ok(Found::Kept(object));
    }
    let known: Vec<String> = objects
        .iter()
        .filter_map(|object| object.etag.clone())
        .take(ETAGS_MAX)
        .collect();
    let answer = ask(request, &known, asker, context)?;
    let remote = match unchanged(&mut objects, answer) {
        Outcome::Kept(object) => return Ok(Found::Kept(object)),
        Outcome::Bytes(remote) => remote,
        // Not said which of several: the newest is asked for alone, and then whatever there is.
        Outcome::Unclear => {
            let newest = known.get(..1).unwrap_or_default();
            match ask(request, newest, asker, context)? {
                Answer::Body(remote) => remote,
                Answer::Unchanged { .. } => {
                    let newest = objects.into_iter().find(|object| object.etag.is_some());
                    let newest = newest.ok_or_else(|| not_asked_for(request))?;
                    return Ok(Found::Kept(Box::new(newest)));
                }
            }
        }
    };
    Ok(Found::Bytes(Box::new(Fresh::of(remote, stamp))))
}

fn ask(request: &Request, known: &[String], asker: Asker<'_>, context: &Context) -> Result<Answer> {
    if !known.is_empty() {
        context.report.debug(format!(
            "Asking {} whether it still is {}.",
            request.url,
            known.join(" or ")
        ));
    }
    let ask = Ask {
        known,
        ..Ask::whole(&request.url)
    };
    asker(ask).map_err(not_retrieved)
}

fn not_asked_for(request: &Request) -> Error {
    let text = format!("{} was answered with what was not asked for", request.url);
    Error::new(Kind::Io, text)
}

/// What clients look for when the image itself cannot be had.
pub(in crate::pull) fn not_retrieved(mut error: Error) -> Error {
    error.doing = format!("Failed to retrieve image file: {}", error.doing);
    error
}

/// What an answer means for the objects.
enum Outcome {
    Kept(Box<Object>),
    Bytes(Remote),
    /// One of several is unchanged.
    Unclear,
}

fn unchanged(objects: &mut Vec<Object>, answer: Answer) -> Outcome {
    match answer {
        Answer::Unchanged { etag } => {
            let with_etag = objects.iter().filter(|it| it.etag.is_some()).count();
            let mut take = |is_it: &dyn Fn(&Object) -> bool| take(objects, is_it);
            let named = etag.and_then(|etag| take(&|it| is_same_etag(it.etag.as_deref(), &etag)));
            match (named, with_etag) {
                (Some(object), _) => Outcome::Kept(object),
                (None, 1) => take(&|it| it.etag.is_some()).map_or(Outcome::Unclear, Outcome::Kept),
                (None, _) => Outcome::Unclear,
            }
        }
        Answer::Body(remote) => {
            let kept = match &remote.etag {
                Some(etag) => take(objects, &|it| it.etag.as_ref() == Some(etag)),
                None => take(objects, &|it| {
                    let record = it.record.as_ref();
                    record.is_some_and(|it| it.is_same(remote.length, remote.last_modified))
                }),
            };
            match kept {
                Some(object) => Outcome::Kept(object),
                None => Outcome::Bytes(remote),
            }
        }
    }
}

fn take(objects: &mut Vec<Object>, is_it: &dyn Fn(&Object) -> bool) -> Option<Box<Object>> {
    let index = objects.iter().position(is_it)?;
    Some(Box::new(objects.swap_remove(index)))
}

/// Whether a 304 means this ETag: compared weakly, as servers compare what they were asked.
///
/// # Source
/// RFC 9110, sections 8.8.3.2 and 13.1.2.
fn is_same_etag(known: Option<&str>, answered: &str) -> bool {
    let opaque = |etag: &str| etag.strip_prefix("W/").unwrap_or(etag).to_owned();
    known.is_some_and(|known| opaque(known) == opaque(answered))
}
