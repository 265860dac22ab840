//! How workers share the processors with others.

use crate::server::{Answer, Fault, Server};
use crate::subject::{Started, Work, is_ours};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `SCHED_BATCH`, sched(7).
const BATCH: &str = "3";

/// The policies of the threads of a process, by their names.
fn policies(process: u32) -> BTreeMap<String, String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let policy = |folder: PathBuf| {
        // A thread may end while it is looked at.
        let line = std::fs::read_to_string(folder.join("stat")).ok()?;
        let (start, rest) = line.rsplit_once(") ")?;
        // Field 41, proc_pid_stat(5); the first behind the name is the third.
        let policy = rest.split(' ').nth(41 - 3)?;
        Some((start.split_once('(')?.1.to_owned(), policy.to_owned()))
    };
    threads
        .filter_map(|it| policy(it.unwrap().path()))
        .collect()
}

#[test]
fn no_thread_of_a_download_interrupts_others() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it takes turns like a program that somebody waits for");
    }
    let server = Server::start();
    let stalled = Answer::ok(vec![1u8; 2_000_000]).fault(Fault::StallAfter(1_000_000));
    server.put("/d.raw", stalled);
    let pull = work.run("systemd-pull").args(["raw", "--verify=no"]);
    let started = Started::new(pull.args([&server.url("/d.raw"), "d"]));
    started.wait(|| policies(started.id()).contains_key("digest"));
    let found = policies(started.id());
    assert!(found.values().all(|policy| policy == BATCH), "{found:?}");
    assert!(found.contains_key("network"), "{found:?}");
    assert_eq!(started.end(Signal::TERM).status, 1);
}
