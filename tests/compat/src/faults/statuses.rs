//! Servers that cannot answer now, or never will.

use super::{Ends, Rig};
use crate::make::checksum_line;
use crate::server::Answer;
use crate::subject::is_ours;
use std::time::{Duration, Instant, SystemTime};

#[test]
fn what_passes_is_waited_for() {
    let Some(rig) = Rig::new() else { return };
    for status in [408, 429, 500, 502, 503, 504] {
        let answers = vec![Answer::status(status, "not now"), rig.good()];
        rig.check(&status.to_string(), Ends::WellForUs, answers);
    }
    let again = Answer::status(503, "not now").header("Retry-After", "1");
    let before = Instant::now();
    rig.check("seconds", Ends::WellForUs, vec![again, rig.good()]);
    assert!(!is_ours() || before.elapsed() >= Duration::from_secs(1));
    let soon = SystemTime::now() + Duration::from_secs(2);
    let soon = http_date(soon);
    let again = Answer::status(429, "not now").header("Retry-After", &soon);
    rig.check("a date", Ends::WellForUs, vec![again, rig.good()]);
    for text in ["0", "-5", "soon", "", "Sat, 03 Feb 2001 04:05:06 GMT"] {
        let again = Answer::status(503, "not now").header("Retry-After", text);
        rig.check(text, Ends::WellForUs, vec![again, rig.good()]);
    }
}

/// A time as HTTP writes it.
fn http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let at = format!("@{}", seconds.as_secs());
    let line = ["-u", "-d", &at, "+%a, %d %b %Y %H:%M:%S GMT"];
    let text = crate::make::run("date", &line, std::path::Path::new("/"));
    String::from_utf8(text).unwrap().trim().to_owned()
}

#[test]
fn nobody_waits_for_days() {
    let Some(rig) = Rig::new() else { return };
    for text in [
        "864000",
        "99999999999999999999999",
        "Fri, 03 Feb 2999 04:05:06 GMT",
    ] {
        let again = Answer::status(503, "not now").header("Retry-After", text);
        let before = Instant::now();
        let outcome = rig.check(text, Ends::Badly, vec![again]);
        let took = before.elapsed();
        assert!(took < Duration::from_secs(30), "{text}: {}", outcome.stderr);
    }
}

#[test]
fn what_does_not_pass_is_given_up_with_its_code() {
    let Some(rig) = Rig::new() else { return };
    for (status, tries) in [
        (400, 1),
        (401, 1),
        (403, 1),
        (404, 1),
        (405, 1),
        (410, 1),
        (416, 1),
        (451, 1),
        (501, 1),
        (505, 1),
        (500, 3),
        (503, 3),
        (429, 3),
    ] {
        let before = rig.server.seen().asked(Rig::PATH);
        let what = status.to_string();
        let outcome = rig.check(&what, Ends::Badly, vec![Answer::status(status, "no")]);
        let asked = rig.server.seen().asked(Rig::PATH) - before;
        assert_eq!(asked, if is_ours() { tries } else { 1 }, "{status}");
        let line = outcome.complaint();
        assert!(!is_ours() || line.contains(&what), "{line}");
    }
}

#[test]
fn the_text_of_an_error_is_not_the_image() {
    let Some(rig) = Rig::new() else { return };
    for status in [400, 404, 500] {
        let answer = Answer::shared(&rig.body).etag(Rig::ETAG);
        let answer = Answer { status, ..answer };
        rig.check(&status.to_string(), Ends::Badly, vec![answer]);
    }
}

#[test]
fn lists_are_waited_for_too() {
    let Some(rig) = Rig::new() else { return };
    let list = checksum_line(&rig.body, "d.raw");
    for status in [503, 429] {
        rig.clear();
        rig.server.put(Rig::PATH, rig.good());
        let answers = vec![Answer::status(status, "not now"), Answer::ok(list.clone())];
        rig.server.put_sequence("/SHA256SUMS", answers);
        let run = rig.pull_of(&rig.url(), "--verify=checksum");
        rig.check_run("list", Ends::WellForUs, run);
    }
    // One that is not there is not one that cannot be had: nothing weaker is taken for it.
    rig.clear();
    rig.server.put("/SHA256SUMS", Answer::ok(list));
    rig.server
        .put("/d.raw.sha256", Answer::status(500, "not now"));
    let run = rig.pull_of(&rig.url(), "--verify=checksum");
    rig.check_run("own list", Ends::BadlyForUs, run);
}
