//! Credentials that are encrypted. systemd-creds(1) knows the keys, one in a TPM among them, and is the
//! only program that this one ever starts.

use crate::input;
use anyhow::{Context, bail};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What decrypts, found by `$PATH`, which the manager sets.
const PROGRAM: &str = "systemd-creds";

/// How long it may take. A TPM can need some seconds; the manager gives up all generators after 90.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Most bytes that are read of what it says when it fails; people get the last line.
const COMPLAINT_MAX: usize = 64 << 10;

/// What the file at `path` holds, the encrypted credential `name`: at most `limit_bytes`.
///
/// # Errors
/// If there is no such program, it fails, takes too long, or what it prints is longer.
///
/// # Source
/// systemd-creds(1), verb `decrypt`.
pub(crate) fn decrypt(path: &Path, name: &str, limit_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(PROGRAM);
    command.arg("decrypt").arg(format!("--name={name}"));
    output(command.arg(path).arg("-"), limit_bytes, TIME_MAX)
}

/// What a command prints, if it then succeeds within `time`. It is killed when it does not.
fn output(command: &mut Command, limit_bytes: usize, time: Duration) -> anyhow::Result<Vec<u8>> {
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("Failed to start {PROGRAM}"))?;
    let result = printed(&mut child, limit_bytes, time);
    if result.is_err() {
        // It may have ended by itself; there is nothing else to do about one that cannot be killed.
        drop(child.kill());
    }
    let status = child
        .wait()
        .with_context(|| format!("Failed to wait for {PROGRAM}"))?;
    let (text, complaint) = result?;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint);
        let last = complaint.lines().last().unwrap_or("it says nothing");
        bail!("{PROGRAM} failed: {last}");
    }
    Ok(text)
}

/// What a child writes to standard output and standard error, until it closes both.
fn printed(
    child: &mut Child,
    limit_bytes: usize,
    time: Duration,
) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let pipes = child.stdout.take().zip(child.stderr.take());
    let (stdout, stderr) = pipes.context("No pipes to read from")?;
    let (sender, receiver) = mpsc::channel();
    let complaints = std::thread::spawn(move || input::read(stderr, COMPLAINT_MAX));
    std::thread::spawn(move || {
        let text = input::read(stdout, limit_bytes);
        let complaint = complaints.join().ok().and_then(Result::ok);
        // Nobody waits any more if it took too long.
        drop(sender.send(text.map(|text| (text, complaint.unwrap_or_default()))));
    });
    match receiver.recv_timeout(time) {
        Ok(read) => read.with_context(|| format!("Failed to read what {PROGRAM} prints")),
        Err(_) => bail!("{PROGRAM} took more than {} seconds", time.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit_bytes: usize, time: Duration) -> anyhow::Result<Vec<u8>> {
        output(Command::new("sh").args(["-c", script]), limit_bytes, time)
    }

    #[test]
    fn what_is_printed_counts_if_the_program_succeeds_in_time() {
        let long = Duration::from_secs(60);
        assert_eq!(shell("printf abc", 3, long).unwrap(), b"abc");
        for (script, told) in [
            (
                "echo a >&2; echo 'no key' >&2; exit 1",
                "systemd-creds failed: no key",
            ),
            (
                "printf abc; exit 1",
                "systemd-creds failed: it says nothing",
            ),
            (
                "printf abcd; exec tail -f /dev/null 2>&-",
                "Failed to read what systemd-creds prints: More than 3 bytes",
            ),
        ] {
            let error = shell(script, 3, long).unwrap_err();
            assert_eq!(format!("{error:#}"), told, "{script}");
        }
    }

    #[test]
    fn one_that_does_not_end_is_killed() {
        let script = "exec tail -f /dev/null";
        let error = shell(script, 3, Duration::from_millis(100)).unwrap_err();
        assert!(
            error.to_string().starts_with("systemd-creds took more"),
            "{error:#}"
        );
    }
}
