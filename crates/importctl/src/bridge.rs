//! A bus that a child process speaks to for us: systemd-stdio-bridge(1), here or by ssh(1).

use crate::report::{self, Failure};
use crate::transport::{BRIDGE, Transport};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Status with which shells say that there is no such program, and ssh hands it on.
const NOT_FOUND: i32 = 127;
/// Status of ssh when it fails itself.
const SSH_FAILED: i32 = 255;
/// How long a bridge that has closed its end may take to end, before it is described without.
const END_MAX: Duration = Duration::from_secs(2);

/// A running bridge.
#[derive(Debug)]
pub(crate) struct Bridge {
    child: Child,
    program: OsString,
}

impl Bridge {
    /// Starts a bridge: a command line, and our end of what it speaks through. Both directions are
    /// one socket, so that a bridge on this machine can pass descriptors. What it has to say goes
    /// to our standard error.
    ///
    /// # Errors
    /// A failure if the program cannot be started.
    pub(crate) fn start(line: &[OsString]) -> anyhow::Result<(Self, UnixStream)> {
        let (program, arguments) = line
            .split_first()
            .ok_or_else(|| Failure::coded(report::NO_SERVICE, "There is no bridge to start"))?;
        let fail = |error: std::io::Error| {
            let shown = program.to_string_lossy();
            let reason = report::reason(&error);
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => " (is it installed?)",
                _ => "",
            };
            Failure::coded(
                report::NO_SERVICE,
                format!("Failed to start {shown}: {reason}{hint}"),
            )
        };
        let (ours, theirs) = UnixStream::pair().map_err(fail)?;
        let input = OwnedFd::from(theirs);
        let output = input.try_clone().map_err(fail)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(input)
            .stdout(output)
            // Else systemd's bridge tells the journal only why it fails.
            .env("SYSTEMD_LOG_TARGET", "console");
        let child = command.spawn().map_err(fail)?;
        let bridge = Self {
            child,
            program: program.clone(),
        };
        Ok((bridge, ours))
    }

    /// Why the bridge does not speak to a bus: waits a moment for its end, and ends it if that does
    /// not come.
    pub(crate) async fn explain(mut self, transport: &Transport, otherwise: &str) -> String {
        let program = self.program.to_string_lossy().into_owned();
        let peer = transport.peer();
        let status = tokio::time::timeout(END_MAX, self.child.wait()).await;
        let Ok(Ok(status)) = status else {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "it speaks no D-Bus, and is described so, whether it ends or not"
            )]
            let _ = self.child.start_kill();
            return otherwise.to_owned();
        };
        match (transport, status.code()) {
            (Transport::Remote(_), Some(SSH_FAILED)) => {
                format!("{program} could not connect to {peer}")
            }
            (Transport::Remote(_), Some(NOT_FOUND)) => {
                format!("{peer} has no {BRIDGE}, which comes with systemd")
            }
            (_, Some(0)) => otherwise.to_owned(),
            _ => format!("{program} for {peer} {}", how(status)),
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(number), _) => format!("ended with exit status {number}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
