//! `--connections=`: a body over several connections, right or not at all.

use crate::server::{Answer, Fault, Ranges, Server};
use crate::subject::{Run, Work, collect, is_ours};
use crate::verbs::noise;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;

const ETAG: &str = "\"v1\"";
/// Bytes of a piece; see the workers' `source/ranges.rs`.
const PIECE: usize = 4 << 20;
/// Bytes that a server on the same machine sends before it sees that nobody wants them: buffers of
/// the kernel on both sides, and the queue of the worker.
const ON_THE_WAY: u64 = 24 << 20;

struct Site {
    work: Work,
    server: Server,
    body: Arc<Vec<u8>>,
}

impl Site {
    fn new() -> Option<Self> {
        if !is_ours() {
            println!("skipped: the original has one connection");
            return None;
        }
        let work = Work::new()?;
        let server = Server::start();
        let body = Arc::new(body(0));
        server.put("/d.raw", Answer::shared(&body).etag(ETAG));
        Some(Self { work, server, body })
    }

    fn answer(&self) -> Answer {
        Answer::shared(&self.body).etag(ETAG)
    }

    fn pull(&self) -> Run {
        // Companion files would have connections of their own.
        let options = [
            "--settings=no",
            "--roothash=no",
            "--verity=no",
            "--verify=no",
            "--keep-download=no",
            "--connections=4",
            "raw",
        ];
        let run = self.work.run("systemd-pull").args(options);
        run.arg(self.server.url("/d.raw"))
    }

    fn check(&self) {
        let made = std::fs::read(self.work.image("d.raw")).unwrap();
        assert!(made == *self.body, "the image is another one");
        assert_eq!(self.work.images(), ["d.raw"]);
        assert_eq!(self.work.kept(), [""; 0]);
        std::fs::remove_file(self.work.image("d.raw")).unwrap();
    }

    /// The ranges that were asked for.
    fn ranges(&self) -> Vec<String> {
        let requests = self.server.requests();
        let ranges = requests
            .iter()
            .filter_map(|request| request.header("Range"));
        ranges.map(str::to_owned).collect()
    }
}

/// Six pieces and a half; each place has its own bytes.
fn body(seed: u8) -> Vec<u8> {
    let mut data = noise(6 * PIECE + PIECE / 2 + 5);
    for (index, block) in data.chunks_mut(4096).enumerate() {
        block[0] = seed;
        let number = index.to_le_bytes();
        let length = number.len().min(block.len() - 1);
        block[1..=length].copy_from_slice(&number[..length]);
    }
    data
}

#[test]
fn a_body_comes_in_pieces_over_several_connections() {
    let Some(site) = Site::new() else { return };
    site.pull().succeed();
    site.check();
    let ranges = site.ranges();
    let asked: BTreeSet<String> = ranges.iter().cloned().collect();
    let expected: BTreeSet<String> = (1..7)
        .map(|index| {
            let end = ((index + 1) * PIECE).min(site.body.len());
            format!("bytes={}-{}", index * PIECE, end - 1)
        })
        .collect();
    assert_eq!(asked, expected);
    assert_eq!(ranges.len(), 6);
    let seen = site.server.seen();
    assert!((4..=5).contains(&seen.connections), "{}", seen.connections);
    let conditions = seen.requests.iter().filter_map(|it| it.header("If-Range"));
    assert!(conditions.count() == 6);
    let served = seen.bytes_of("/d.raw");
    assert!(served <= site.body.len() as u64 + ON_THE_WAY, "{served}");
}

#[test]
fn over_http2_each_piece_has_a_connection_of_its_own() {
    let Some(mut site) = Site::new() else { return };
    let authority = site.work.path("authority.pem");
    site.server = Server::start_http2(&authority);
    site.server.put("/d.raw", site.answer());
    site.pull().env("SSL_CERT_FILE", &authority).succeed();
    site.check();
    assert_eq!(site.server.seen().connections, 4);
}

#[test]
fn a_server_that_gives_no_ranges_is_read_over_one_connection() {
    for ranges in [
        Ranges::Ignored,
        Ranges::OtherStart,
        Ranges::OtherTotal,
        Ranges::Short,
        Ranges::Unsaid,
        Ranges::Nonsense,
        Ranges::Multipart,
        Ranges::Refused,
    ] {
        let Some(site) = Site::new() else { return };
        site.server.put("/d.raw", site.answer().ranges(ranges));
        let outcome = site.pull().succeed();
        println!("{ranges:?}");
        assert!(
            outcome.stderr.contains("is fetched over one connection"),
            "{}",
            outcome.stderr
        );
        site.check();
    }
}

#[test]
fn without_a_version_or_when_it_is_small_there_is_one_connection() {
    let Some(site) = Site::new() else { return };
    let whole = || Answer::shared(&site.body);
    for answer in [
        whole(),
        whole().etag("W/\"v1\""),
        site.answer().fault(Fault::Chunked),
    ] {
        site.server.put("/d.raw", answer);
        site.pull().succeed();
        site.check();
    }
    let small = Arc::new(site.body[..3 * PIECE].to_vec());
    site.server.put("/d.raw", Answer::shared(&small).etag(ETAG));
    site.pull().succeed();
    assert!(std::fs::read(site.work.image("d.raw")).unwrap() == *small);
    assert_eq!(site.ranges(), [""; 0]);
}

#[test]
fn a_busy_server_gets_fewer_connections() {
    for busy in [1, 3, 6] {
        let Some(site) = Site::new() else { return };
        let refused = || Answer::status(503, "busy");
        let mut answers = vec![site.answer()];
        answers.extend(std::iter::repeat_with(refused).take(busy));
        answers.push(site.answer());
        site.server.put_sequence("/d.raw", answers);
        site.pull().succeed();
        site.check();
    }
}

#[test]
fn pieces_that_break_come_again() {
    for fault in [
        Fault::CutHead,
        Fault::CutAfter(100_000),
        Fault::ResetAfter(100_000),
        Fault::Length("99999999"),
    ] {
        let Some(site) = Site::new() else { return };
        let broken = site.answer().fault(fault);
        let answers = vec![site.answer(), broken.clone(), broken, site.answer()];
        site.server.put_sequence("/d.raw", answers);
        site.pull().succeed();
        println!("{fault:?}");
        site.check();
    }
}

#[test]
fn two_versions_are_never_put_together() {
    // The version changes after so many requests.
    for whole in 1..6 {
        let Some(mut site) = Site::new() else { return };
        let mut answers: Vec<Answer> = (0..whole).map(|_| site.answer()).collect();
        site.body = Arc::new(body(1));
        answers.push(Answer::shared(&site.body).etag("\"v2\""));
        site.server.put_sequence("/d.raw", answers);
        let outcome = site.pull().outcome();
        match outcome.status {
            0 => {
                let made = std::fs::read(site.work.image("d.raw")).unwrap();
                assert!(made == body(0) || made == *site.body, "{whole}");
            }
            _ => assert_eq!(site.work.images(), [""; 0]),
        }
    }
}

#[test]
fn a_download_in_pieces_can_be_stopped_and_goes_on() {
    let Some(site) = Site::new() else { return };
    // The third piece never comes whole; those behind it wait in memory.
    let stalled = || site.answer().fault(Fault::StallAfter(PIECE / 2));
    let answers = vec![
        site.answer(),
        site.answer(),
        stalled(),
        stalled(),
        stalled(),
    ];
    site.server.put_sequence("/d.raw", answers);
    let (mut child, socket) = site.pull().start();
    site.server.wait(|seen| seen.asked("/d.raw") >= 5);
    assert!(child.try_wait().unwrap().is_none());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let outcome = collect(child, &socket);
    assert_eq!(outcome.status, 1, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("Transfer aborted"),
        "{}",
        outcome.stderr
    );
    site.server.put("/d.raw", site.answer());
    site.pull().succeed();
    site.check();
}

#[test]
fn only_sensible_numbers_of_connections_are_taken() {
    let Some(site) = Site::new() else { return };
    for number in ["0", "9", "-1", "x", ""] {
        let outcome = site
            .pull()
            .arg(format!("--connections={number}"))
            .fail(rustix::io::Errno::INVAL);
        let complaint = outcome.complaint();
        assert!(complaint.contains("--connections="), "{complaint}");
    }
}
