//! Killed at any point: nothing is visible, the next try succeeds and leaves nothing.

use crate::make::{archive, disk, file, packed, plain_tree};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Run, Work, collect, is_ours};
use crate::tree::assert_same;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

/// How often each transfer is killed.
const ROUNDS: u32 = 50;

/// Runs it for its time, then kills it at points spread over that time, each time running it again.
fn killed_anywhere(work: &Work, name: &str, start: impl Fn() -> Run, check: impl Fn()) {
    let whole = (0..5).map(|_| {
        let before = Instant::now();
        let (mut child, _socket) = start().arg("--force").start();
        assert!(child.wait().unwrap().success());
        before.elapsed()
    });
    let whole = whole.min().unwrap_or_default();
    check();
    let (mut killed, mut round) = (0, 0);
    while killed < ROUNDS {
        assert!(round < 10 * ROUNDS, "only {killed} rounds were cut short");
        crate::make::run("rm", &["-rf", "images"], &work.path(""));
        let (mut child, _socket) = start().start();
        // Killing at a point in time is what is tested: no event marks it.
        let point = whole * (round % ROUNDS) / ROUNDS;
        std::thread::sleep(point + Duration::from_micros(u64::from(round * 37)));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += u32::from(status.signal().is_some());
        let visible: Vec<String> = work
            .images()
            .into_iter()
            .filter(|entry| !entry.starts_with('.'))
            .collect();
        if status.signal().is_some() && !visible.is_empty() {
            // It was killed after the rename: then it is whole.
            assert_eq!(visible, [name]);
            check();
        }
        start().arg("--force").succeed();
        check();
        if is_ours() {
            assert_eq!(work.images(), [name], "round {round}");
        }
        round += 1;
    }
}

#[test]
fn an_import_of_an_archive() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let source = file(
        &work.path("t.tar.gz"),
        packed(&archive(&tree), &["gzip", "-c"]),
    );
    let start = || work.run("systemd-import").arg("tar").arg(&source).arg("t");
    killed_anywhere(&work, "t", start, || assert_same(&tree, &work.image("t")));
}

#[test]
fn a_pull_of_a_disk_image() {
    let Some(work) = Work::new() else { return };
    let data = std::fs::read(disk(&work, "disk.img")).unwrap();
    let server = Server::start();
    server.put("/d.raw.zst", Answer::ok(packed(&data, &["zstd", "-qc"])));
    let start = || {
        let run = work
            .run("systemd-pull")
            .args(["--verify=no", "--keep-download=no", "raw"]);
        run.arg(server.url("/d.raw.zst"))
    };
    killed_anywhere(&work, "d.raw", start, || {
        assert!(std::fs::read(work.image("d.raw")).unwrap() == data);
    });
}

#[test]
fn a_signal_ends_a_transfer_politely() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    server.put(
        "/d.raw",
        Answer::ok(vec![b'x'; 100_000]).fault(Fault::StallAfter(50_000)),
    );
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
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
    let writer = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
    let (child, socket) = export().stdout(writer).start();
    until_status(&child, "Seccomp:\t2");
    ends_politely(child, &socket);
}

/// Waits until a process has that line in its status.
fn until_status(child: &Child, line: &str) {
    let status = format!("/proc/{}/status", child.id());
    while !std::fs::read_to_string(&status).unwrap().contains(line) {
        std::thread::yield_now();
    }
}

/// It ends by SIGTERM, and says so.
fn ends_politely(child: Child, socket: &UnixDatagram) {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let outcome = collect(child, socket);
    let notes = &outcome.notes;
    assert!(
        notes.contains(&"ERRNO=4".into()),
        "{notes:?} {}",
        outcome.stderr
    );
}
