//! Until when a list is good.

use std::fmt;

/// Days of the months of a year that is no leap year.
const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const SECONDS_OF_DAY: u64 = 24 * 60 * 60;

/// A day, from 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// Reads `YYYY-MM-DD`; `None` for everything else, and for days that no calendar has.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let [a, b, c, d, b'-', e, f, b'-', g, h] = text else {
            return None;
        };
        let date = Self {
            year: number(&[*a, *b, *c, *d])?,
            month: number(&[*e, *f])?,
            day: number(&[*g, *h])?,
        };
        let is_day = (1..=date.month_days()?).contains(&date.day);
        (date.year >= 1970 && is_day).then_some(date)
    }

    /// When the day begins in UTC, in seconds since 1970.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let years: u64 = (1970..self.year)
            .map(|year| if is_leap(year) { 366 } else { 365 })
            .sum();
        let months: u64 = (1..self.month)
            .filter_map(|month| Self { month, ..*self }.month_days())
            .sum();
        years
            .saturating_add(months)
            .saturating_add(self.day.saturating_sub(1))
            .saturating_mul(SECONDS_OF_DAY)
    }

    fn month_days(&self) -> Option<u64> {
        let index = usize::try_from(self.month.checked_sub(1)?).ok()?;
        let days = *MONTHS.get(index)?;
        let leap = u64::from(self.month == 2 && is_leap(self.year));
        days.checked_add(leap)
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1970-03-01", 59),
            ("2000-02-29", 11_016),
            ("2024-12-31", 20_088),
            ("2100-03-01", 47_541),
            ("9999-12-31", 2_932_896),
        ] {
            let date = Date::parse(text.as_bytes()).unwrap();
            assert_eq!(date.seconds(), days * SECONDS_OF_DAY, "{text}");
            assert_eq!(date.to_string(), text);
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_day() {
        for text in [
            "2023-02-29",
            "2100-02-29",
            "2024-04-31",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "1969-12-31",
            "2024-1-01",
            "2024-01-01x",
            "+024-01-01",
            "",
        ] {
            assert_eq!(Date::parse(text.as_bytes()), None, "{text}");
        }
    }
}
