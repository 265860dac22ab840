//! Files that change between two requests: no image is ever made of two versions.

use super::{Ends, Rig};
use crate::server::{Answer, Fault, Ranges};
use crate::subject::is_ours;

const CUT: Fault = Fault::CutAfter(1_234_567);
const LONG_AGO: &str = "Sat, 03 Feb 2001 04:05:06 GMT";

/// Pulls a file that is another one after the first answer broke; what comes of it must be one of
/// both. Ours must end with one, unless told otherwise.
fn changes(rig: &Rig, what: &str, is_sure: bool, answers: Vec<Answer>) {
    rig.clear();
    let versions: Vec<_> = answers.iter().map(|it| it.body.clone()).collect();
    rig.server.put_sequence(Rig::PATH, answers);
    let outcome = rig.pull().outcome();
    let right: Vec<&[u8]> = versions.iter().map(|it| it.as_slice()).collect();
    let is_there = rig.check_outcome(what, &outcome, &right);
    let is_good = is_there == is_ours() || !is_sure;
    assert!(is_good, "{what}: {}", outcome.stderr);
}

#[test]
fn a_new_version_is_fetched_from_its_start() {
    let Some(rig) = Rig::new() else { return };
    let other = rig.other();
    let longer = [&rig.body[..], &other[..]].concat();
    for (what, new) in [
        ("same length", Answer::shared(&other)),
        ("longer", Answer::ok(longer)),
        ("shorter", Answer::ok(&other[..1_000_000])),
        ("empty", Answer::ok([])),
    ] {
        let new = new.etag("\"two\"");
        let answers = vec![rig.good().fault(CUT), new.clone()];
        changes(&rig, what, what != "empty", answers);
        // One that gives parts of it to everybody.
        let blind = new.ranges(Ranges::Blind);
        changes(
            &rig,
            what,
            what != "empty",
            vec![rig.good().fault(CUT), blind],
        );
    }
}

#[test]
fn versions_that_have_no_names_are_told_from_each_other() {
    let Some(rig) = Rig::new() else { return };
    let other = rig.other();
    for headers in [
        &[][..],
        &[("ETag", "W/\"one\"")],
        &[("ETag", "one")],
        &[("ETag", "\"")],
        &[("ETag", "")],
        &[("Last-Modified", "yesterday")],
        // Two versions within the second that the date means.
        &[("Last-Modified", LONG_AGO), ("Date", LONG_AGO)],
        &[("ETag", "W/\"one\""), ("Last-Modified", LONG_AGO)],
    ] {
        let with = |mut answer: Answer| {
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            answer
        };
        let what = format!("{headers:?}");
        let cut = || with(Answer::shared(&rig.body)).fault(CUT);
        let same = with(Answer::shared(&rig.body));
        changes(&rig, &what, true, vec![cut(), same]);
        let new = with(Answer::shared(&other));
        changes(&rig, &what, false, vec![cut(), new.clone()]);
        let whole = new.ranges(Ranges::Ignored);
        changes(&rig, &what, false, vec![cut(), whole]);
    }
}

#[test]
fn a_date_that_is_old_enough_is_a_name() {
    let Some(rig) = Rig::new() else { return };
    let dated = || {
        let answer = Answer::shared(&rig.body).header("Last-Modified", LONG_AGO);
        answer.header("Date", "Sun, 04 Feb 2001 04:05:06 GMT")
    };
    rig.check("dated", Ends::WellForUs, vec![dated().fault(CUT), dated()]);
    rig.check_thrift("dated");
    if is_ours() {
        let requests = rig.server.requests();
        let mut again = requests.iter().filter(|one| one.header("range").is_some());
        let request = again.next().unwrap();
        assert_eq!(request.header("if-range"), Some(LONG_AGO));
    }
    let newer = "Sat, 03 Feb 2001 05:05:06 GMT";
    let other = Answer::shared(&rig.other()).header("Last-Modified", newer);
    changes(&rig, "newer", true, vec![dated().fault(CUT), other]);
}

#[test]
fn a_server_that_gives_two_versions_one_name_does_not_get_past_the_digest() {
    let Some(rig) = Rig::new() else { return };
    let liar = Answer::shared(&rig.other()).etag(Rig::ETAG);
    for right in [rig.body.as_slice(), liar.body.as_slice()] {
        rig.clear();
        let answers = vec![rig.good().fault(CUT), liar.clone()];
        rig.server.put_sequence(Rig::PATH, answers);
        let outcome = rig.pull_proven(right).outcome();
        rig.check_outcome("liar", &outcome, &[right]);
    }
}

#[test]
fn a_length_that_changes_is_a_new_version() {
    let Some(rig) = Rig::new() else { return };
    let longer = [&rig.body[..], b"more"].concat();
    let longer = Answer::ok(longer).etag(Rig::ETAG);
    changes(&rig, "longer", false, vec![rig.good().fault(CUT), longer]);
}

#[test]
fn what_changes_with_every_request_is_given_up() {
    let Some(rig) = Rig::new() else { return };
    let answers = (0..60).map(|number| rig.good().etag(&format!("\"{number}\"")).fault(CUT));
    let mut answers: Vec<_> = answers.collect();
    for answer in &mut answers {
        answer.headers.remove(0);
    }
    rig.check("restless", Ends::Badly, answers);
}

#[test]
fn that_nothing_is_new_is_no_answer_to_who_has_nothing() {
    let Some(rig) = Rig::new() else { return };
    for status in [304, 206, 204, 205] {
        let answer = Answer::status(status, "").etag(Rig::ETAG);
        rig.check(&status.to_string(), Ends::BadlyForUs, vec![answer.clone()]);
        let cut = rig.good().fault(CUT);
        rig.check(&status.to_string(), Ends::Badly, vec![cut, answer]);
    }
}

#[test]
fn who_has_it_already_may_be_sent_it_again() {
    let Some(rig) = Rig::new() else { return };
    let pull = || {
        let run = rig.work.run("systemd-pull").args(["raw", "--verify=no"]);
        run.args(["--force", &rig.server.url(Rig::PATH), "d"])
    };
    pull().succeed();
    rig.server.put(Rig::PATH, rig.good().without_conditions());
    pull().succeed();
    let made = std::fs::read(rig.image()).unwrap();
    assert!(made == *rig.body);
}
