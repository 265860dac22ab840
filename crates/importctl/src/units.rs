//! Numbers as people read them: sizes, times, shares.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

const SIZE_LETTERS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

/// A number of bytes, base 1024, with one decimal (cut, not rounded) unless that is zero.
pub(crate) fn size(bytes: u64) -> String {
    let mut unit = 1u64;
    let mut letter = None;
    for candidate in SIZE_LETTERS {
        if bytes / unit < 1024 {
            break;
        }
        unit *= 1024;
        letter = Some(candidate);
    }
    let Some(letter) = letter else {
        return format!("{bytes}B");
    };
    let tenths = u128::from(bytes) * 10 / u128::from(unit);
    match tenths % 10 {
        0 => format!("{}{letter}", tenths / 10),
        decimal => format!("{}.{decimal}{letter}", tenths / 10),
    }
}

/// A time in microseconds since 1970 as `Mon 2026-11-23 00:15:15 UTC`; `None` if it is unknown (0)
/// or beyond the calendar.
pub(crate) fn time(microseconds: u64, zone: &Zone) -> Option<String> {
    let microseconds = i64::try_from(microseconds).ok().filter(|time| *time > 0)?;
    let time = Timestamp::from_microsecond(microseconds).ok()?;
    let zoned = time.to_zoned(zone.0.clone());
    Some(zoned.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string())
}

/// The time zone in which times are shown.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub(crate) const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this machine or of `TZ`; UTC if it cannot be found out.
    pub(crate) fn local() -> Self {
        let zone = TimeZone::system();
        if zone.is_unknown() {
            Self::UTC
        } else {
            Self(zone)
        }
    }
}

/// A time to wait in microseconds, as `3s`, `4min` or `1h 5min`; `None` if it is less than a second
/// or more than a day, which are both bad guesses.
pub(crate) fn duration(microseconds: u64) -> Option<String> {
    let seconds = microseconds / 1_000_000;
    match seconds {
        1..60 => Some(format!("{seconds}s")),
        60..3600 => Some(format!("{}min", seconds / 60)),
        3600..86_400 => Some(format!("{}h {}min", seconds / 3600, seconds / 60 % 60)),
        _ => None,
    }
}

/// Reads a time as systemd writes it, systemd.time(7): numbers with `us`, `ms`, `s`, `min` or `h`
/// behind, seconds without; `None` if it is none, or endless.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, after) = after.split_at(letters.unwrap_or(after.len()));
        let microseconds = match unit {
            "us" | "usec" => 1,
            "ms" | "msec" => 1000,
            "" | "s" | "sec" | "second" | "seconds" => 1_000_000,
            "m" | "min" | "minute" | "minutes" => 60_000_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000_000,
            _ => return None,
        };
        let part = Duration::from_micros(number.checked_mul(microseconds)?);
        total = total.checked_add(part)?;
        rest = after.trim_start();
    }
    (total > Duration::ZERO).then_some(total)
}

/// A share from 0 to 1 in whole percent; `None` while it is unknown (negative, or no number).
pub(crate) fn percent(share: f64) -> Option<u8> {
    if !(0.0..=f64::from(u8::MAX)).contains(&share) {
        return None;
    }
    let nearest = (share.min(1.0) * 100.0).round();
    (0..=100u8).find(|percent| f64::from(*percent) >= nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_cut_to_one_decimal() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1K"),
            (4096, "4K"),
            (300_000, "292.9K"),
            (600_000, "585.9K"),
            (1_048_575, "1023.9K"),
            (1_048_576, "1M"),
            (5_000_000_000, "4.6G"),
            (u64::MAX, "15.9E"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn times_are_read_as_systemd_writes_them() {
        for (text, milliseconds) in [
            ("5", Some(5000)),
            ("250ms", Some(250)),
            ("1min 30s", Some(90_000)),
            ("2h", Some(7_200_000)),
            (" 3 sec ", Some(3000)),
            ("infinity", None),
            ("", None),
            ("0", None),
            ("-1", None),
            ("99999999999999999999", None),
            ("18446744073709551615h", None),
        ] {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn times_to_wait_are_rough_and_senseless_ones_are_not_shown() {
        for (seconds, text) in [
            (0, None),
            (1, Some("1s")),
            (59, Some("59s")),
            (61, Some("1min")),
            (3900, Some("1h 5min")),
            (86_400, None),
        ] {
            assert_eq!(duration(seconds * 1_000_000).as_deref(), text, "{seconds}");
        }
    }

    #[test]
    fn times_are_in_the_form_of_the_reference() {
        let time_in = |zone: &Zone| time(1_795_394_813_131_520, zone).unwrap();
        assert_eq!(time_in(&Zone::UTC), "Mon 2026-11-23 00:46:53 UTC");
        let zone = Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        assert_eq!(time_in(&zone), "Mon 2026-11-23 01:46:53 CET");
        assert_eq!(time(0, &Zone::UTC), None);
        assert_eq!(time(u64::MAX, &Zone::UTC), None);
    }

    #[test]
    fn shares_are_rounded_so_that_hundredths_survive_floating_point() {
        for hundredth in 0..=100u8 {
            assert_eq!(percent(f64::from(hundredth) / 100.0), Some(hundredth));
        }
        for unknown in [-f64::MAX, -0.5, f64::NAN, f64::INFINITY] {
            assert_eq!(percent(unknown), None);
        }
        assert_eq!(percent(1.5), Some(100));
    }
}
