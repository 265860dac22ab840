//! Options about the network.

use super::values;
use crate::error::{Error, Result};
use crate::source::settings::Settings;
use importd_api::failure::Kind;
use std::time::Duration;

/// Longest time that may be waited for, in seconds: a day. More is a mistake of units.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// Most tries.
const RETRIES_MAX: u32 = 1000;

/// How patient the network is taken.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct NetworkOptions {
    /// How often to try again while nothing comes (default 5)
    #[arg(long, value_name = "NUMBER")]
    retries: Option<String>,
    /// Give up a server that cannot be connected to in that time (default 30s)
    #[arg(long, value_name = "SECONDS")]
    connect_timeout: Option<String>,
    /// Give up a connection that brings nothing for that time (default 30s)
    #[arg(long, value_name = "SECONDS")]
    stall_timeout: Option<String>,
}

impl NetworkOptions {
    /// The settings, where an option says nothing as usual.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what is no number or time, or one out of range.
    pub(super) fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::default();
        if let Some(text) = &self.retries {
            settings.retries = retries(text)?;
        }
        if let Some(text) = &self.connect_timeout {
            settings.connect_timeout = time("connect-timeout", text)?;
        }
        if let Some(text) = &self.stall_timeout {
            settings.stall_timeout = time("stall-timeout", text)?;
        }
        Ok(settings)
    }
}

fn retries(text: &str) -> Result<u32> {
    let number = text.parse().ok().filter(|number| *number <= RETRIES_MAX);
    number.ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("--retries= takes a number from 0 to {RETRIES_MAX}, not: {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

fn time(option: &str, text: &str) -> Result<Duration> {
    let seconds = values::seconds(text).filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("--{option}= takes a time from 1s to 24h, not: {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_have_bounds() {
        let options = |retries: &str, connect: &str, stall: &str| NetworkOptions {
            retries: Some(retries.into()),
            connect_timeout: Some(connect.into()),
            stall_timeout: Some(stall.into()),
        };
        let settings = options("0", "2min", "1").settings().unwrap();
        let expected = Settings {
            retries: 0,
            connect_timeout: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(1),
        };
        assert_eq!(settings, expected);
        assert_eq!(
            NetworkOptions::default().settings().unwrap(),
            Settings::default()
        );
        for (retries, connect, stall) in [
            ("-1", "1", "1"),
            ("1001", "1", "1"),
            ("1", "0", "1"),
            ("1", "1", "25h"),
            ("1", "", "1"),
            ("1", "1 parsec", "1"),
        ] {
            let error = options(retries, connect, stall).settings().unwrap_err();
            assert_eq!(error.kind, Kind::InvalidArgument);
        }
    }
}
