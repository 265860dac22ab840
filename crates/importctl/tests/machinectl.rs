//! The command lines that machinectl of systemd 257 and later makes of its old verbs.

use crate::bus::Bus;
use crate::program::{importctl, run};
use crate::service::{Service, Step};
use std::fs::File;

fn done(method: &str) -> Vec<Step> {
    match method {
        "CancelTransfer" => vec![Step::Empty],
        "ListTransfersEx" => vec![Step::Transfers(Vec::new())],
        _ => vec![Step::Started, Step::Removed(1, "done")],
    }
}

/// Options, the verb with its arguments, the method that they become, and its arguments. `FILE` and
/// `FOLDER` stand for a file and a folder.
const VERBS: [(&str, &str, &str, &str); 7] = [
    (
        "",
        "pull-tar http://h/a.tar.xz",
        "PullTarEx",
        "http://h/a.tar.xz a machine signature 4",
    ),
    (
        "--force --quiet",
        "pull-raw http://h/a.raw b",
        "PullRawEx",
        "http://h/a.raw b machine signature 5",
    ),
    ("", "import-tar FILE", "ImportTarEx", "r:FILE a machine 0"),
    (
        "--read-only --force",
        "import-raw FILE c",
        "ImportRawEx",
        "r:FILE c machine 3",
    ),
    (
        "--no-ask-password",
        "import-fs FOLDER d",
        "ImportFileSystemEx",
        "d:FOLDER d machine 0",
    ),
    ("", "cancel-transfer 7", "CancelTransfer", "7"),
    (
        "--no-pager --no-legend",
        "list-transfers",
        "ListTransfersEx",
        "machine 0",
    ),
];

#[test]
fn every_old_verb_reaches_the_service() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    let folder = bus.folder.path().to_str().unwrap();
    let file = format!("{folder}/a.tar");
    File::create(&file).unwrap();
    for (options, verb, method, arguments) in VERBS {
        let named = |text: &str| text.replace("FILE", &file).replace("FOLDER", folder);
        let line = named(&format!(
            "--class=machine {options} --verify signature {verb}"
        ));
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), ""),
            "{line}: {ran:?}"
        );
        let asked = service.asked();
        assert_eq!(
            (asked[0].method.as_str(), asked.len()),
            (method, 1),
            "{line}"
        );
        assert_eq!(asked[0].arguments.join(" "), named(arguments), "{line}");
        assert_eq!(asked[0].interactive, !options.contains("--no-ask-password"));
        assert!(
            !options.contains("--quiet") || ran.stderr.is_empty(),
            "{ran:?}"
        );
    }
}

#[test]
fn exports_are_packed_as_machinectl_was_told() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    let out = bus.folder.path().join("out");
    let out = out.to_str().unwrap();
    for (verb, method, format) in [
        ("export-tar", "ExportTarEx", "zstd"),
        ("export-raw", "ExportRawEx", "bzip2"),
    ] {
        let words = [
            "--class=machine",
            "--verify",
            "no",
            "--format",
            format,
            verb,
            "a",
            out,
        ];
        assert_eq!(run(&mut importctl(&bus.address, &words)).code, Some(0));
        let asked = service.asked();
        assert_eq!(asked[0].method, method);
        let arguments = &asked[0].arguments;
        assert_eq!(
            (arguments[0].as_str(), arguments[3].as_str()),
            ("a", format)
        );
    }
}
