//! Downloads that go on where an earlier one ended. The original begins anew each time.

mod damage;
mod place;
mod signals;
mod turns;

use crate::make::file;
use crate::server::{Answer, Fault, Server};
use crate::subject::{Run, Work, is_ours};
use crate::verbs::noise;
use rustix::process::Signal;
use std::process::Child;
use std::sync::Arc;

const ETAG: &str = "\"v1\"";
/// Bytes between two marks of what is kept; see the workers' `pull/partial/writer.rs`.
const MARK: u64 = 4 << 20;
/// Most bytes that are on their way between the server and what is written down: buffers of the
/// kernel on both sides, and the worker's queues.
const ON_THE_WAY: u64 = 24 << 20;

/// A disk image on a server.
struct Site {
    work: Work,
    server: Server,
    body: Arc<Vec<u8>>,
}

impl Site {
    /// One of so many MiB; `None`, with the reason printed, where there is nothing to test.
    fn new(mebibytes: usize) -> Option<Self> {
        if !is_ours() {
            println!("skipped: the original does not go on");
            return None;
        }
        let work = Work::new()?;
        let server = Server::start();
        let body = Arc::new(unlike(mebibytes));
        server.put("/d.raw", Answer::shared(&body).etag(ETAG));
        Some(Self { work, server, body })
    }

    fn answer(&self) -> Answer {
        Answer::shared(&self.body).etag(ETAG)
    }

    /// The first request gets so many bytes, and then nothing more; the others all.
    fn stall_first(&self, bytes: usize) {
        let first = self.answer().fault(Fault::StallAfter(bytes));
        self.server
            .put_sequence("/d.raw", vec![first, self.answer()]);
    }

    /// The first request gets so many bytes, and the rest when the server is told; the others all.
    fn hold_first(&self, bytes: usize) {
        let first = self.answer().fault(Fault::HoldAfter(bytes));
        self.server
            .put_sequence("/d.raw", vec![first, self.answer()]);
    }

    fn pull(&self) -> Run {
        let options = ["--verify=no", "--keep-download=no", "--force", "raw"];
        let url = self.server.url("/d.raw");
        self.work.run("systemd-pull").args(options).arg(url)
    }

    /// How many bytes are kept of the download.
    fn kept_bytes(&self) -> u64 {
        let names = self.work.kept();
        let part = names.iter().find(|name| name.ends_with(".part"));
        part.and_then(|part| std::fs::metadata(self.work.path("cache").join(part)).ok())
            .map_or(0, |part| part.len())
    }

    /// Up to which byte the last mark says that it is good.
    fn marked_bytes(&self) -> u64 {
        let names = self.work.kept();
        let record = names.iter().find(|name| name.ends_with(".record"));
        let record = record.map(|name| std::fs::read(self.work.path("cache").join(name)));
        let record = record.and_then(Result::ok).unwrap_or_default();
        let record = String::from_utf8_lossy(&record).into_owned();
        let marks = record.split_inclusive('\n').skip(2);
        let last = marks.filter(|line| line.ends_with('\n')).last();
        last.map_or(0, |mark| mark.split(' ').next().unwrap().parse().unwrap())
    }

    /// Waits until so much is kept, and marked but for what lies between two marks.
    fn wait_for(&self, bytes: u64, child: &mut Child) {
        while self.kept_bytes() < bytes || self.marked_bytes() + MARK <= bytes {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            std::thread::yield_now();
        }
    }

    /// Leaves a start of so many MiB behind, by a download that is stopped.
    fn leave(&self, mebibytes: usize) {
        self.stall_first(mebibytes << 20);
        let (mut child, socket) = self.pull().start();
        self.wait_for((mebibytes as u64) << 20, &mut child);
        send(&child, Signal::TERM);
        assert_eq!(crate::subject::collect(child, &socket).status, 1);
        assert_eq!(self.kept_bytes(), (mebibytes as u64) << 20);
    }

    /// The image is there and right, and nothing else.
    fn check(&self) {
        let made = std::fs::read(self.work.image("d.raw")).unwrap();
        assert!(made == *self.body, "the image is another one");
        assert_eq!(self.work.images(), ["d.raw"]);
        assert_eq!(self.work.kept(), [""; 0]);
    }

    /// From which byte on the last request wanted the body; `None` for all of it.
    fn resumed_at(&self) -> Option<u64> {
        let requests = self.server.requests();
        let last = requests.iter().rfind(|request| request.path == "/d.raw");
        let range = last.unwrap().header("Range")?;
        let start = range.strip_prefix("bytes=").unwrap();
        Some(start.split('-').next().unwrap().parse().unwrap())
    }
}

fn send(child: &Child, signal: Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

/// So many MiB, each of them another one.
fn unlike(mebibytes: usize) -> Vec<u8> {
    let block = noise(1 << 20);
    let mut data = Vec::with_capacity(mebibytes << 20);
    for index in 0..mebibytes {
        data.extend_from_slice(&index.to_le_bytes());
        data.extend_from_slice(&block[8..]);
    }
    data
}

#[test]
fn clean_removes_what_nobody_works_on() {
    let Some(site) = Site::new(12) else { return };
    let clean = |arguments: &[&str]| {
        let run = site.work.run("systemd-pull").arg("clean").args(arguments);
        String::from_utf8(run.succeed().stdout).unwrap()
    };
    site.leave(5);
    let url = site.server.url("/d.raw");
    let planned = clean(&["--dry-run", "--json=short"]);
    let planned: serde_json::Value = serde_json::from_str(&planned).unwrap();
    assert_eq!(planned[0]["type"], "unfinished");
    assert_eq!(planned[0]["url"], url.as_str());
    assert!(planned[0]["usage"].as_u64().unwrap() >= 5 << 20);
    assert_eq!(site.kept_bytes(), 5 << 20);
    assert!(clean(&["--superseded"]).starts_with("Nothing to remove"));
    let said = clean(&[&url]);
    assert!(said.contains("unfinished") && said.contains(&url), "{said}");
    assert_eq!(site.work.kept(), [""; 0]);
    // One that is on its way stays.
    site.stall_first(5 << 20);
    let (mut child, socket) = site.pull().start();
    site.wait_for(5 << 20, &mut child);
    assert!(clean(&[]).starts_with("Nothing to remove"));
    assert_eq!(site.kept_bytes(), 5 << 20);
    send(&child, Signal::TERM);
    assert_eq!(crate::subject::collect(child, &socket).status, 1);
}

#[test]
fn an_archive_goes_on_too() {
    let Some(site) = Site::new(0) else { return };
    let tree = site.work.path("tree");
    std::fs::create_dir_all(&tree).unwrap();
    file(&tree.join("large"), unlike(12));
    let archive = Arc::new(crate::make::archive(&tree));
    let answer = || Answer::shared(&archive).etag(ETAG);
    let stalled = answer().fault(Fault::StallAfter(9 << 20));
    site.server.put_sequence("/t.tar", vec![stalled, answer()]);
    let options = ["--verify=no", "--keep-download=no", "tar"];
    let pull = || {
        let run = site.work.run("systemd-pull").args(options);
        run.arg(site.server.url("/t.tar"))
    };
    let (mut child, socket) = pull().start();
    site.wait_for(9 << 20, &mut child);
    send(&child, Signal::INT);
    assert_eq!(crate::subject::collect(child, &socket).status, 1);
    let outcome = pull().succeed();
    assert!(
        outcome.stderr.contains("Continuing at 9M of 12"),
        "{}",
        outcome.stderr
    );
    crate::tree::assert_same(&tree, &site.work.image("t"));
    assert_eq!(site.work.kept(), [""; 0]);
    let requests = site.server.requests();
    let last = requests.iter().rfind(|request| request.path == "/t.tar");
    assert_eq!(last.unwrap().header("If-Range"), Some(ETAG));
    assert_eq!(last.unwrap().header("Range"), Some("bytes=9437184-"));
}
