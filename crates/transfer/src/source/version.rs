//! Whether two answers are about the same bytes.

use super::ask::Validator;
use super::content_range::ContentRange;
use super::wire::Response;
use std::time::SystemTime;

/// What an answer says of the version of the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// What stands for the very bytes.
    pub(super) validator: Option<Validator>,
    etag: Option<String>,
    last_modified: Option<SystemTime>,
    /// How many bytes there are in all.
    pub(super) length: Option<u64>,
}

/// How a second answer compares with the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is about the same bytes.
    Same,
    /// It is about other ones.
    Other,
    /// Nothing in it says.
    Unknown,
}

impl Version {
    /// Of an answer with all bytes.
    pub(super) fn of_whole(response: &Response) -> Self {
        Self::of(response, response.length)
    }

    /// Of an answer with a rest, which reaches to the last byte.
    pub(super) fn of_rest(response: &Response, range: ContentRange) -> Self {
        Self::of(response, Some(range.last + 1))
    }

    fn of(response: &Response, length: Option<u64>) -> Self {
        let etag = response.etag.clone();
        let (last_modified, date) = (response.last_modified, response.date);
        Self {
            validator: Validator::among(etag.as_deref(), last_modified, date),
            etag,
            last_modified,
            length,
        }
    }

    /// Compares a later answer with this one. A contradiction decides; a strong ETag that is the
    /// same makes the rest of no matter, a time only together with the length.
    pub(super) fn compare(&self, later: &Self) -> Likeness {
        if differs(self.length.as_ref(), later.length.as_ref())
            || differs(self.etag.as_ref(), later.etag.as_ref())
        {
            return Likeness::Other;
        }
        match &self.validator {
            Some(Validator::Etag(etag)) if later.etag.as_ref() == Some(etag) => Likeness::Same,
            _ if differs(self.last_modified.as_ref(), later.last_modified.as_ref()) => {
                Likeness::Other
            }
            Some(Validator::LastModified(_))
                if later.last_modified.is_some()
                    && self.length.is_some()
                    && later.length.is_some() =>
            {
                Likeness::Same
            }
            _ => Likeness::Unknown,
        }
    }
}

fn differs<T: PartialEq>(first: Option<&T>, later: Option<&T>) -> bool {
    matches!((first, later), (Some(first), Some(later)) if first != later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn version(etag: &str, second: u64, length: u64) -> Version {
        let etag = Some(etag.to_owned()).filter(|etag| !etag.is_empty());
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let last_modified = Some(time).filter(|_| second > 0);
        Version {
            validator: Validator::among(
                etag.as_deref(),
                last_modified,
                Some(time + Duration::from_secs(1000)),
            ),
            etag,
            last_modified,
            length: Some(length).filter(|_| length > 0),
        }
    }

    #[test]
    fn versions_are_the_same_only_if_something_says_so_and_nothing_speaks_against_it() {
        for (first, later, likeness) in [
            (
                version("\"a\"", 0, 9),
                version("\"a\"", 0, 9),
                Likeness::Same,
            ),
            (
                version("\"a\"", 1, 9),
                version("\"a\"", 2, 9),
                Likeness::Same,
            ),
            (
                version("\"a\"", 0, 0),
                version("\"a\"", 0, 9),
                Likeness::Same,
            ),
            (
                version("\"a\"", 0, 9),
                version("\"a\"", 0, 8),
                Likeness::Other,
            ),
            (
                version("\"a\"", 1, 9),
                version("\"b\"", 1, 9),
                Likeness::Other,
            ),
            (version("", 1, 9), version("", 1, 9), Likeness::Same),
            (version("", 1, 9), version("", 2, 9), Likeness::Other),
            (version("", 1, 0), version("", 1, 9), Likeness::Unknown),
            (version("", 1, 9), version("", 0, 9), Likeness::Unknown),
            (
                version("W/\"a\"", 0, 9),
                version("W/\"a\"", 0, 9),
                Likeness::Unknown,
            ),
            (
                version("W/\"a\"", 0, 9),
                version("W/\"b\"", 0, 9),
                Likeness::Other,
            ),
            (version("\"a\"", 0, 9), version("", 0, 9), Likeness::Unknown),
            (version("", 0, 9), version("", 0, 9), Likeness::Unknown),
            (version("", 0, 9), version("", 0, 8), Likeness::Other),
        ] {
            assert_eq!(first.compare(&later), likeness, "{first:?} {later:?}");
        }
    }
}
