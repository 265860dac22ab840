//! Foreign programs: the second opinion of every test here.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Whether all of the programs are there; prints why the test is skipped if one is not.
pub(crate) fn has(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output();
        let found = found.is_ok_and(|output| output.status.success());
        if !found {
            println!("skipped: there is no {program}");
        }
        found
    })
}

/// Runs a program with bytes for its standard input.
pub(crate) fn feed<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    folder: &Path,
    input: &[u8],
) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A program that stops reading has a reason, which its status and message tell.
        scope.spawn(move || stdin.write_all(input).unwrap_or(()));
        child.wait_with_output().unwrap()
    })
}

/// Runs a program to success; what it printed.
pub(crate) fn run<S: AsRef<OsStr> + std::fmt::Debug>(
    program: &str,
    arguments: &[S],
    folder: &Path,
    input: &[u8],
) -> Vec<u8> {
    let output = feed(program, arguments, folder, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    output.stdout
}
