//! Archives that readers read in different ways: ours reads what GNU tar and bsdtar agree about, or
//! refuses. Nothing outside of the image root ever changes.

use crate::make::{has, run};
use crate::subject::{Outcome, Work, is_ours};
use crate::tree::{Table, assert_equal, describe};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What ours does with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// Reads it, as the others do.
    Read,
    /// Refuses it with these words.
    Refuse(&'static str),
}

/// A test's folder with something outside the image root that must not change.
#[derive(Debug)]
pub(crate) struct Arena {
    work: Work,
    outside: Table,
}

impl Arena {
    pub(crate) fn new() -> Option<Self> {
        let work = Work::new()?;
        let outside = work.path("outside");
        std::fs::create_dir_all(outside.join("folder")).unwrap();
        crate::make::file(&outside.join("canary"), "untouched");
        crate::make::file(&outside.join("folder/canary"), "untouched");
        let outside = describe(&outside);
        Some(Self { work, outside })
    }

    pub(crate) fn outside(&self) -> String {
        self.work.path("outside").to_str().unwrap().to_owned()
    }

    pub(crate) fn import(&self, bytes: &[u8]) -> Outcome {
        let source = crate::make::file(&self.work.path("x.tar"), bytes);
        let import = self.work.run("systemd-import").args(["tar", "--force"]);
        let outcome = import.arg(source).arg("t").outcome();
        assert_equal(&self.outside, &describe(&self.work.path("outside")));
        outcome
    }

    /// The tree that a program unpacks; `None` if it fails.
    fn unpacked(&self, program: &str, arguments: &[&str], bytes: &[u8]) -> Option<Table> {
        let folder = self.work.path("unpacked");
        std::fs::create_dir_all(&folder).unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&folder)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // One that gives up early closes its end.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(bytes).unwrap_or(());
        drop(stdin);
        let succeeded = child.wait().unwrap().success();
        let found = succeeded.then(|| comparable(&folder));
        run("rm", &["-rf", "unpacked"], &self.work.path(""));
        found
    }

    pub(crate) fn check(&self, what: &str, must: Must, bytes: &[u8]) {
        let outcome = self.import(bytes);
        if !is_ours() {
            assert!(outcome.status < 2, "{what}: {}", outcome.stderr);
            return;
        }
        match must {
            Must::Refuse(words) => {
                assert_eq!(outcome.status, 1, "{what}: {}", outcome.stderr);
                let complaint = outcome.complaint();
                assert!(complaint.contains(words), "{what}: {complaint}");
                // What an earlier case left.
                let images = self.work.images();
                assert!(images.iter().all(|name| name == "t"), "{what}: {images:?}");
            }
            Must::Read => {
                assert_eq!(outcome.status, 0, "{what}: {}", outcome.stderr);
                let ours = comparable(&self.work.image("t"));
                for (program, arguments) in [
                    ("tar", &["-xpf", "-", "--numeric-owner"][..]),
                    ("bsdtar", &["-xpf", "-", "--numeric-owner"]),
                ] {
                    let theirs = self.unpacked(program, arguments, bytes);
                    let theirs = theirs.unwrap_or_else(|| panic!("{what}: {program} refuses"));
                    println!("{what}: {program}");
                    assert_equal(&ours, &theirs);
                }
            }
        }
    }
}

/// A tree without the times of folders, and without the top, which programs leave as it is.
fn comparable(folder: &Path) -> Table {
    let mut table = describe(folder);
    table.remove("\"\"");
    for inode in table.values_mut() {
        if inode["mode"].starts_with("40") {
            inode.remove("time");
        }
    }
    table
}

/// All cases, in one folder.
pub(crate) fn check_all(cases: Vec<(&str, Must, Vec<u8>)>) {
    if !(has("tar") && has("bsdtar")) {
        return;
    }
    let Some(arena) = Arena::new() else { return };
    for (what, must, bytes) in cases {
        arena.check(what, must, &bytes);
    }
}
