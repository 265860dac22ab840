//! Why a request failed, and whether it may be otherwise a little later.

use super::tls;
use std::error::Error;
use std::time::Duration;

/// Why a request failed, without the address.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The transfer was cancelled.
    #[error("The transfer was cancelled")]
    Cancelled,
    /// The server's certificate is not trusted.
    #[error("The server's certificate is not trusted: {0}")]
    Certificate(String),
    /// No encrypted connection could be agreed on.
    #[error("No encrypted connection: {0}")]
    Tls(String),
    /// The proxy does not let us through.
    #[error("The proxy refuses: {0}")]
    Proxy(&'static str),
    /// The name of the host is not known.
    #[error("The host's name cannot be resolved: {0}")]
    Name(String),
    /// No connection could be made.
    #[error("Cannot connect: {0}")]
    Connect(String),
    /// The server was silent for too long.
    #[error("The server sent nothing for {} seconds", .0.as_secs())]
    Stalled(Duration),
    /// The server sends too little.
    #[error("The server sent only {bytes} bytes in {} seconds", .time.as_secs())]
    Trickle {
        /// How many bytes came.
        bytes: u64,
        /// In which time of waiting for them.
        time: Duration,
    },
    /// The address has a port or host that cannot be.
    #[error("The address is invalid: {0}")]
    Address(String),
    /// Redirected too often, from https to http, or to what is no address.
    #[error("The redirect is refused: {0}")]
    Redirect(String),
    /// The connection broke.
    #[error("The connection broke: {0}")]
    Broken(String),
    /// The network thread is gone.
    #[error("The network thread ended")]
    Ended,
}

impl Failure {
    /// Whether the same request may succeed a little later: the network or the server had a
    /// moment. What somebody has to mend first does not pass.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Failure::Connect(_)
            | Failure::Stalled(_)
            | Failure::Trickle { .. }
            | Failure::Broken(_) => true,
            // The resolver tells "there is none" from "I could not ask".
            Failure::Name(text) => TEMPORARY.iter().any(|words| text.contains(words)),
            Failure::Cancelled
            | Failure::Certificate(_)
            | Failure::Tls(_)
            | Failure::Proxy(_)
            | Failure::Address(_)
            | Failure::Redirect(_)
            | Failure::Ended => false,
        }
    }

    /// By what the client says.
    pub(super) fn of(error: reqwest::Error) -> Self {
        // With the address there would be a password in some texts.
        let error = error.without_url();
        if let Some(failure) = tls::failure(&error) {
            return failure;
        }
        let cause = root_cause(&error);
        if !error.is_connect() {
            return Failure::Broken(cause);
        }
        match cause.as_str() {
            PROXY_WANTS_CREDENTIALS => Failure::Proxy("it wants other credentials"),
            // Which code it gave is not told; it may not reach the server at the moment.
            PROXY_REFUSES => Failure::Connect("the proxy refused to connect to the server".into()),
            HANDSHAKE_ENDS => Failure::Connect(
                "the server ended the connection before it was encrypted (does it speak TLS?)"
                    .into(),
            ),
            _ => match cause.split_once(LOOKUP) {
                Some((_, reason)) => Failure::Name(reason.trim_start_matches([':', ' ']).into()),
                None if error.is_timeout() => Failure::Connect("no answer in time".into()),
                None => Failure::Connect(cause),
            },
        }
    }
}

/// What the client says when the server hangs up instead of answering to the offer of TLS.
const HANDSHAKE_ENDS: &str = "tls handshake eof";
/// What the client says when a proxy answers `CONNECT` with 407.
const PROXY_WANTS_CREDENTIALS: &str = "tunnel error: proxy authorization required";
/// What the client says when a proxy answers `CONNECT` with another code that is no success.
const PROXY_REFUSES: &str = "tunnel error: unsuccessful";
/// What the standard library says of a name that the resolver does not resolve; the reason follows.
const LOOKUP: &str = "failed to lookup address information";

/// What the resolvers of glibc and musl say when they could not ask.
const TEMPORARY: [&str; 2] = ["Temporary failure in name resolution", "Try again"];

/// The innermost cause: what happened, without the layers it came through.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let text = || String::from("x");
        for (failure, passes) in [
            (Failure::Connect(text()), true),
            (Failure::Broken(text()), true),
            (Failure::Stalled(Duration::from_secs(1)), true),
            (Failure::Name("Name or service not known".into()), false),
            (
                Failure::Name("Temporary failure in name resolution".into()),
                true,
            ),
            (Failure::Certificate(text()), false),
            (Failure::Redirect(text()), false),
            (Failure::Cancelled, false),
        ] {
            assert_eq!(failure.may_pass(), passes, "{failure}");
        }
    }
}
