//! How a download goes about the network: options that the worker takes, passed on as they are.

use std::ffi::OsString;

/// Options as typed; the worker checks them.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct NetworkOptions {
    /// Another address of the same file, tried when one fails; repeatable (needs --standalone)
    #[arg(long, value_name = "URL", allow_hyphen_values = true, action = clap::ArgAction::Append,
          value_hint = clap::ValueHint::Url)]
    mirror: Vec<OsString>,
    /// Most bytes a second, with K, M or G (needs --standalone)
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    limit_rate: Option<OsString>,
    /// How often to try again while nothing comes (needs --standalone)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    retries: Option<OsString>,
    /// Give up a server that cannot be connected to in that time (needs --standalone)
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    connect_timeout: Option<OsString>,
    /// Give up a connection that brings nothing for that time (needs --standalone)
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    stall_timeout: Option<OsString>,
    /// Over how many connections to fetch a large body (needs --standalone)
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    connections: Option<OsString>,
    /// Whether to keep what there is of an unfinished download (needs --standalone)
    #[arg(long, value_name = "BOOL", allow_hyphen_values = true)]
    keep_partial: Option<OsString>,
}

impl NetworkOptions {
    /// The worker's options.
    pub(crate) fn for_worker(&self) -> Vec<OsString> {
        let single = [
            ("--limit-rate=", &self.limit_rate),
            ("--retries=", &self.retries),
            ("--connect-timeout=", &self.connect_timeout),
            ("--stall-timeout=", &self.stall_timeout),
            ("--connections=", &self.connections),
            ("--keep-partial=", &self.keep_partial),
        ];
        let single = single
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (*name, value)));
        let mirrors = self.mirror.iter().map(|value| ("--mirror=", value));
        mirrors
            .chain(single)
            .map(|(name, value)| {
                let mut option = OsString::from(name);
                option.push(value);
                option
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_reach_the_worker_as_they_were_typed() {
        let options = NetworkOptions {
            mirror: vec!["http://a/".into(), "-x".into()],
            retries: Some("3".into()),
            ..NetworkOptions::default()
        };
        assert_eq!(
            options.for_worker(),
            ["--mirror=http://a/", "--mirror=-x", "--retries=3"]
        );
    }
}
