//! SIGTERM and SIGINT in every state of a pull: it ends soon, says so, leaves nothing, and nothing
//! is in the way of the next one.

use crate::faults::{Ends, Rig};
use crate::make::{Signer, checksum_line, packed};
use crate::server::{Answer, Fault};
use crate::subject::{Outcome, Run, Started, is_ours};
use rustix::process::Signal;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Longest time from the signal to the end: at once, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(5);

/// Starts a pull, waits until it is where it should be, and ends it.
fn cancelled(what: &str, rig: &Rig, run: Run, until: impl Fn(&Started)) -> Outcome {
    let started = Started::new(run);
    until(&started);
    let signal = match what.len() % 2 {
        0 => Signal::TERM,
        _ => Signal::INT,
    };
    let before = Instant::now();
    let outcome = started.end(signal);
    assert!(before.elapsed() < SOON, "{what}: {}", outcome.stderr);
    let expected = if outcome.status == 0 {
        &["d.raw"][..]
    } else {
        &[]
    };
    assert_eq!(rig.work.images(), expected, "{what}: {}", outcome.stderr);
    outcome
}

/// As that, in a state from which the pull cannot get to its end by itself.
fn surely_cancelled(what: &str, rig: &Rig, run: Run, until: impl Fn(&Started)) {
    let outcome = cancelled(what, rig, run, until);
    let (notes, stderr) = (&outcome.notes, &outcome.stderr);
    assert_eq!(outcome.status, 1, "{what}: {stderr}");
    assert!(
        notes.contains(&"ERRNO=4".into()),
        "{what}: {notes:?} {stderr}"
    );
    assert!(stderr.contains("Transfer aborted"), "{what}: {stderr}");
    // Not in the way.
    rig.server.put(Rig::PATH, rig.good());
    rig.check_run(what, Ends::Well, rig.pull());
    rig.clear();
}

#[test]
fn while_it_connects() {
    let Some(rig) = Rig::new() else { return };
    // One connection fills the queue of this one; the next is never answered.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let address = full.local_addr().unwrap();
    let _first = TcpStream::connect(address).unwrap();
    let run = rig.pull_of(&format!("http://{address}/d.raw"), "--verify=no");
    // SYN_SENT, proc_net_tcp(5).
    let line = format!(":{:04X} 02 ", address.port());
    surely_cancelled("connecting", &rig, run, |started| {
        started.wait(|| {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            table.contains(&line)
        });
    });
}

#[test]
fn while_it_waits_for_the_head_or_the_body() {
    let Some(rig) = Rig::new() else { return };
    for (fault, bytes) in [
        (Fault::StallHead, 0),
        (Fault::StallAfter(0), 0),
        (Fault::StallAfter(1_000_000), 1_000_000),
        (Fault::Rate(1_000_000), 300_000),
    ] {
        let before = rig.server.seen();
        rig.server.put(Rig::PATH, rig.good().fault(fault));
        // Patient, so that it does not ask again.
        let patient: &[&str] = if is_ours() {
            &["--stall-timeout=60"]
        } else {
            &[]
        };
        let run = rig.pull().args(patient);
        surely_cancelled(&format!("{fault:?}"), &rig, run, |_started| {
            rig.server.wait(|seen| {
                seen.asked(Rig::PATH) > before.asked(Rig::PATH)
                    && seen.bytes_of(Rig::PATH) >= before.bytes_of(Rig::PATH) + bytes
            });
        });
    }
}

#[test]
fn while_it_waits_to_try_again() {
    let Some(rig) = Rig::new() else { return };
    if !is_ours() {
        return println!("skipped: it never tries again");
    }
    let later = Answer::status(503, "not now").header("Retry-After", "100");
    rig.server.put(Rig::PATH, later);
    surely_cancelled("later", &rig, rig.pull(), |started| {
        started.until("trying again");
    });
    let cut = rig.good().fault(Fault::CutAfter(1_000_000));
    let later = Answer::status(429, "not now").header("Retry-After", "100");
    rig.server.put_sequence(Rig::PATH, vec![cut, later]);
    surely_cancelled("cut, later", &rig, rig.pull(), |started| {
        started.until("100 s");
    });
}

#[test]
fn while_it_waits_for_the_list_or_the_signature() {
    let Some(rig) = Rig::new() else { return };
    let signer = Signer::new(&rig.work, "me");
    let keyring = signer.keyring();
    let list = checksum_line(&rig.body, "d.raw");
    let stalled = || Answer::ok(list.clone()).fault(Fault::StallAfter(10));
    let pull = |mode: &str| {
        let patient: &[&str] = if is_ours() {
            &["--stall-timeout=60"]
        } else {
            &[]
        };
        let run = rig.pull_of(&rig.url(), mode).args(patient);
        run.env("SYSTEMD_OPENPGP_KEYRING", &keyring)
    };
    for (path, mode) in [
        ("/SHA256SUMS", "--verify=checksum"),
        ("/d.raw.sha256", "--verify=checksum"),
        ("/SHA256SUMS.gpg", "--verify=signature"),
    ] {
        rig.server.put("/SHA256SUMS", Answer::ok(list.clone()));
        rig.server.put("/d.raw.sha256", Answer::status(404, "no"));
        rig.server.put(path, stalled());
        let before = rig.server.seen().asked(path);
        surely_cancelled(path, &rig, pull(mode), |_started| {
            rig.server.wait(|seen| seen.asked(path) > before);
        });
    }
}

#[test]
fn while_it_unpacks() {
    let Some(rig) = Rig::new() else { return };
    // Much to unpack of little that is sent.
    let zeros = vec![0; 64 << 20];
    let once = packed(&zeros, &["zstd", "-qc"]);
    let body = once.repeat(40);
    rig.server.put(Rig::PATH, Answer::ok(body.clone()));
    surely_cancelled("unpacking", &rig, rig.pull(), |_started| {
        rig.server
            .wait(|seen| seen.bytes_of(Rig::PATH) == body.len() as u64);
    });
}

#[test]
fn while_it_installs() {
    let Some(rig) = Rig::new() else { return };
    for keep in ["--keep-download=no", "--keep-download=yes"] {
        for line in ["Acquired ", "complete."] {
            rig.clear();
            let run = rig.pull().arg(keep);
            let started = Started::new(run);
            started.until(line);
            let outcome = started.end(Signal::TERM);
            let stderr = &outcome.stderr;
            let mut left = rig.work.images();
            left.retain(|name| !name.starts_with(".raw-"));
            match outcome.status {
                0 => assert_eq!(left, ["d.raw"], "{stderr}"),
                _ if is_ours() => assert_eq!(left, [""; 0], "{stderr}"),
                _ => println!("it leaves {left:?}"),
            }
            // The original may be past listening for signals, and dies of it.
            assert!(outcome.status < 2 || !is_ours(), "{stderr}");
            rig.check_kept(&outcome);
        }
    }
}

#[test]
fn while_it_waits_for_another_download() {
    let Some(rig) = Rig::new() else { return };
    if !is_ours() {
        return println!("skipped: it does not wait");
    }
    rig.server
        .put(Rig::PATH, rig.good().fault(Fault::HoldAfter(1_000_000)));
    let pull = |name: &str| {
        let run = rig.work.run("systemd-pull").args(["raw", "--verify=no"]);
        run.args([rig.url().as_str(), name])
    };
    let first = Started::new(pull("first"));
    rig.server
        .wait(|seen| seen.bytes_of(Rig::PATH) >= 1_000_000);
    let second = Started::new(pull("second"));
    second.until("Waiting for another download");
    let before = Instant::now();
    let outcome = second.end(Signal::TERM);
    assert!(before.elapsed() < SOON);
    assert!(
        outcome.notes.contains(&"ERRNO=4".into()),
        "{}",
        outcome.stderr
    );
    rig.server.release();
    let outcome = first.outcome();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let made = std::fs::read(rig.work.image("first.raw")).unwrap();
    assert!(made == *rig.body);
}
