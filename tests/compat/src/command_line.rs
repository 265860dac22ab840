//! What the workers say of their own command lines.

use crate::subject::{Work, is_ours};
use serde_json::Value;
use std::collections::BTreeMap;

/// Options of all workers that take nothing, and those that take a value.
const COMMON: [&str; 5] = [
    "--help",
    "--version",
    "--system",
    "--user",
    "--introspect-cli",
];
const IMPORT: [&str; 6] = [
    "--class=",
    "--image-root=",
    "--btrfs-subvol=",
    "--btrfs-quota=",
    "--sync=",
    "--force",
];
const DISK: [&str; 3] = ["--convert-qcow2=", "--offset=", "--size-max="];
const PULL: [&str; 6] = [
    "--verify=",
    "--settings=",
    "--roothash=",
    "--roothash-signature=",
    "--verity=",
    "--keep-download=",
];

/// What a program prints, whole and as names of options with `=` where a value is taken.
fn described(work: &Work, program: &str) -> (Value, BTreeMap<String, Value>) {
    let run = work.run(program).arg("--introspect-cli").succeed();
    let text = String::from_utf8(run.stdout).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    let whole: Value = serde_json::from_str(&text).unwrap();
    let command = whole["commands"][0].clone();
    let mut options = BTreeMap::new();
    for option in command["options"].as_array().unwrap() {
        let takes = option["argument"] == "required_argument";
        assert_eq!(takes, option["metavar"].is_string(), "{option}");
        for name in option["names"].as_array().unwrap() {
            let mark = if takes { "=" } else { "" };
            options.insert(format!("{}{mark}", name.as_str().unwrap()), option.clone());
        }
    }
    (whole, options)
}

#[test]
fn every_worker_describes_its_options_and_verbs() {
    let Some(work) = Work::new() else { return };
    for (program, verbs, lists) in [
        (
            "systemd-import",
            &["tar", "raw"][..],
            &[&COMMON[..], &IMPORT, &DISK, &["--direct", "--read-only"]][..],
        ),
        (
            "systemd-import-fs",
            &["run"],
            &[&COMMON, &IMPORT, &["--direct", "--read-only"]],
        ),
        (
            "systemd-export",
            &["tar", "raw"],
            &[&COMMON, &["--class=", "--format="]],
        ),
        (
            "systemd-pull",
            &["tar", "raw", "oci"],
            &[&COMMON, &IMPORT, &DISK, &PULL, &["--direct", "--read-only"]],
        ),
    ] {
        let (whole, options) = described(&work, program);
        let kind = "application/vnd.io.systemd.cli-introspection-0";
        assert_eq!(whole["mediaType"], kind);
        let command = &whole["commands"][0];
        assert_eq!(command["names"], serde_json::json!([program]));
        assert_eq!(command["project"], "systemd");
        assert!(command["version"].is_string() && command["features"].is_array());
        for option in lists.iter().copied().flatten() {
            assert!(options.contains_key(*option), "{program} {option}");
        }
        assert!(options["--introspect-cli"]["help"].is_null(), "{program}");
        for verb in verbs {
            let all = command["verbs"].as_array().unwrap();
            let found = all.iter().find(|one| one["names"][0] == *verb).unwrap();
            assert_eq!(
                (&found["minArguments"], &found["maxArguments"]),
                (&2.into(), &3.into())
            );
            assert!(found["abstract"][0].is_string());
        }
    }
}

#[test]
fn the_verb_that_explains_is_described() {
    let Some(work) = Work::new().filter(|_| is_ours()) else {
        return;
    };
    let (whole, options) = described(&work, "systemd-pull");
    let verbs = whole["commands"][0]["verbs"].as_array().unwrap();
    assert!(verbs.iter().any(|verb| verb["names"][0] == "verify"));
    assert!(options.contains_key("--json="));
}

#[test]
fn help_and_version_go_to_standard_output_and_report_nothing() {
    let Some(work) = Work::new() else { return };
    for program in [
        "systemd-import",
        "systemd-import-fs",
        "systemd-export",
        "systemd-pull",
    ] {
        for word in ["--help", "-h", "help", "--version"] {
            let run = work.run(program).arg(word).succeed();
            assert!(
                !run.stdout.is_empty() && run.stderr.is_empty(),
                "{program} {word}"
            );
            assert!(
                !is_ours() || run.notes.is_empty(),
                "{program} {word}: {:?}",
                run.notes
            );
            let text = String::from_utf8(run.stdout).unwrap();
            assert_eq!(
                word == "--version",
                text.starts_with("systemd 262 ("),
                "{text}"
            );
            let is_help = word != "--version";
            assert!(!is_help || text.contains("--class"), "{program}: {text}");
        }
    }
}
