//! Redirects: long chains, loops, other hosts, and bait.

use super::{Ends, Rig};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, is_ours};

/// A chain of so many redirects to the image.
fn chain(rig: &Rig, length: usize) {
    for step in 0..length {
        let path = match step {
            0 => Rig::PATH.to_owned(),
            step => format!("/step/{step}"),
        };
        let next = match step + 1 == length {
            true => "/real".to_owned(),
            false => format!("/step/{}", step + 1),
        };
        rig.server.put(&path, Answer::redirect(302, &next));
    }
    rig.server.put("/real", rig.good());
}

#[test]
fn thirty_are_followed_and_no_more() {
    let Some(rig) = Rig::new() else { return };
    for (length, ends) in [(1, Ends::Well), (30, Ends::Well), (31, Ends::Badly)] {
        rig.clear();
        chain(&rig, length);
        rig.check_run(&length.to_string(), ends, rig.pull());
    }
    let before = rig.server.seen().asked(Rig::PATH);
    let around = Answer::redirect(301, Rig::PATH);
    let outcome = rig.check("loop", Ends::Badly, vec![around]);
    let asked = rig.server.seen().asked(Rig::PATH) - before;
    assert!(asked <= 31, "{asked}: {}", outcome.stderr);
}

#[test]
fn what_is_no_address_is_not_followed() {
    let Some(rig) = Rig::new() else { return };
    for (to, ends) in [
        ("file:///etc/passwd", Ends::Badly),
        ("ftp://127.0.0.1/d.raw", Ends::Badly),
        ("javascript:alert(1)", Ends::Badly),
        ("data:text/plain,x", Ends::Badly),
        ("//", Ends::Badly),
        ("http://", Ends::Badly),
        ("http://[::1", Ends::Badly),
        ("http://127.0.0.1:99999/", Ends::Badly),
        // To the address itself.
        ("", Ends::Badly),
        ("?other", Ends::Badly),
    ] {
        let outcome = rig.check(to, ends, vec![Answer::redirect(302, to)]);
        assert!(!outcome.stderr.contains("root:"), "{to}");
    }
    let nowhere = Answer::status(302, "no Location");
    rig.check("nowhere", Ends::BadlyForUs, vec![nowhere]);
}

#[test]
fn from_encryption_to_none_is_refused() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it follows, and knows no other authorities");
    }
    let authority = work.path("authority.pem");
    let rig = Rig::on(work, Server::start_tls(&authority));
    let plain = Server::start();
    plain.put("/plain", rig.good());
    let to = Answer::redirect(302, &plain.url("/plain"));
    rig.server.put(Rig::PATH, to);
    let run = rig.pull().env("SSL_CERT_FILE", &authority);
    let outcome = rig.check_run("downgrade", Ends::Badly, run);
    let line = outcome.complaint();
    assert!(line.contains("encryption"), "{line}");
    assert_eq!(plain.seen().connections, 0);
}

#[test]
fn no_password_reaches_another_host_and_no_bait_is_taken() {
    let Some(rig) = Rig::new() else { return };
    let other = Server::start();
    other.put("/moved", rig.good());
    let bait = other.url("/moved").replacen("://", "://evil:b41t@", 1);
    for to in [other.url("/moved"), bait] {
        let outcome = rig.check(&to, Ends::Well, vec![Answer::redirect(302, &to)]);
        assert!(
            !is_ours() || !outcome.stderr.contains("b41t"),
            "{}",
            outcome.stderr
        );
    }
    let bad = other.url("/gone").replacen("://", "://evil:b41t@", 1);
    let outcome = rig.check("gone", Ends::Badly, vec![Answer::redirect(302, &bad)]);
    assert!(
        !is_ours() || !outcome.stderr.contains("b41t"),
        "{}",
        outcome.stderr
    );
    for request in other.requests() {
        let header = request.header("authorization");
        assert!(!is_ours() || header.is_none(), "{request:?}");
        assert_eq!(request.header("referer"), None);
        assert_eq!(request.header("cookie"), None);
    }
}

#[test]
fn what_breaks_behind_a_redirect_goes_on() {
    let Some(rig) = Rig::new() else { return };
    let other = Server::start();
    let cut = || rig.good().fault(Fault::CutAfter(1_000_000));
    other.put_sequence("/moved", vec![cut(), rig.good()]);
    let there = || Answer::redirect(302, &other.url("/moved"));
    rig.check("once more", Ends::WellForUs, vec![there()]);
    let served = other.seen().bytes_of("/moved");
    assert!(!is_ours() || served <= 3_300_000, "{served}");
    // The place that it led to is gone: the address itself is asked again.
    other.put_sequence("/moved", vec![cut(), Answer::status(404, "gone")]);
    rig.check("gone", Ends::WellForUs, vec![there(), rig.good()]);
    // Another place has another version.
    let another = Answer::shared(&rig.other()).etag("\"two\"");
    other.put_sequence("/moved", vec![cut(), Answer::status(404, "gone")]);
    rig.server
        .put_sequence(Rig::PATH, vec![there(), another.clone()]);
    rig.clear();
    let outcome = rig.pull().outcome();
    rig.check_outcome("another", &outcome, &[&rig.body, &another.body]);
}
