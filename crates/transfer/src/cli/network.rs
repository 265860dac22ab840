//! Options and configuration about the network.

use super::values;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::source::ranges::CONNECTIONS_MAX;
use crate::source::settings::Settings;
use importd_api::failure::Kind;
use importd_api::url::{Scheme, Url};
use importd_host::config::{self, Assignment};
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

/// The section of `importd.conf` that is for the service, and none of a worker's business.
const SERVICE_SECTION: &str = "Service";
/// Longest time that may be waited for, in seconds: a day. More is a mistake of units.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// Most tries.
const RETRIES_MAX: u32 = 1000;

/// Over how many connections each layer of an OCI image is fetched, unless more are asked for.
const LAYER_CONNECTIONS: u32 = 2;

/// Most mirrors: each is tried in each round.
const MIRRORS_MAX: usize = 32;

/// How patient the network is taken.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct NetworkOptions {
    /// How often to try again while nothing comes (default 5)
    #[arg(long, value_name = "NUMBER")]
    retries: Option<String>,
    /// Fetch large files over that many connections, 1 to 8 (default 1; 2 for each layer of an OCI image)
    #[arg(long, value_name = "NUMBER")]
    connections: Option<String>,
    /// Give up a server that cannot be connected to in that time (default 30s)
    #[arg(long, value_name = "SECONDS")]
    connect_timeout: Option<String>,
    /// Give up a connection that brings nothing for that time (default 30s)
    #[arg(long, value_name = "SECONDS")]
    stall_timeout: Option<String>,
    /// Most bytes a second, with K, M or G
    #[arg(long, value_name = "BYTES")]
    limit_rate: Option<String>,
    /// Another address of the same file, tried when one fails; may be given several times
    #[arg(long, value_name = "URL", action = clap::ArgAction::Append)]
    mirror: Vec<String>,
}

impl NetworkOptions {
    /// The settings, where an option says nothing as in `settings`; `url` is what is fetched.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what is no number, size, time or address, or one out of range.
    pub(super) fn settings(&self, settings: Settings, url: &Url) -> Result<Settings> {
        let mut settings = self.patience(settings)?;
        settings.mirrors = mirrors(&self.mirror, url)?;
        let known = settings.mirrored.iter().filter_map(|(from, to)| {
            let rest = url.as_str().strip_prefix(from.as_str())?;
            Url::parse(&format!("{}{rest}", to.as_str())).ok()
        });
        settings.mirrors.extend(known);
        settings.mirrors.truncate(MIRRORS_MAX);
        Ok(settings)
    }

    /// As [`NetworkOptions::settings`], for what has many addresses.
    ///
    /// # Errors
    /// The same; [`Kind::InvalidArgument`] for another address of one file.
    pub(super) fn settings_of_registry(&self, settings: Settings) -> Result<Settings> {
        if !self.mirror.is_empty() {
            let text = "--mirror= is for images that are a single file";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let usual = Settings {
            // Registries limit each connection rather than a client.
            connections: settings.connections.max(LAYER_CONNECTIONS),
            ..settings
        };
        self.patience(usual)
    }

    fn patience(&self, mut settings: Settings) -> Result<Settings> {
        if let Some(text) = &self.retries {
            settings.retries = retries(text)?;
        }
        if let Some(text) = &self.connections {
            settings.connections = connections(text)?;
        }
        if let Some(text) = &self.connect_timeout {
            settings.connect_timeout = time("--connect-timeout", text)?;
        }
        if let Some(text) = &self.stall_timeout {
            settings.stall_timeout = time("--stall-timeout", text)?;
        }
        if let Some(text) = &self.limit_rate {
            settings.rate = Some(rate(text)?);
        }
        Ok(settings)
    }
}

/// The settings with what the configuration files say. What they say wrongly is warned of and left
/// out: nobody may be able to mend them who only wants to download something.
pub(super) fn configured(settings: Settings, report: &Report) -> Settings {
    let folders = config::FOLDERS.map(Path::new);
    let assignments = config::read(&folders, config::NAME, &mut |text| report.warning(text));
    configured_by(&assignments, settings, report)
}

fn configured_by(assignments: &[Assignment], mut settings: Settings, report: &Report) -> Settings {
    for assignment in assignments {
        if let Err(error) = assign(assignment, &mut settings) {
            let place = &assignment.place;
            report.warning(format!("{place}: the line is left out: {error}."));
        }
    }
    settings
}

/// Takes one line; an empty value sets what is usual.
fn assign(assignment: &Assignment, settings: &mut Settings) -> Result<()> {
    let usual = Settings::default();
    let (section, key) = (assignment.section.as_str(), assignment.key.as_str());
    if section == SERVICE_SECTION {
        return Ok(());
    }
    let value = Some(assignment.value.as_str()).filter(|value| !value.is_empty());
    match (section, key, value) {
        ("Transfer", "Retries", Some(value)) => settings.retries = retries(value)?,
        ("Transfer", "Retries", None) => settings.retries = usual.retries,
        ("Transfer", "Connections", Some(value)) => settings.connections = connections(value)?,
        ("Transfer", "Connections", None) => settings.connections = usual.connections,
        ("Transfer", "ConnectTimeoutSec", Some(value)) => {
            settings.connect_timeout = time(key, value)?;
        }
        ("Transfer", "ConnectTimeoutSec", None) => settings.connect_timeout = usual.connect_timeout,
        ("Transfer", "StallTimeoutSec", Some(value)) => settings.stall_timeout = time(key, value)?,
        ("Transfer", "StallTimeoutSec", None) => settings.stall_timeout = usual.stall_timeout,
        ("Transfer", "LimitRate", Some(value)) => settings.rate = Some(rate(value)?),
        ("Transfer", "LimitRate", None) => settings.rate = None,
        ("Transfer", "Mirror", Some(value)) => settings.mirrored.push(mirrored(value)?),
        ("Transfer", "Mirror", None) => settings.mirrored.clear(),
        _ => {
            let text = format!("there is no {key}= in section [{section}]");
            return Err(Error::new(Kind::InvalidArgument, text));
        }
    }
    Ok(())
}

/// `FROM TO`: what addresses begin with, and what those of the mirror begin with.
fn mirrored(text: &str) -> Result<(Url, Url)> {
    let bad = || {
        let text = "Mirror= takes two addresses that begin with http:// or https:// and end with /";
        Error::new(Kind::InvalidArgument, text)
    };
    let parse = |text: &str| {
        let url = Url::parse(text).ok().filter(|_| text.ends_with('/'));
        url.filter(|url| url.scheme() != Scheme::File)
    };
    let (from, to) = text.split_once(char::is_whitespace).ok_or_else(bad)?;
    parse(from).zip(parse(to.trim())).ok_or_else(bad)
}

fn mirrors(texts: &[String], url: &Url) -> Result<Vec<Url>> {
    if texts.len() > MIRRORS_MAX {
        let text = format!("At most {MIRRORS_MAX} mirrors can be given");
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    if url.scheme() == Scheme::File && !texts.is_empty() {
        let text = "--mirror= is for files of servers, and the address is a file of this machine";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    let parse = |text: &String| {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| url.scheme() != Scheme::File);
        url.ok_or_else(|| {
            let text = "--mirror= takes an address that begins with http:// or https://";
            Error::new(Kind::InvalidArgument, text)
        })
    };
    texts.iter().map(parse).collect()
}

fn rate(text: &str) -> Result<NonZeroU64> {
    let bytes = values::size("limit-rate", &text.to_ascii_uppercase())?;
    NonZeroU64::new(bytes).ok_or_else(|| {
        let text = "--limit-rate= takes at least one byte a second";
        Error::new(Kind::InvalidArgument, text)
    })
}

fn retries(text: &str) -> Result<u32> {
    let number = text.parse().ok().filter(|number| *number <= RETRIES_MAX);
    number.ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("Retries are a number from 0 to {RETRIES_MAX}, not: {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

fn connections(text: &str) -> Result<u32> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=CONNECTIONS_MAX).contains(number));
    number.ok_or_else(|| {
        let shown = text.escape_debug();
        let text =
            format!("--connections= takes a number from 1 to {CONNECTIONS_MAX}, not: {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

fn time(option: &str, text: &str) -> Result<Duration> {
    let seconds = values::seconds(text).filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let shown = text.escape_debug();
        let text = format!("{option}= takes a time from 1s to 24h, not: {shown}");
        Error::new(Kind::InvalidArgument, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::LogSettings;

    fn url() -> Url {
        Url::parse("http://h/x").unwrap()
    }

    #[test]
    fn times_and_numbers_have_bounds() {
        let options = |retries: &str, connect: &str, stall: &str, rate: &str| NetworkOptions {
            retries: Some(retries.into()),
            connections: Some("8".into()),
            connect_timeout: Some(connect.into()),
            stall_timeout: Some(stall.into()),
            limit_rate: Some(rate.into()),
            mirror: Vec::new(),
        };
        let usual = Settings::default;
        let settings = options("0", "2min", "1", "2m").settings(usual(), &url());
        let expected = Settings {
            retries: 0,
            connections: 8,
            connect_timeout: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(1),
            rate: NonZeroU64::new(2 << 20),
            ..Settings::default()
        };
        assert_eq!(settings.unwrap(), expected);
        let settings = NetworkOptions::default().settings(usual(), &url());
        assert_eq!(settings.unwrap(), Settings::default());
        for (retries, connect, stall, rate) in [
            ("-1", "1", "1", "1"),
            ("1001", "1", "1", "1"),
            ("1", "0", "1", "1"),
            ("1", "1", "25h", "1"),
            ("1", "", "1", "1"),
            ("1", "1 parsec", "1", "1"),
            ("1", "1", "1", "0"),
            ("1", "1", "1", "fast"),
        ] {
            let error = options(retries, connect, stall, rate).settings(usual(), &url());
            assert_eq!(error.unwrap_err().kind, Kind::InvalidArgument);
        }
    }

    #[test]
    fn files_set_what_options_may_set_again_and_their_mistakes_are_left_out() {
        let line = |key: &str, value: &str| Assignment {
            section: "Transfer".into(),
            key: key.into(),
            value: value.into(),
            place: "/f:1".into(),
        };
        let lines = [
            line("Retries", "7"),
            line("Retries", "many"),
            line("Connections", "4"),
            line("Connections", "9"),
            line("ConnectTimeoutSec", "5"),
            line("ConnectTimeoutSec", ""),
            line("StallTimeoutSec", "1min"),
            line("LimitRate", "1M"),
            line("Unknown", "1"),
            line("Mirror", "http://h/ https://near/h/"),
            line("Mirror", "http://other/ https://near/other/"),
            line("Mirror", "http://h/ file:/x/"),
        ];
        let report = Report::new(None, &LogSettings::default());
        let settings = configured_by(&lines, Settings::default(), &report);
        assert_eq!(
            (settings.retries, settings.connect_timeout.as_secs()),
            (7, 30)
        );
        assert_eq!(settings.connections, 4);
        assert_eq!(settings.stall_timeout.as_secs(), 60);
        assert_eq!(settings.rate, NonZeroU64::new(1 << 20));
        let options = NetworkOptions {
            retries: Some("1".into()),
            mirror: vec!["http://mine/x".into()],
            ..NetworkOptions::default()
        };
        let settings = options.settings(settings, &url()).unwrap();
        assert_eq!(settings.retries, 1);
        let mirrors: Vec<String> = settings.mirrors.iter().map(Url::to_string).collect();
        assert_eq!(mirrors, ["http://mine/x", "https://near/h/x"]);
    }

    #[test]
    fn mirrors_are_servers_of_a_file_of_a_server() {
        let options = |mirror: &str| NetworkOptions {
            mirror: vec![mirror.into()],
            ..NetworkOptions::default()
        };
        let settings = options("https://m/y").settings(Settings::default(), &url());
        assert_eq!(settings.unwrap().mirrors[0].as_str(), "https://m/y");
        let file = Url::parse("file:/x").unwrap();
        for (mirror, url) in [
            ("file:/y", url()),
            ("http://u:secret@m/ y", url()),
            ("http://m/y", file),
        ] {
            let error = options(mirror)
                .settings(Settings::default(), &url)
                .unwrap_err();
            assert_eq!(error.kind, Kind::InvalidArgument);
            assert!(!error.doing.contains("secret"), "{}", error.doing);
        }
    }
}
