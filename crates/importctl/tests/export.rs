//! Where exports by the service end up.

use crate::bus::Bus;
use crate::program::{importctl, run, run_and_signal};
use crate::service::{Service, Step};
use std::fs;
use std::path::{Path, PathBuf};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// An empty folder for targets, and the file in it.
fn target(bus: &Bus) -> (PathBuf, PathBuf) {
    let folder = bus.folder.path().join("out");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("a.tar");
    (folder, file)
}

#[test]
fn a_finished_export_gets_its_name_and_a_failed_one_leaves_nothing() {
    let Some(bus) = Bus::start() else { return };
    let (folder, file) = target(&bus);
    let words = ["-m", "export-tar", "a", file.to_str().unwrap()];
    for (outcome, code) in [("failed", 1), ("canceled", 1), ("done", 0)] {
        let _service = Service::start(&bus.address, move |_| {
            vec![
                Step::Started,
                Step::Write("bytes"),
                Step::Removed(1, outcome),
            ]
        });
        let ran = run(&mut importctl(&bus.address, &words));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let expected = if code == 0 { vec!["a.tar"] } else { vec![] };
        assert_eq!(names(&folder), expected, "{outcome}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "bytes");
}

#[test]
fn a_refused_export_does_not_touch_the_file() {
    let Some(bus) = Bus::start() else { return };
    let (folder, file) = target(&bus);
    let first = Service::start(&bus.address, |_| {
        vec![Step::Started, Step::Write("old"), Step::Removed(1, "done")]
    });
    let words = ["-m", "export-tar", "a", file.to_str().unwrap()];
    assert_eq!(run(&mut importctl(&bus.address, &words)).code, Some(0));
    drop(first);
    let _service = Service::start(&bus.address, |_| {
        vec![Step::Refuse(
            "org.freedesktop.DBus.Error.AccessDenied",
            "Permission denied",
        )]
    });
    let ran = run(&mut importctl(&bus.address, &words));
    let message = "Failed to transfer image: Permission denied (root may do it, ";
    assert!(ran.stderr.starts_with(message), "{}", ran.stderr);
    assert_eq!(names(&folder), ["a.tar"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
}

#[test]
fn an_interrupted_export_goes_on_under_its_name() {
    let Some(bus) = Bus::start() else { return };
    let (folder, file) = target(&bus);
    let _service = Service::start(&bus.address, |_| {
        vec![
            Step::Started,
            Step::Write("so far"),
            Step::Log(1, 29, "begun".into()),
        ]
    });
    let words = ["-m", "export-tar", "a", file.to_str().unwrap()];
    let mut command = importctl(&bus.address, &words);
    let ran = run_and_signal(&mut command, "begun\n", "INT");
    assert_eq!(ran.code, Some(1));
    assert_eq!(names(&folder), ["a.tar"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "so far");
}

#[test]
fn without_a_file_standard_output_is_written() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, |_| {
        vec![
            Step::Started,
            Step::Write("bytes"),
            Step::Removed(1, "done"),
        ]
    });
    for words in [
        ["-m", "export-raw", "a"].as_slice(),
        &["-m", "export-raw", "a", "-"],
    ] {
        let ran = run(&mut importctl(&bus.address, words));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "bytes"));
    }
}
