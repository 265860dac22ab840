//! Values of options, in the texts systemd takes.

use crate::error::{Error, Result};
use importd_api::failure::Kind;
use std::time::Duration;

/// Reads a boolean as systemd does.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

/// The value of a boolean option, or its default.
pub(super) fn switch(option: &str, value: Option<&str>, default: bool) -> Result<bool> {
    let Some(text) = value else {
        return Ok(default);
    };
    boolean(text).ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("Failed to parse boolean argument to '--{option}=': {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

/// A size in bytes with an optional suffix K M G T P E, base 1024; at most 2^63 - 1.
pub(super) fn size(option: &str, text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let exponent = match text.get(digits.len()..) {
        Some("" | "B") => Some(0),
        Some("K") => Some(1),
        Some("M") => Some(2),
        Some("G") => Some(3),
        Some("T") => Some(4),
        Some("P") => Some(5),
        Some("E") => Some(6),
        _ => None,
    };
    let bytes = exponent
        .and_then(|exponent| {
            let number: u64 = digits.parse().ok()?;
            number.checked_mul(1024u64.checked_pow(exponent)?)
        })
        .filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("Failed to parse size of '--{option}=': {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

/// A time in whole seconds, with one of systemd's units behind it or none.
///
/// # Source
/// systemd.time(7), without fractions, sums, and units below a second.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.get(digits.len()..)?.trim_start() {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hr" | "hour" | "hours" => 60 * 60,
        "d" | "day" | "days" => 24 * 60 * 60,
        "w" | "week" | "weeks" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| digits.parse::<u64>().ok()?.checked_mul(unit))
        .flatten()
}

/// The value of an option that takes a time, as [`seconds`] reads it.
pub(super) fn duration(option: &str, text: &str) -> Result<Duration> {
    seconds(text).map(Duration::from_secs).ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("Failed to parse time of '--{option}=': {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("90", 90), ("2min", 120), ("1d", 86_400), ("2w", 1_209_600)] {
            assert_eq!(duration("older-than", text).unwrap().as_secs(), seconds);
        }
        for bad in ["", "d", "-1d", "1y", "99999999999999999999s"] {
            assert!(duration("older-than", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_take_suffixes_and_have_a_limit() {
        assert_eq!(size("size-max", "10").unwrap(), 10);
        assert_eq!(size("size-max", "3K").unwrap(), 3072);
        assert_eq!(size("size-max", "7E").unwrap(), 7 << 60);
        for bad in ["", "K", "1k", "8E", "-1", "1KB", "1.5G"] {
            assert!(size("size-max", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_seconds_unless_they_say_otherwise() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("2min", Some(120)),
            ("2 h", Some(7200)),
            ("", None),
            ("s", None),
            ("1.5s", None),
            ("1min 30s", None),
            ("-1", None),
            ("1x", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn booleans_are_systemds() {
        for (text, value) in [("yes", true), ("T", true), ("0", false), ("off", false)] {
            assert_eq!(boolean(text), Some(value));
        }
        assert_eq!(
            switch("sync", Some("maybe"), true).unwrap_err().doing,
            "Failed to parse boolean argument to '--sync=': maybe"
        );
    }
}
