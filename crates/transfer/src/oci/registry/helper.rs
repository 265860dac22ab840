//! Programs that know logins: `docker-credential-NAME`.
//!
//! # Source
//! "Credential helper protocol" of docker-credential-helpers.

use super::surroundings::Surroundings;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::oci::login::Login;
use importd_host::child::{Child, Command, ExitOutcome, Signal, Stdio};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What names of programs begin with.
pub(super) const PREFIX: &str = "docker-credential-";
/// How long a program may take: some ask a server, none may ask a person for ever.
const TIME_MAX: Duration = Duration::from_secs(30);
/// Largest answer, in bytes: a token of some KiB, and names.
const ANSWER_MAX: usize = 64 << 10;
/// Longest end of a name, in bytes.
const NAME_MAX: usize = 64;
/// How often signals are looked for meanwhile.
const LOOK_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// Where programs are without a `PATH`.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Asks a program for the login at a server; `None` if it knows none.
///
/// # Errors
/// [`Kind::InvalidArgument`] for a name that is none, [`Kind::NotFound`] without the program,
/// [`Kind::Io`] for one that takes too long, says too much or nothing that makes sense; the cancel.
pub(super) fn ask(
    name: &str,
    server: &str,
    surroundings: &Surroundings,
    context: &Context,
) -> Result<Option<Login>> {
    let program = find(name, surroundings)?;
    let failed = || format!("Failed to ask '{}' for credentials", program.display());
    let (input, mut server_end) = std::io::pipe().doing(failed)?;
    // A host and a path: a pipe takes that without a reader.
    server_end.write_all(server.as_bytes()).doing(failed)?;
    drop(server_end);
    let (answer, output) = std::io::pipe().doing(failed)?;
    let mut command = Command::new(&program);
    command
        .args(["get"])
        .env_clear()
        .stdin(Stdio::Fd(input.into()))
        .stdout(Stdio::Fd(output.into()));
    let variables = [
        ("PATH", surroundings.path.clone()),
        ("HOME", surroundings.home.clone().map(Into::into)),
        (
            "XDG_RUNTIME_DIR",
            surroundings.runtime.clone().map(Into::into),
        ),
    ];
    for (name, value) in variables {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let child = command.spawn().doing(failed)?;
    drop(command);
    let read = read(answer, context);
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => {
            child.discard().unwrap_or(());
            return Err(error);
        }
    };
    // It has closed its output; what it does from then on is its own matter, but not for long.
    let outcome = wait(&child, context)?;
    match outcome {
        Some(ExitOutcome::Exited(0)) => {}
        // How programs say that they know nothing.
        Some(ExitOutcome::Exited(1)) if bytes.starts_with(b"credentials not found") => {
            return Ok(None);
        }
        _ => return Err(Error::new(Kind::Io, format!("{}: it failed", failed()))),
    }
    let login = Login::parse_answer(&bytes);
    login
        .map(Some)
        .map_err(|error| Error::caused(Kind::Io, failed(), error))
}

/// How the program ended; `None` if it had to be killed.
fn wait(child: &Child, context: &Context) -> Result<Option<ExitOutcome>> {
    let failed = || "Failed to wait for a program that knows credentials".to_owned();
    let end = Instant::now() + TIME_MAX;
    loop {
        if let Some(outcome) = child.try_wait().doing(failed)? {
            return Ok(Some(outcome));
        }
        let is_cancelled = context.cancel.wait_signal(Duration::ZERO).is_err();
        if is_cancelled || Instant::now() >= end {
            child.signal_group(Signal::KILL).doing(failed)?;
            child.wait().doing(failed)?;
            return match is_cancelled {
                true => Err(Error::cancelled()),
                false => Ok(None),
            };
        }
        is_readable(child.pidfd()).doing(failed)?;
    }
}

/// All that the program says, in time.
fn read(mut answer: PipeReader, context: &Context) -> Result<Vec<u8>> {
    let failed = || "Failed to read from a program that knows credentials".to_owned();
    let end = Instant::now() + TIME_MAX;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        context
            .cancel
            .wait_signal(Duration::ZERO)
            .map_err(|error| Error::io(failed(), error))?;
        if Instant::now() >= end {
            let text = format!("{}: it takes too long", failed());
            return Err(Error::new(Kind::Io, text));
        }
        if !is_readable(answer.as_fd()).doing(failed)? {
            continue;
        }
        match answer.read(&mut buffer).doing(failed)? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
        }
        if bytes.len() > ANSWER_MAX {
            let text = format!("{}: it says too much", failed());
            return Err(Error::new(Kind::Io, text));
        }
    }
}

/// Whether there is something to read, or the end, before it is time to look for signals.
fn is_readable(fd: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    match poll(&mut fds, Some(&LOOK_INTERVAL)) {
        Err(Errno::INTR) => Ok(false),
        other => other.map(|count| count > 0),
    }
}

/// The program of a name.
fn find(name: &str, surroundings: &Surroundings) -> Result<PathBuf> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_allowed) {
        let shown: String = name
            .chars()
            .take(NAME_MAX)
            .flat_map(char::escape_debug)
            .collect();
        let text = format!("'{shown}' is no name of a program that knows credentials");
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    let path = surroundings.path.clone().unwrap_or_else(|| PATH.into());
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(format!("{PREFIX}{name}")))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            let text =
                format!("The program '{PREFIX}{name}', which knows credentials, is not there");
            Error::new(Kind::NotFound, text)
        })
}
