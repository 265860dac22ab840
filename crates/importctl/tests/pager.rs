//! The pager, on a terminal that script(1) plays.

use crate::bus::Bus;
use crate::service::{ImageRow, Service, Step};
use crate::terminal::{Terminal, on_terminal_with};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A folder in which `pager`, `less` and `mine` say who they are and how they were called.
fn pagers() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pager", "less", "mine"] {
        let path = folder.path().join(name);
        let text = b"#!/bin/sh\necho \"<${0##*/} $* LESS=$LESS SECURE=$LESSSECURE>\"\n\
                     sed 's/^/>/'\necho \"<end>\"\n";
        File::create(&path).unwrap().write_all(text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn images(_: &str) -> Vec<Step> {
    let [class, name, kind, path] = ["machine", "a", "raw", "/a"].map(String::from);
    let row: ImageRow = (class, name, kind, path, true, [0; 6]);
    vec![Step::Images(vec![row])]
}

fn shown(bus: &Bus, line: &str, variables: &[(&str, &str)]) -> Option<String> {
    let folder = pagers();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let mut all = vec![("PATH", path.as_str())];
    all.extend(variables);
    let Terminal { code, text } = on_terminal_with(&bus.address, line, &all)?;
    assert_eq!(code, Some(0), "{text:?}");
    Some(text.replace('\r', ""))
}

#[test]
fn lists_and_the_help_go_through_the_pager_that_is_asked_for() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, images);
    let insecure = ("SYSTEMD_PAGERSECURE", "0");
    for (line, variables, first) in [
        (
            "list-images",
            [insecure].as_slice(),
            "<pager  LESS=FRSXMK SECURE=>",
        ),
        ("--help", &[insecure], "<pager  LESS=FRSXMK SECURE=>"),
        (
            "help",
            &[insecure, ("PAGER", "mine -x")],
            "<mine -x LESS=FRSXMK SECURE=>",
        ),
        (
            "list-images",
            &[
                insecure,
                ("PAGER", "less"),
                ("SYSTEMD_PAGER", "mine"),
                ("SYSTEMD_LESS", "R"),
            ],
            "<mine  LESS=R SECURE=>",
        ),
        // Through sudo nothing is started that could start other things.
        (
            "list-images",
            &[("SUDO_UID", "1000"), ("SYSTEMD_PAGER", "mine")],
            "<less  LESS=FRSXMK SECURE=1>",
        ),
        (
            "--json=pretty list-images",
            &[insecure],
            "<pager  LESS=FRSXMK SECURE=>",
        ),
    ] {
        let Some(text) = shown(&bus, line, variables) else {
            return;
        };
        assert_eq!(text.lines().next(), Some(first), "{line}: {text}");
        assert_eq!(text.lines().last(), Some("<end>"), "{line}: {text}");
        assert!(
            text.lines().nth(1).unwrap().starts_with('>'),
            "{line}: {text}"
        );
    }
}

#[test]
fn there_is_no_pager_where_none_is_wanted() {
    let Some(bus) = Bus::start() else { return };
    let _service = Service::start(&bus.address, images);
    for (line, variables) in [
        ("--no-pager list-images", [].as_slice()),
        ("--no-pager --help", &[]),
        ("--json=short list-images", &[]),
        ("list-images", &[("SYSTEMD_PAGER", "")]),
        ("list-images", &[("PAGER", "cat")]),
        ("list-images", &[("TERM", "dumb")]),
        ("list-images | cat", &[]),
    ] {
        let Some(text) = shown(&bus, line, variables) else {
            return;
        };
        assert!(
            !text.contains("LESS=") && !text.is_empty(),
            "{line}: {text}"
        );
    }
}

#[test]
fn a_pager_that_reads_little_is_no_failure() {
    let Some(bus) = Bus::start() else { return };
    let variables = [("SYSTEMD_PAGERSECURE", "0"), ("SYSTEMD_PAGER", "head -n 1")];
    let Some(text) = shown(&bus, "--help", &variables) else {
        return;
    };
    assert_eq!(text, "Usage: importctl [OPTION…] COMMAND …\n");
}
