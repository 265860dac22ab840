//! The percentage that a worker reports on its notify socket; [`crate::figures`] stand beside it.

/// Key of a progress report.
const PROGRESS_KEY: &str = "X_IMPORT_PROGRESS=";

/// The datagram for a progress of `percent`, 0 to 100.
#[must_use]
pub fn to_datagram(percent: u8) -> String {
    format!("{PROGRESS_KEY}{}%", percent.min(100))
}

/// The percentage in a datagram: its `X_IMPORT_PROGRESS=N%` line, N from 0 to 100.
///
/// `None` if there is no such line; `Some(Err(value))` if there is one that says nothing.
#[must_use]
pub fn from_datagram(text: &str) -> Option<Result<u8, &str>> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(PROGRESS_KEY))?;
    let percent = value
        .strip_suffix('%')
        .and_then(|digits| digits.parse::<u8>().ok())
        .filter(|percent| *percent <= 100);
    Some(percent.ok_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_round_trip_and_nonsense_is_told_apart_from_absence() {
        for percent in [0, 1, 99, 100] {
            let datagram = to_datagram(percent);
            assert_eq!(from_datagram(&datagram), Some(Ok(percent)));
        }
        assert_eq!(from_datagram("EXIT_STATUS=0"), None);
        assert_eq!(from_datagram("A=1\nX_IMPORT_PROGRESS=7%\nB=2"), Some(Ok(7)));
        for bad in ["101%", "-1%", "5", "%", "x%"] {
            let text = format!("X_IMPORT_PROGRESS={bad}");
            assert_eq!(from_datagram(&text), Some(Err(bad)));
        }
    }
}
