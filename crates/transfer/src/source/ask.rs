//! What an address is asked for, and what it answers.

use super::guard::Terms;
use super::remote::Remote;
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_api::url::Url;
use std::time::{Duration, SystemTime};

/// A request for the bytes of an address.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The address.
    pub url: &'a Url,
    /// ETags of what is here already, as they were sent (`If-None-Match`); empty to ask for the
    /// bytes whatever they are.
    pub known: &'a [String],
    /// Where to go on; `None` asks for all bytes.
    pub resume: Option<&'a Resume>,
    /// On what terms.
    pub terms: &'a Terms,
}

impl<'a> Ask<'a> {
    /// Asks for all bytes.
    #[must_use]
    pub const fn whole(url: &'a Url) -> Self {
        Self {
            url,
            known: &[],
            resume: None,
            terms: Terms::NONE,
        }
    }
}

/// The rest of a body is wanted, if it is still the same one.
///
/// # Source
/// RFC 9110, sections 13.1.5 and 14.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// How many bytes are here already; the answer is to begin with the byte behind them.
    pub offset: u64,
    /// What tells one version of the bytes from another; `None` if their digest was known before,
    /// and the whole will be compared with it: any server may give the rest then.
    pub validator: Option<Validator>,
}

/// What tells one version of the bytes of an address from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validator {
    /// A strong ETag, with its quotes.
    Etag(String),
    /// When they were changed.
    LastModified(SystemTime),
}

/// How long before its own answer a file must have been changed, by the server's clock, for that
/// time to stand for the very bytes: changed twice within a second, or by a clock that is not quite
/// the server's, two versions would have the same one.
///
/// # Source
/// RFC 9110, section 8.8.2.2; the time is that of RFC 7232, section 2.2.2.
const SETTLED: Duration = Duration::from_secs(60);

impl Validator {
    /// The best one that an answer brought; `None` if it has none that a range may rest on: weak
    /// ETags promise only that the meaning is the same, not the bytes, and a fresh time may stand
    /// for two versions.
    #[must_use]
    pub fn of(remote: &Remote) -> Option<Self> {
        Self::among(remote.etag.as_deref(), remote.last_modified, remote.date)
    }

    /// As [`Validator::of`], of the three headers.
    pub(super) fn among(
        etag: Option<&str>,
        last_modified: Option<SystemTime>,
        date: Option<SystemTime>,
    ) -> Option<Self> {
        if let Some(etag) = etag.filter(|etag| is_strong(etag)) {
            return Some(Self::Etag(etag.to_owned()));
        }
        let (time, date) = (last_modified?, date?);
        let is_settled = date.duration_since(time).is_ok_and(|age| age >= SETTLED);
        is_settled.then_some(Self::LastModified(time))
    }

    /// As the value of `If-Range`.
    #[must_use]
    pub fn header(&self) -> String {
        match self {
            Self::Etag(etag) => etag.clone(),
            Self::LastModified(time) => httpdate::fmt_http_date(*time),
        }
    }
}

fn is_strong(etag: &str) -> bool {
    etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')
}

/// What came back.
#[derive(Debug)]
pub enum Answer {
    /// Bytes; [`Remote::offset`] says whether they are the rest that was asked for or all of them.
    Body(Remote),
    /// What is here already is still what the address holds.
    Unchanged {
        /// Which of them, if the server says.
        etag: Option<String>,
    },
}

impl Answer {
    /// The bytes, where nothing was said to be known.
    ///
    /// # Errors
    /// [`Kind::Io`] if there are none.
    pub fn body(self, url: &Url) -> Result<Remote> {
        match self {
            Answer::Body(remote) => Ok(remote),
            Answer::Unchanged { .. } => {
                let text = format!("{url} was answered with what was not asked for");
                Err(Error::new(Kind::Io, text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_for_the_very_bytes_is_a_validator() {
        let time = SystemTime::UNIX_EPOCH;
        let settled = Some(time + SETTLED);
        let fresh = Some(time + SETTLED - Duration::from_secs(1));
        let epoch = "Thu, 01 Jan 1970 00:00:00 GMT";
        for (etag, last_modified, date, header) in [
            (Some("\"e\""), Some(time), settled, Some("\"e\"")),
            (Some("\"e\""), Some(time), fresh, Some("\"e\"")),
            (Some("W/\"e\""), Some(time), settled, Some(epoch)),
            (Some("W/\"e\""), Some(time), fresh, None),
            (None, Some(time), settled, Some(epoch)),
            (None, Some(time), None, None),
            (None, fresh, Some(time), None),
            (Some("W/\"e\""), None, settled, None),
            (Some("e"), None, settled, None),
            (Some("\""), None, settled, None),
            (None, None, settled, None),
        ] {
            let validator = Validator::among(etag, last_modified, date);
            assert_eq!(validator.map(|it| it.header()).as_deref(), header);
        }
    }
}
