//! Killed or stopped at any point: nothing half made is visible, the next try succeeds and leaves
//! nothing.

use crate::make::{disk, file};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, collect, is_ours};
use crate::verbs::{Prepared, Verb, rounds};
use rustix::process::Signal;
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::time::{Duration, Instant};

/// How often each transfer is cut short, unless `ROUNDS` says otherwise.
const ROUNDS: u32 = 8;

/// Runs a transfer for its time, then sends it a signal at points spread over that time.
/// `interrupted` looks at what each one that did not get to its end has left.
fn cut_anywhere(prepared: &Prepared, signal: Signal, interrupted: impl Fn()) {
    let whole = (0..3).map(|_| {
        let before = Instant::now();
        prepared.start().succeed();
        before.elapsed()
    });
    let whole = whole.min().unwrap_or_default();
    prepared.check();
    let rounds = rounds(ROUNDS);
    let (mut cut, mut round) = (0, 0);
    while cut < rounds {
        assert!(round < 20 * rounds, "only {cut} rounds were cut short");
        prepared.clear();
        let (child, socket) = prepared.start().start();
        // A signal at a point in time is what is tested: no event marks it.
        let point = whole * (round % rounds) / rounds;
        std::thread::sleep(point + Duration::from_micros(u64::from(round * 37)));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        let outcome = collect(child, &socket);
        if outcome.status != 0 {
            cut += 1;
            interrupted();
        }
        round += 1;
    }
}

/// SIGKILL: nothing half made is visible, and the same command again succeeds and leaves nothing.
fn killed_anywhere(verb: Verb) {
    let Some(prepared) = verb.prepare() else {
        return;
    };
    cut_anywhere(&prepared, Signal::KILL, || {
        prepared.check_interrupted();
        prepared.start().succeed();
        prepared.check();
        if is_ours() {
            assert_eq!(prepared.left(), [prepared.name()]);
            assert_eq!(prepared.work.kept(), [""; 0]);
        }
    });
}

/// SIGTERM: nothing is left at once.
fn stopped_anywhere(verb: Verb) {
    let Some(prepared) = verb.prepare() else {
        return;
    };
    cut_anywhere(&prepared, Signal::TERM, || {
        prepared.check_interrupted();
        if is_ours() {
            let left = prepared.left();
            assert!(left.is_empty() || left == [prepared.name()], "{left:?}");
        }
    });
}

mod killed {
    crate::verbs::each_verb!(super::killed_anywhere);
}

mod stopped {
    crate::verbs::each_verb!(super::stopped_anywhere);
}

#[test]
fn a_signal_ends_a_copy_of_many_files() {
    let Some(work) = Work::new() else { return };
    let tree = work.path("many");
    std::fs::create_dir_all(&tree).unwrap();
    for index in 0..5000 {
        file(&tree.join(format!("{index}")), "x");
    }
    for signal in [Signal::TERM, Signal::INT] {
        let run = work.run("systemd-import-fs").arg("run").arg(&tree);
        let (mut child, socket) = run.arg("t").start();
        while work.images().is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            std::thread::yield_now();
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        let outcome = collect(child, &socket);
        assert_eq!(outcome.status, 1, "{}", outcome.stderr);
        let notes = &outcome.notes;
        assert!(notes.contains(&"ERRNO=4".into()), "{notes:?}");
        assert!(
            outcome.stderr.contains("Copy cancelled."),
            "{}",
            outcome.stderr
        );
        assert_eq!(work.images(), [""; 0]);
    }
}

#[test]
fn a_signal_ends_a_transfer_politely() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    server.put(
        "/d.raw",
        Answer::ok(vec![b'x'; 100_000]).fault(Fault::StallAfter(50_000)),
    );
    for signal in [Signal::TERM, Signal::INT] {
        let run = work
            .run("systemd-pull")
            .args(["--verify=no", "raw"])
            .arg(server.url("/d.raw"));
        let before = server.paths().len();
        let (mut child, socket) = run.start();
        while server.paths().len() == before {
            assert!(
                child.try_wait().unwrap().is_none(),
                "it ended without a request"
            );
            std::thread::yield_now();
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        let outcome = collect(child, &socket);
        assert_eq!(outcome.status, 1, "{}", outcome.stderr);
        assert!(
            outcome.notes.contains(&"ERRNO=4".into()),
            "{:?}",
            outcome.notes
        );
        assert!(
            outcome.stderr.contains("Transfer aborted"),
            "{}",
            outcome.stderr
        );
        assert_eq!(work.images(), [""; 0]);
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_fifo() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it waits for ever");
        return;
    }
    crate::make::run("mkfifo", &["fifo"], &work.path(""));
    let (child, socket) = work
        .run("systemd-import")
        .arg("raw")
        .arg(work.path("fifo"))
        .start();
    until_status(&child, "Seccomp:\t2");
    ends_politely(child, &socket);
    assert_eq!(work.images(), [""; 0]);
}

#[test]
fn a_signal_ends_an_export_that_nobody_reads() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it waits for ever");
        return;
    }
    let disk = disk(&work, "disk.img");
    let export = || work.run("systemd-export").arg("raw").arg(&disk);
    crate::make::run("mkfifo", &["fifo"], &work.path(""));
    let (child, socket) = export().arg(work.path("fifo")).start();
    // It waits with the signals blocked, and takes them from time to time.
    until_status(&child, "SigBlk:\t0000000000004002");
    ends_politely(child, &socket);
    let (_reader, writer) = std::io::pipe().unwrap();
    let (child, socket) = export().stdout(writer).start();
    until_status(&child, "Seccomp:\t2");
    ends_politely(child, &socket);
}

/// Waits until a process has that line in its status.
pub(crate) fn until_status(child: &Child, line: &str) {
    let status = format!("/proc/{}/status", child.id());
    while !std::fs::read_to_string(&status).unwrap().contains(line) {
        std::thread::yield_now();
    }
}

/// It ends by SIGTERM, and says so.
pub(crate) fn ends_politely(child: Child, socket: &UnixDatagram) {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let outcome = collect(child, socket);
    let notes = &outcome.notes;
    assert!(
        notes.contains(&"ERRNO=4".into()),
        "{notes:?} {}",
        outcome.stderr
    );
}
