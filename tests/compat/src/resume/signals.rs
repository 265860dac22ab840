//! However a download ends before its end, the next one goes on.

use super::{MARK, ON_THE_WAY, Site, send};
use crate::server::{Answer, Fault};
use crate::subject::collect;
use crate::verbs::rounds;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How often a download is killed, unless `ROUNDS` says otherwise.
const ROUNDS: u32 = 3;
/// From so many rounds on the image has its full size.
const MANY_ROUNDS: u32 = 20;

#[test]
fn a_signal_leaves_what_came_to_the_next_download() {
    for (signal, status) in [(Signal::TERM, 1), (Signal::INT, 1), (Signal::KILL, 128 + 9)] {
        let Some(site) = Site::new(16) else { return };
        site.stall_first(10 << 20);
        let (mut child, socket) = site.pull().start();
        // What lies behind the last mark is lost only to a kill.
        site.wait_for(10 << 20, &mut child);
        send(&child, signal);
        assert_eq!(collect(child, &socket).status, status);
        let outcome = site.pull().succeed();
        let line = "kept from an earlier download.";
        assert!(outcome.stderr.contains(line), "{}", outcome.stderr);
        site.check();
        let resumed = site.resumed_at().unwrap();
        match signal {
            Signal::KILL => {
                let lost = (10u64 << 20).checked_sub(resumed).unwrap();
                assert!(lost < MARK, "{resumed}");
            }
            _ => assert_eq!(resumed, 10 << 20),
        }
        let served = site.server.seen().bytes_of("/d.raw");
        assert_eq!(served, (10 << 20) + (16 << 20) - resumed);
    }
}

#[test]
fn a_connection_that_breaks_leaves_what_came() {
    let Some(site) = Site::new(16) else { return };
    let cut = site.answer().fault(Fault::CutAfter(10 << 20));
    let broken = Answer::status(403, "no longer");
    let answers = vec![cut, broken.clone(), broken, site.answer()];
    site.server.put_sequence("/d.raw", answers);
    site.pull().fail_somehow();
    assert_eq!(site.work.images(), [""; 0]);
    assert_eq!(site.kept_bytes(), 10 << 20);
    // The server says no, and later yes.
    while site.server.seen().asked("/d.raw") < 3 {
        site.pull().fail_somehow();
        assert_eq!(site.kept_bytes(), 10 << 20);
    }
    site.pull().succeed();
    assert_eq!(site.resumed_at(), Some(10 << 20));
    site.check();
}

#[test]
fn small_downloads_and_those_without_a_version_leave_nothing() {
    let Some(site) = Site::new(8) else { return };
    let weak = || Answer::shared(&site.body).etag("W/\"v1\"");
    let unsaid = || Answer::shared(&site.body);
    for answer in [weak(), unsaid(), unsaid().fault(Fault::Chunked)] {
        let path = "/d.raw";
        let stalled = match answer.fault {
            Fault::Chunked => answer.clone().fault(Fault::ChunkedCutAfter(5 << 20)),
            _ => answer.clone().fault(Fault::StallAfter(5 << 20)),
        };
        site.server.put_sequence(path, vec![stalled, answer]);
        let before = site.server.seen().bytes_of(path);
        let (child, socket) = site.pull().start();
        site.server
            .wait(|seen| seen.bytes_of(path) - before >= 5 << 20);
        send(&child, Signal::TERM);
        collect(child, &socket);
        assert_eq!(site.work.kept(), [""; 0]);
    }
    site.pull().succeed();
    site.check();
}

#[test]
fn a_download_killed_anywhere_goes_on() {
    let rounds = rounds(ROUNDS);
    let mebibytes = if rounds < MANY_ROUNDS { 48 } else { 300 };
    let Some(site) = Site::new(mebibytes) else {
        return;
    };
    let size = site.body.len() as u64;
    let before = Instant::now();
    site.pull().succeed();
    let whole = before.elapsed();
    site.check();
    let (mut cut, mut round, mut worst) = (0, 0, 0);
    while cut < rounds {
        assert!(round < 20 * rounds, "only {cut} rounds were cut short");
        crate::make::run("rm", &["-rf", "images"], &site.work.path(""));
        let served = || site.server.seen().bytes_of("/d.raw");
        let start = served();
        let (child, socket) = site.pull().start();
        // A signal at a point in time is what is tested: no event marks it.
        let point = whole * (round % rounds) / rounds;
        std::thread::sleep(point + Duration::from_micros(u64::from(round * 37)));
        send(&child, Signal::KILL);
        round += 1;
        // Killed behind its last rename it is over, too, and nothing is left to go on with.
        let status = collect(child, &socket).status;
        if status == 0 || site.work.image("d.raw").exists() {
            continue;
        }
        cut += 1;
        site.pull().succeed();
        site.check();
        let extra = (served() - start).saturating_sub(size);
        worst = worst.max(extra);
        assert!(extra <= size / 10 + ON_THE_WAY, "round {round}: {extra}");
    }
    println!("at most {worst} of {size} bytes were sent twice");
}
