//! The way to the bus.

use crate::bridge::Bridge;
use crate::hints;
use crate::report::{self, Failure};
use crate::transport::Transport;
use importd_api::class::Scope;
use std::ffi::OsString;
use std::time::Duration;
use zbus::{Connection, connection};

/// A bus, and the way to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    /// Of the system, or of a user.
    pub(crate) scope: Scope,
    /// Here, or where else.
    pub(crate) transport: &'a Transport,
    /// The program that reaches other hosts.
    pub(crate) ssh: &'a OsString,
    /// How long an answer is waited for; for ever without, as a person may be asked meanwhile.
    pub(crate) answer_max: Option<Duration>,
    /// What to do where there is no bus of this machine.
    pub(crate) hint: &'static str,
}

/// Connects; the child that stands between us and the bus comes along, if there is one.
///
/// # Errors
/// A failure with one line that says where and why.
pub(super) async fn connect(address: &Address<'_>) -> anyhow::Result<(Connection, Option<Bridge>)> {
    let Some(line) = address.transport.command(address.scope, address.ssh) else {
        let builder = match address.scope {
            Scope::System => connection::Builder::system(),
            Scope::User => connection::Builder::session(),
        };
        let built = builder.build().await;
        let connection = built.map_err(|error| failure(address, &reason(&error)))?;
        return Ok((connection, None));
    };
    let (bridge, stream) = Bridge::start(&line)?;
    match connection::Builder::unix_stream(stream).build().await {
        Ok(connection) => Ok((connection, Some(bridge))),
        Err(error) => {
            let why = bridge.explain(address.transport, &reason(&error)).await;
            Err(failure(address, &why))
        }
    }
}

fn reason(error: &zbus::Error) -> String {
    match error {
        zbus::Error::InputOutput(error) | zbus::Error::Connection(error, _) => {
            report::reason(error)
        }
        other => other.to_string(),
    }
}

fn failure(address: &Address<'_>, why: &str) -> anyhow::Error {
    let scope = match address.scope {
        Scope::System => "system",
        Scope::User => "user",
    };
    let way = address.transport.as_str();
    let hint = match address.transport {
        // What works without the service works on this machine.
        Transport::Local => Some(address.hint),
        Transport::Machine(_) => Some(hints::MACHINE),
        Transport::Remote(_) => None,
    };
    Failure::hinted(
        report::NO_SERVICE,
        format!("Failed to connect to {scope} scope bus via {way} transport: {why}"),
        hint,
    )
}
