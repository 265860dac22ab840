//! What workers tell beside the percentage: bytes, phases, retries, and why they fail.

use crate::make::{archive, file, plain_tree};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Outcome, Work, is_ours};
use std::collections::BTreeSet;

/// The values of a key, in order, each as often as it changed.
fn told<'a>(outcome: &'a Outcome, key: &str) -> Vec<&'a str> {
    let lines = outcome.notes.iter();
    let mut values: Vec<&str> = lines
        .filter_map(|note| note.strip_prefix(key)?.strip_prefix('='))
        .collect();
    values.dedup();
    values
}

fn last<'a>(outcome: &'a Outcome, key: &str) -> &'a str {
    told(outcome, key).last().copied().unwrap_or_default()
}

fn work() -> Option<Work> {
    if !is_ours() {
        println!("skipped: the original tells the percentage only");
        return None;
    }
    Work::new()
}

#[test]
fn a_pull_tells_its_phases_its_bytes_and_its_retries() {
    let Some(work) = work() else { return };
    let body = vec![7u8; 3_000_000];
    let server = Server::start();
    let cut = Answer::ok(body.clone())
        .etag("\"a\"")
        .fault(Fault::CutAfter(1_000_000));
    let rest = Answer::ok(body.clone()).etag("\"a\"");
    server.put_sequence("/d.raw", vec![cut, rest]);
    let pull = work.run("systemd-pull").args(["raw", "--verify=no"]);
    let outcome = pull.args([&server.url("/d.raw"), "d"]).succeed();
    let phases = told(&outcome, "X_IMPORTD_PHASE");
    let expected = [
        "checking",
        "downloading",
        "waiting",
        "downloading",
        "verifying",
        "installing",
    ];
    assert_eq!(phases, expected, "{:?}", outcome.notes);
    assert_eq!(told(&outcome, "X_IMPORTD_RETRIES"), ["0", "1"]);
    for key in ["X_IMPORTD_BYTES", "X_IMPORTD_TOTAL"] {
        assert_eq!(last(&outcome, key), "3000000", "{key}");
    }
    assert_eq!(last(&outcome, "X_IMPORT_PROGRESS"), "100%");
}

#[test]
fn imports_and_exports_tell_theirs() {
    let Some(work) = work() else { return };
    let tree = plain_tree(&work);
    let bytes = archive(&tree);
    let length = bytes.len().to_string();
    let source = file(&work.path("t.tar"), bytes);
    let outcome = work.run("systemd-import").arg("tar").arg(&source).succeed();
    assert_eq!(told(&outcome, "X_IMPORTD_PHASE"), ["reading", "installing"]);
    assert_eq!(last(&outcome, "X_IMPORTD_TOTAL"), length);
    assert_eq!(last(&outcome, "X_IMPORTD_BYTES"), length);
    let outcome = work.run("systemd-import-fs").arg("run").arg(&tree);
    let outcome = outcome.arg("copied").succeed();
    assert_eq!(told(&outcome, "X_IMPORTD_PHASE"), ["reading", "installing"]);
    let disk = file(&work.path("d.raw"), vec![3; 2_000_000]);
    work.run("systemd-import").arg("raw").arg(&disk).succeed();
    let image = work.image("d.raw");
    let outcome = work.run("systemd-export").arg("raw").arg(&image);
    let outcome = outcome.arg(work.path("d.raw.gz")).succeed();
    assert_eq!(told(&outcome, "X_IMPORTD_PHASE"), ["writing"]);
    assert_eq!(last(&outcome, "X_IMPORTD_TOTAL"), "2000000");
    assert_eq!(last(&outcome, "X_IMPORTD_BYTES"), "2000000");
}

#[test]
fn a_failure_says_why_in_one_line_and_one_word() {
    let Some(work) = work() else { return };
    let source = file(&work.path("t.tar.gz"), b"\x1f\x8bno archive");
    let import = work.run("systemd-import").arg("tar").arg(&source);
    let outcome = import.outcome();
    let reason = last(&outcome, "X_IMPORTD_REASON");
    assert!(!reason.is_empty(), "{:?}", outcome.notes);
    assert!(
        outcome.stderr.contains(reason),
        "{reason}: {}",
        outcome.stderr
    );
    assert_eq!(last(&outcome, "X_IMPORTD_KIND"), "corrupt");
    let server = Server::start();
    let pull = work.run("systemd-pull").args(["raw", "--verify=no"]);
    let outcome = pull.args([&server.url("/missing.raw"), "d"]).outcome();
    assert_eq!(last(&outcome, "X_IMPORTD_KIND"), "http-not-found");
    // Nobody mistakes a line of ours for one of the original's.
    let keys: BTreeSet<&str> = outcome
        .notes
        .iter()
        .filter_map(|note| Some(note.split_once('=')?.0))
        .collect();
    let known = [
        "ERRNO",
        "EXIT_STATUS",
        "X_IMPORTD_BYTES",
        "X_IMPORTD_KIND",
        "X_IMPORTD_PHASE",
        "X_IMPORTD_REASON",
        "X_IMPORTD_RETRIES",
        "X_IMPORT_PROGRESS",
    ];
    assert!(keys.iter().all(|key| known.contains(key)), "{keys:?}");
}
