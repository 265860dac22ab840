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

#[test]
fn every_old_verb_reaches_the_service() {
    let Some(bus) = Bus::start() else { return };
    let service = Service::start(&bus.address, done);
    let folder = bus.folder.path().to_str().unwrap();
    let file = format!("{folder}/a.tar");
    File::create(&file).unwrap();
    let [read, tree] = [format!("r:{file}"), format!("d:{folder}")];
    let url = "http://h/a.tar.xz";
    for (options, verb, method, arguments) in [
        (
            "",
            vec!["pull-tar", url],
            "PullTarEx",
            vec![url, "a", "machine", "signature", "4"],
        ),
        (
            "--force --quiet",
            vec!["pull-raw", url, "b"],
            "PullRawEx",
            vec![url, "b", "machine", "signature", "5"],
        ),
        (
            "",
            vec!["import-tar", &file],
            "ImportTarEx",
            vec![&read, "a", "machine", "0"],
        ),
        (
            "--read-only --force",
            vec!["import-raw", &file, "c"],
            "ImportRawEx",
            vec![&read, "c", "machine", "3"],
        ),
        (
            "--no-ask-password",
            vec!["import-fs", folder, "d"],
            "ImportFileSystemEx",
            vec![&tree, "d", "machine", "0"],
        ),
        (
            "",
            vec!["cancel-transfer", "7"],
            "CancelTransfer",
            vec!["7"],
        ),
        (
            "--no-pager --no-legend",
            vec!["list-transfers"],
            "ListTransfersEx",
            vec!["machine", "0"],
        ),
    ] {
        let mut words = vec!["--class=machine"];
        words.extend(options.split_whitespace());
        words.extend(["--verify", "signature"]);
        words.extend(&verb);
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), ""),
            "{words:?}: {ran:?}"
        );
        let asked = service.asked();
        assert_eq!(
            (asked[0].method.as_str(), asked.len()),
            (method, 1),
            "{words:?}"
        );
        assert_eq!(asked[0].arguments, arguments, "{words:?}");
        assert_eq!(asked[0].interactive, !words.contains(&"--no-ask-password"));
        assert!(
            !words.contains(&"--quiet") || ran.stderr.is_empty(),
            "{ran:?}"
        );
    }
    let out = format!("{folder}/out");
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
            &out,
        ];
        assert_eq!(run(&mut importctl(&bus.address, &words)).code, Some(0));
        let asked = service.asked();
        assert_eq!(asked[0].method, method);
        let arguments: Vec<&String> = asked[0].arguments.iter().collect();
        assert_eq!(
            (arguments[0].as_str(), arguments[3].as_str()),
            ("a", format)
        );
    }
}
