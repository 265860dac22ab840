//! What an address is asked for, and what it answers.

use super::remote::Remote;
use importd_api::url::Url;
use std::time::SystemTime;

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
}

impl<'a> Ask<'a> {
    /// Asks for all bytes.
    #[must_use]
    pub const fn whole(url: &'a Url) -> Self {
        Self {
            url,
            known: &[],
            resume: None,
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
    /// What tells one version of the bytes from another.
    pub validator: Validator,
}

/// What tells one version of the bytes of an address from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validator {
    /// A strong ETag, with its quotes.
    Etag(String),
    /// When they were changed.
    LastModified(SystemTime),
}

impl Validator {
    /// The best one that an answer brought; `None` if it has none that a range may rest on: weak
    /// ETags promise only that the meaning is the same, not the bytes.
    #[must_use]
    pub fn of(remote: &Remote) -> Option<Self> {
        match (&remote.etag, remote.last_modified) {
            (Some(etag), _) if is_strong(etag) => Some(Self::Etag(etag.clone())),
            (_, Some(time)) => Some(Self::LastModified(time)),
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(etag: Option<&str>, last_modified: Option<SystemTime>) -> Remote {
        Remote {
            offset: 0,
            length: None,
            etag: etag.map(str::to_owned),
            last_modified,
            body: Box::new(std::io::empty()),
        }
    }

    #[test]
    fn only_what_stands_for_the_very_bytes_is_a_validator() {
        let time = SystemTime::UNIX_EPOCH;
        for (etag, date, header) in [
            (Some("\"e\""), Some(time), Some("\"e\"")),
            (
                Some("W/\"e\""),
                Some(time),
                Some("Thu, 01 Jan 1970 00:00:00 GMT"),
            ),
            (Some("W/\"e\""), None, None),
            (Some("e"), None, None),
            (Some("\""), None, None),
            (None, None, None),
        ] {
            let validator = Validator::of(&remote(etag, date));
            assert_eq!(validator.map(|it| it.header()).as_deref(), header);
        }
    }
}
