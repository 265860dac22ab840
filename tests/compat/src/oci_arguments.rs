//! `systemd-pull oci`: what its command line takes, before there is any network.

use crate::subject::{Work, is_ours};

/// Runs a line that cannot be; what was said.
fn refused(work: &Work, line: &[&str]) -> String {
    let outcome = work.run("systemd-pull").args(line).fail_somehow();
    assert_eq!(work.images(), [""; 0], "{line:?}");
    outcome.stderr
}

#[test]
fn references_and_names_that_cannot_be_are_refused() {
    let Some(work) = Work::new() else { return };
    for reference in [
        "",
        "A",
        "a//b",
        "/a",
        "a/",
        "http://h/a",
        "a:b:c",
        "h:0/a:x",
        "h.example/a:",
        "a@sha256:00",
    ] {
        let said = refused(&work, &["oci", reference]);
        assert!(said.contains("is invalid"), "{reference}: {said}");
    }
    for name in ["a/b", "..", ".#x", "a\u{1}"] {
        let said = refused(&work, &["oci", "127.0.0.1:1/a:x", name]);
        assert!(said.contains("not valid"), "{name}: {said}");
    }
    for line in [&["oci"][..], &["oci", "a", "b", "c"]] {
        refused(&work, line);
    }
}

#[test]
fn options_that_are_wrong_or_make_no_sense_are_refused() {
    let Some(work) = Work::new() else { return };
    for (option, word) in [
        ("--verify=maybe", "maybe"),
        ("--keep-download=maybe", "--keep-download="),
        ("--offset=3", "--direct"),
        ("--class=maybe", "--class="),
        ("--size-max=maybe", "--size-max="),
        ("--direct", ""),
    ] {
        let said = refused(&work, &[option, "oci", "127.0.0.1:1/a:x", "n"]);
        assert!(said.contains(word), "{option}: {said}");
    }
}

#[test]
fn ours_are_for_this_verb_and_a_proof_that_cannot_be_had_is_refused() {
    let Some(work) = Work::new().filter(|_| is_ours()) else {
        return;
    };
    for (line, word) in [
        (&["--flat", "tar", "http://127.0.0.1:1/x"][..], "verb oci"),
        (&["--reset", "clean"], "verb oci"),
        (&["--reset", "oci", "a"], "--force"),
        (&["--arch=../x", "oci", "a"], "--arch="),
        (&["--mirror=http://m/", "oci", "a"], "--mirror="),
        (&["--verify=signature", "oci", "a"], "Signatures"),
        (&["oci", "a", "-"], "pristine"),
        (&["oci", "a", ""], "pristine"),
        (&["oci", "h.example/-a"], "derive"),
    ] {
        let said = refused(&work, line);
        assert!(said.contains(word), "{line:?}: {said}");
    }
}
