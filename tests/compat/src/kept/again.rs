//! What tells that a download is here already.

use super::{contents, kept, only_kept, pull, pulled};
use crate::make::file;
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, is_ours};
use crate::tree::attributes;
use rustix::io::Errno;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// When a file was changed, long ago.
const LONG_AGO: &str = "Sat, 03 Feb 2001 04:05:06 GMT";

#[test]
fn an_unchanged_download_is_not_fetched_again_whatever_tells_that_it_is() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let weak = "W/\"weak\"";
    let long = format!("\"{}\"", "e".repeat(200));
    let plain = |body: &str| Answer::ok(body);
    // What the reference can use, and what it fails over.
    let cases: [(&str, Answer, bool); 9] = [
        ("strong", plain("strong one").etag("\"strong\""), true),
        ("weak", plain("weak one").etag(weak), true),
        (
            "blind",
            plain("blind one").etag("\"b\"").without_conditions(),
            true,
        ),
        ("unquoted", plain("unquoted one").etag("unquoted"), false),
        ("odd", plain("odd one").etag("\"a.b#c/d 'e'\""), true),
        ("long", plain("long one").etag(&long), false),
        (
            "dated",
            plain("dated one").header("Last-Modified", LONG_AGO),
            false,
        ),
        (
            "chunked",
            plain("chunked one").etag("\"c\"").fault(Fault::Chunked),
            true,
        ),
        ("moved", Answer::redirect(302, "/strong"), true),
    ];
    for (name, answer, theirs_too) in cases {
        if !theirs_too && !is_ours() {
            println!("{name}: skipped, the reference refuses its own kept download");
            continue;
        }
        let path = format!("/{name}");
        server.put(&path, answer);
        let url = server.url(&path);
        pulled(&work, &["--verify=no"], &url, name);
        let served = server.seen().bytes_of(&path);
        let again = format!("{name}-again");
        pulled(&work, &["--verify=no"], &url, &again);
        let (first, second) = (format!("{name}.raw"), format!("{again}.raw"));
        assert_eq!(contents(&work, &first), contents(&work, &second));
        let sent_again = server.seen().bytes_of(&path) - served;
        // Where no condition can be sent, the answer's head tells, and the body is not read.
        if !matches!(name, "blind" | "dated" | "moved") {
            assert_eq!(sent_again, 0, "{name}");
        }
        let mode = std::fs::metadata(work.image(&second)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o644, "{name}");
    }
    // "moved" keeps its own.
    let expected = if is_ours() { 9 } else { 6 };
    assert_eq!(kept(&work).len(), expected, "{:?}", kept(&work));
}

#[test]
fn a_long_address_is_found_again() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it never finds them");
        return;
    }
    let server = Server::start();
    let path = format!("/{}.raw", "x".repeat(230));
    let other = format!("/{}y.raw", "x".repeat(230));
    server.put(&path, Answer::ok("contents").etag("\"e\""));
    server.put(&other, Answer::ok("others").etag("\"e\""));
    pulled(&work, &["--verify=no"], &server.url(&path), "a");
    pulled(&work, &["--verify=no"], &server.url(&path), "b");
    pulled(&work, &["--verify=no"], &server.url(&other), "c");
    assert_eq!(server.seen().bytes_of(&path), 8);
    assert_eq!(
        (contents(&work, "b.raw"), contents(&work, "c.raw")),
        ("contents".into(), "others".into())
    );
}

#[test]
fn a_304_needs_no_etag_of_its_own() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it fails");
        return;
    }
    let server = Server::start();
    let first = Answer::ok("contents").etag("\"e\"");
    let unchanged = Answer::status(304, "").without_conditions();
    server.put_sequence("/d.raw", vec![first, unchanged]);
    pulled(&work, &["--verify=no"], &server.url("/d.raw"), "a");
    let outcome = pulled(&work, &["--verify=no"], &server.url("/d.raw"), "b");
    assert!(
        outcome.stderr.contains("kept download"),
        "{}",
        outcome.stderr
    );
    assert_eq!(contents(&work, "b.raw"), "contents");
    // Nothing was asked that 304 could answer.
    let url = server.url("/other.raw");
    server.put("/other.raw", Answer::status(304, "").without_conditions());
    assert_eq!(pull(&work, &["--verify=no"], &url, "c").status, 1);
}

#[test]
fn what_changed_is_fetched_and_older_versions_go() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let url = server.url("/d.raw");
    for (round, text) in ["first", "second", "third"].into_iter().enumerate() {
        let etag = format!("\"{text}\"");
        server.put("/d.raw", Answer::ok(text).etag(&etag));
        pulled(&work, &["--verify=no", "--force"], &url, "d");
        assert_eq!(contents(&work, "d.raw"), text);
        let expected = if is_ours() { 1 } else { round + 1 };
        assert_eq!(kept(&work).len(), expected, "{:?}", kept(&work));
    }
    if is_ours() {
        assert_eq!(contents(&work, &only_kept(&work)), "third");
    }
}

#[test]
fn a_local_file_is_read_again_only_if_it_changed() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: a second pull of a local file fails");
        return;
    }
    let source = file(&work.path("d.raw"), "contents");
    let url = format!("file://{}", source.display());
    let uses_kept = |name: &str| {
        let outcome = pulled(&work, &["--verify=no", "--force"], &url, name);
        outcome.stderr.contains("Found kept download")
    };
    assert!(!uses_kept("a"));
    assert!(uses_kept("b"));
    file(&source, "CONTENTS");
    assert!(!uses_kept("c"));
    assert_eq!(contents(&work, "c.raw"), "CONTENTS");
    assert_eq!(contents(&work, &only_kept(&work)), "CONTENTS");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&source, mode).unwrap();
    assert!(!uses_kept("d"), "its state changed");
    assert!(uses_kept("e"));
}

#[test]
fn the_limits_of_the_request_hold_for_what_is_kept() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it does not look");
        return;
    }
    let server = Server::start();
    server.put("/d.raw", Answer::ok(vec![b'x'; 9000]).etag("\"e\""));
    let url = server.url("/d.raw");
    pulled(&work, &["--verify=no"], &url, "a");
    let outcome = pull(&work, &["--verify=no", "--size-max=8K"], &url, "b");
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.complaint().contains("--size-max="),
        "{}",
        outcome.stderr
    );
    pulled(&work, &["--verify=no", "--size-max=9K"], &url, "b");
    // Kept as it was converted is not kept as it came.
    pulled(&work, &["--verify=no", "--convert-qcow2=no"], &url, "c");
    assert_eq!(server.seen().bytes_of("/d.raw"), 18_000 + 9000);
}

#[test]
fn a_taken_name_is_noticed_before_anything_is_asked() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: with an image root it is noticed at the end");
        return;
    }
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents"));
    let url = server.url("/d.raw");
    pulled(&work, &["--verify=no"], &url, "d");
    let asked = server.requests().len();
    let run = work
        .run("systemd-pull")
        .args(["--verify=no", "raw", &url, "d"]);
    run.fail(Errno::EXIST);
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn what_was_not_flushed_is_used_while_the_machine_runs() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it does not look");
        return;
    }
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents").etag("\"e\""));
    let url = server.url("/d.raw");
    pulled(&work, &["--verify=no", "--sync=no"], &url, "a");
    let noted = attributes(&work.image(only_kept(&work)));
    let record = String::from_utf8_lossy(&noted["user.importd.kept"]).into_owned();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(record.contains(boot.trim_end()), "{record}");
    let outcome = pulled(&work, &["--verify=no"], &url, "b");
    assert!(
        outcome.stderr.contains("Found kept download"),
        "{}",
        outcome.stderr
    );
}
