//! Running importctl.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// importctl with these arguments, on this bus for both scopes.
pub(crate) fn importctl(address: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_importctl"));
    command
        .args(arguments)
        .env("DBUS_SYSTEM_BUS_ADDRESS", address)
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .env("TZ", "UTC")
        .env_remove("IMPORTD_WORKER_DIRECTORY")
        .stdin(Stdio::null());
    command
}

/// Runs to the end.
pub(crate) fn run(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ran {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Runs, sends a signal once a line of standard error contains `ready`, and waits for the end.
pub(crate) fn run_and_signal(command: &mut Command, ready: &str, signal: &str) -> Ran {
    run_and(command, &[(ready, &|child| send(child, signal))])
}

/// Something to be done once standard error contains a text.
pub(crate) type Act<'a> = (&'a str, &'a dyn Fn(&Child));

/// Runs, does one thing after the other, and waits for the end.
pub(crate) fn run_and(command: &mut Command, acts: &[Act<'_>]) -> Ran {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    for (ready, act) in acts {
        while !text.contains(ready) {
            assert_ne!(
                stderr.read_line(&mut text).unwrap(),
                0,
                "no {ready:?} in {text:?}"
            );
        }
        act(&child);
    }
    stderr.read_to_string(&mut text).unwrap();
    let mut stdout = String::new();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_to_string(&mut stdout).unwrap();
    Ran {
        code: child.wait().unwrap().code(),
        stdout,
        stderr: text,
    }
}

/// Sends a signal.
pub(crate) fn send(child: &Child, signal: &str) {
    let sent = Command::new("sh")
        .args([
            "-c",
            "kill -s \"$0\" \"$1\"",
            signal,
            &child.id().to_string(),
        ])
        .status()
        .unwrap();
    assert!(sent.success());
}
