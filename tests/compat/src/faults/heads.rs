//! Heads of answers that are cut, huge, endless, or none.

use super::{Ends, Rig};
use crate::server::{Fault, unreachable};
use crate::subject::is_ours;
use std::time::{Duration, Instant};

#[test]
fn what_breaks_in_the_head_is_asked_for_again() {
    let Some(rig) = Rig::new() else { return };
    for fault in [Fault::CutHead, Fault::CutInHead] {
        let what = format!("{fault:?}");
        let broken = rig.good().fault(fault);
        rig.check(&what, Ends::WellForUs, vec![broken.clone(), rig.good()]);
        rig.check(&what, Ends::Badly, vec![broken]);
    }
}

#[test]
fn what_is_no_head_is_refused() {
    let Some(rig) = Rig::new() else { return };
    rig.check(
        "garbage",
        Ends::Badly,
        vec![rig.good().fault(Fault::Garbage)],
    );
    if is_ours() {
        // The original reads it for ever.
        let before = Instant::now();
        rig.check(
            "endless",
            Ends::Badly,
            vec![rig.good().fault(Fault::EndlessHead)],
        );
        let served = rig.server.seen().bytes_of(Rig::PATH);
        assert!(served < 64 << 20, "{served} bytes of a head");
        assert!(before.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn large_headers_are_taken_and_huge_ones_refused() {
    let Some(rig) = Rig::new() else { return };
    let with = |length| vec![rig.good().fault(Fault::HugeHeader(length))];
    rig.check("8 KiB", Ends::Well, with(8 << 10));
    rig.check("100 KiB", Ends::Somehow, with(100 << 10));
    rig.check("16 MiB", Ends::Badly, with(16 << 20));
}

#[test]
fn names_of_versions_may_be_long_and_odd() {
    let Some(rig) = Rig::new() else { return };
    let long = format!("\"{}\"", "x".repeat(5000));
    if !is_ours() {
        return println!("skipped: they become part of its file names");
    }
    for etag in [
        long.as_str(),
        "\"/../..\"",
        "\"a\tb\"",
        "\"\u{fc}\"",
        "\"%00\"",
    ] {
        let answer = || {
            let mut answer = rig.good().etag(etag);
            answer.headers.remove(0);
            answer
        };
        rig.check(etag, Ends::WellForUs, vec![answer()]);
        let cut = answer().fault(Fault::CutAfter(1_000_000));
        rig.check(etag, Ends::WellForUs, vec![cut, answer()]);
    }
}

#[test]
fn nobody_listening_is_told_with_the_address() {
    let Some(rig) = Rig::new() else { return };
    let run = rig.pull_of(&unreachable("/d.raw"), "--verify=no");
    let outcome = rig.check_run("nobody", Ends::Badly, run);
    assert!(!is_ours() || outcome.complaint().contains("refused"));
    let run = rig.pull_of("http://nobody.invalid/d.raw", "--verify=no");
    let outcome = run.outcome();
    assert_eq!(outcome.status, 1);
    assert!(!is_ours() || outcome.complaint().contains("nobody.invalid"));
}
