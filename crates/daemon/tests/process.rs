//! What the kernel says of the daemon's process.

use crate::harness::{Daemon, PATIENCE};
use std::time::Instant;

fn read(daemon: &Daemon, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{file}", daemon.process.id())).unwrap()
}

/// How many descriptors it has open.
pub(crate) fn descriptors(daemon: &Daemon) -> usize {
    let folder = format!("/proc/{}/fd", daemon.process.id());
    std::fs::read_dir(folder).unwrap().count()
}

/// How many processes it has started that have not been reaped.
pub(crate) fn children(daemon: &Daemon) -> usize {
    let file = format!("task/{}/children", daemon.process.id());
    read(daemon, &file).split_whitespace().count()
}

/// How much memory it has, in bytes.
pub(crate) fn resident_bytes(daemon: &Daemon) -> u64 {
    let status = read(daemon, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// Waits until something holds, which is asked for again and again: each time a call goes to the
/// daemon and back.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
    }
}
