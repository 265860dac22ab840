//! Bodies that are cut, stall, trickle, lie about their length, or never end.

use super::{Ends, Rig};
use crate::make::packed;
use crate::server::{Answer, Fault};
use crate::subject::is_ours;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn after_one_cut_the_rest_is_fetched_and_no_byte_twice() {
    let size = 3_000_000;
    for at in [0, 1, 700_000, size / 2, size - 1] {
        for fault in [Fault::CutAfter(at), Fault::ResetAfter(at)] {
            let Some(rig) = Rig::new() else { return };
            let what = format!("{fault:?}");
            assert_eq!(rig.body.len(), size);
            let answers = vec![rig.good().fault(fault), rig.good()];
            rig.check(&what, Ends::WellForUs, answers);
            // A reset takes with it what was not read yet.
            if fault == Fault::CutAfter(at) {
                rig.check_thrift(&what);
            }
            if is_ours() && at == size / 2 && fault == Fault::CutAfter(at) {
                let requests = rig.server.requests();
                let mut again = requests.iter().filter(|one| one.header("range").is_some());
                let request = again.next().unwrap();
                let range = format!("bytes={at}-");
                assert_eq!(request.header("range"), Some(range.as_str()));
                assert_eq!(request.header("if-range"), Some(Rig::ETAG));
            }
        }
    }
}

#[test]
fn ten_cuts_cost_no_byte_twice_either() {
    let Some(rig) = Rig::new() else { return };
    let each = rig.body.len() / 10 + 1;
    let answer = rig.good().fault(Fault::CutAfter(each));
    rig.check("ten cuts", Ends::WellForUs, vec![answer]);
    rig.check_thrift("ten cuts");
    assert!(!is_ours() || rig.server.seen().asked(Rig::PATH) == 10);
}

#[test]
fn a_connection_that_never_brings_more_is_given_up() {
    let Some(rig) = Rig::new() else { return };
    for at in [0, 100] {
        let answer = rig.good().fault(Fault::CutAfter(at));
        let before = rig.server.seen().asked(Rig::PATH);
        let outcome = rig.check(
            "cut",
            if at == 0 { Ends::Badly } else { Ends::Somehow },
            vec![answer],
        );
        let tries = rig.server.seen().asked(Rig::PATH) - before;
        if is_ours() && outcome.status == 1 {
            assert_eq!(tries, 3, "{}", outcome.stderr);
        }
    }
}

#[test]
fn what_stalls_is_fetched_over_another_connection() {
    let Some(rig) = Rig::new() else { return };
    if !is_ours() {
        return println!("skipped: it waits for a minute and gives up");
    }
    for fault in [Fault::StallAfter(1_000_000), Fault::StallHead] {
        let before = rig.server.seen().bytes_of(Rig::PATH);
        rig.check(
            &format!("{fault:?}"),
            Ends::Well,
            vec![rig.good().fault(fault), rig.good()],
        );
        let served = rig.server.seen().bytes_of(Rig::PATH) - before;
        assert!(served <= rig.body.len() as u64 * 11 / 10, "{served}");
    }
    let stalled = rig.good().fault(Fault::StallAfter(100));
    let outcome = rig.check("stalls for ever", Ends::Badly, vec![stalled]);
    let line = outcome.complaint();
    assert!(line.contains("sent nothing"), "{line}");
}

#[test]
fn what_is_slow_but_comes_is_waited_for() {
    let Some(rig) = Rig::new() else { return };
    let pause = Duration::from_millis(50);
    let drip = Fault::Drip {
        bytes: 100_000,
        every: pause,
    };
    for fault in [drip, Fault::Rate(4_000_000)] {
        rig.check(
            &format!("{fault:?}"),
            Ends::Well,
            vec![rig.good().fault(fault)],
        );
    }
}

#[test]
fn every_framing_is_read_to_its_end() {
    let Some(rig) = Rig::new() else { return };
    for fault in [Fault::None, Fault::Chunked, Fault::NoLength, Fault::Http10] {
        rig.check(
            &format!("{fault:?}"),
            Ends::Well,
            vec![rig.good().fault(fault)],
        );
    }
}

#[test]
fn what_comes_behind_the_body_changes_nothing() {
    let Some(rig) = Rig::new() else { return };
    // The original takes it for one more answer, and crashes at its ETag.
    let answer = rig.good().fault(Fault::ChunkedTrailers);
    rig.check("trailers", Ends::WellForUs, vec![answer]);
}

#[test]
fn broken_framings_are_never_the_end_of_an_image() {
    let Some(rig) = Rig::new() else { return };
    for fault in [
        Fault::ChunkedCutAfter(0),
        Fault::ChunkedCutAfter(1_000_000),
        Fault::ChunkedSize("zz"),
        Fault::ChunkedSize("-1"),
        Fault::ChunkedSize(""),
        Fault::ChunkedSize("ffffffffffffffff"),
        Fault::ChunkedSize("fffffffffffffffff"),
        Fault::Length("4000000"),
        Fault::Length("18446744073709551615"),
    ] {
        let broken = rig.good().fault(fault);
        let what = format!("{fault:?}");
        let ends = match fault {
            // More than the original can count is no length to it.
            Fault::Length("18446744073709551615") => Ends::BadlyForUs,
            _ => Ends::Badly,
        };
        rig.check(&what, ends, vec![broken.clone()]);
        // Once: the rest is there for who asks.
        let ends = match ends {
            Ends::Badly => Ends::WellForUs,
            _ => Ends::Well,
        };
        rig.check(&what, ends, vec![broken, rig.good()]);
    }
}

#[test]
fn a_length_that_is_none_is_refused_or_left_out() {
    let Some(rig) = Rig::new() else { return };
    for text in ["-5", "x", "99999999999999999999999", "3, 4", ""] {
        let answer = rig.good().fault(Fault::Length(text));
        rig.check(text, Ends::Somehow, vec![answer]);
    }
    // Two framings at once: what one reader takes for the body another takes for the next answer.
    let smuggled = rig
        .good()
        .fault(Fault::Chunked)
        .header("Content-Length", "5");
    rig.check("both framings", Ends::Somehow, vec![smuggled]);
    let twice = rig.good().header("Content-Length", "5");
    rig.check("two lengths", Ends::Somehow, vec![twice]);
}

#[test]
fn a_body_that_is_longer_or_shorter_than_it_should_be_proves_nothing() {
    let Some(rig) = Rig::new() else { return };
    let shorter = rig.good().fault(Fault::Length("2999999"));
    let mut longer = Answer::ok([&rig.body[..], b"x"].concat());
    longer = longer.etag(Rig::ETAG);
    for (what, answer) in [("shorter", shorter), ("longer", longer)] {
        rig.clear();
        rig.server.put(Rig::PATH, answer);
        let outcome = rig.check_run(what, Ends::Badly, rig.pull_proven(&rig.body));
        assert!(
            !is_ours() || outcome.notes.contains(&"ERRNO=74".into()),
            "{what}"
        );
    }
}

#[test]
fn an_endless_body_ends_at_the_limit() {
    let Some(rig) = Rig::new() else { return };
    let answer = rig.good().fault(Fault::Endless);
    rig.server.put(Rig::PATH, answer);
    let run = rig.pull().arg("--size-max=8M");
    let outcome = rig.check_run("endless", Ends::Badly, run);
    let is_clear = outcome.complaint().contains("--size-max=");
    assert!(!is_ours() || is_clear, "{}", outcome.stderr);
}

#[test]
fn a_packed_body_is_cut_and_goes_on_too() {
    let Some(rig) = Rig::new() else { return };
    for packer in [&["gzip", "-c"][..], &["zstd", "-qc"], &["xz", "-0c"]] {
        let body = Arc::new(packed(&rig.body, packer));
        // As a server that names what it did: the bytes say it themselves.
        let answer = || {
            let answer = Answer::shared(&body).etag(Rig::ETAG);
            answer.header("Content-Encoding", packer[0])
        };
        let half = Fault::CutAfter(body.len() / 2);
        rig.check(packer[0], Ends::Well, vec![answer()]);
        rig.check(
            packer[0],
            Ends::WellForUs,
            vec![answer().fault(half), answer()],
        );
    }
}
