//! Which bytes an answer holds.

/// `Content-Range: bytes FIRST-LAST/TOTAL`.
///
/// # Source
/// RFC 9110, section 14.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Number of the first byte, from 0.
    pub first: u64,
    /// Number of the last byte, not below `first` and below [`u64::MAX`].
    pub last: u64,
    /// How many bytes there are in all; `None` for `*`.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the header's value; `None` for anything but one range of bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        let is_sound = first <= last && last < total.unwrap_or(u64::MAX);
        is_sound.then_some(Self { first, last, total })
    }

    /// How many bytes it spans, at least 1.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether it reaches from `first` to the last byte there is, as far as it says.
    #[must_use]
    pub fn is_rest_from(&self, first: u64) -> bool {
        self.first == first && self.total.is_none_or(|total| total == self.last + 1)
    }
}

/// Digits only: the standard library's own reading takes a sign too.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sound_ranges_are_ranges() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        for (text, expected) in [
            ("bytes 0-9/10", range(0, 9, Some(10))),
            ("bytes 5-9/*", range(5, 9, None)),
            ("bytes 9-5/10", None),
            ("bytes 0-10/10", None),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes */10", None),
            ("items 0-9/10", None),
            ("bytes -9/10", None),
            ("bytes +0-9/10", None),
        ] {
            assert_eq!(ContentRange::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_rest_begins_where_asked_and_reaches_to_the_end() {
        for (text, first, is_rest) in [
            ("bytes 5-9/10", 5, true),
            ("bytes 5-9/*", 5, true),
            ("bytes 5-8/10", 5, false),
            ("bytes 0-9/10", 5, false),
        ] {
            let range = ContentRange::parse(text).unwrap();
            assert_eq!(range.is_rest_from(first), is_rest, "{text}");
        }
    }
}
