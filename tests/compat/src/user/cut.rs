//! Cut short in the middle of a tree of several owners.

use super::person::{Person, USUAL};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin};
use std::time::{Duration, Instant};

/// How long anything may take. Only failures wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes at the end of the archive that do not come: more than is read ahead.
const HELD_BYTES: usize = 2 << 20;

/// Starts an import that has unpacked all of an archive but its end.
pub(super) fn unfinished(person: &Person) -> (Child, ChildStdin) {
    let (_, archive) = person.tree();
    let bytes = std::fs::read(archive).unwrap();
    let mut child = person.start("systemd-import", &["--user", "tar", "-", "x"]);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&bytes[..bytes.len() - HELD_BYTES]).unwrap();
    let end = Instant::now() + PATIENCE;
    while !is_growing(person) {
        assert!(Instant::now() < end, "nothing was unpacked");
        // There is no event for a file in a folder that is not there yet.
        std::thread::yield_now();
    }
    (child, pipe)
}

/// Whether a hidden tree has a folder of somebody else in it.
fn is_growing(person: &Person) -> bool {
    let names = person.machines();
    let mut trees = names.iter().map(|name| person.machine(name));
    trees.any(|tree| tree.join("etc/closed/in").exists())
}

#[test]
fn a_killed_import_is_swept_by_the_next() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (mut child, pipe) = unfinished(&person);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    drop(pipe);
    let left = person.machines();
    assert!(left.len() == 1 && left[0].starts_with(".#"), "{left:?}");
    let archive = person.home("tree.tar");
    let archive = archive.to_str().unwrap();
    let (_, said) = person.succeed("systemd-import", &["--user", "tar", archive, "y"]);
    assert!(said.contains("Removed 1 leftovers"), "{said}");
    assert_eq!(person.machines(), ["y"]);
}

#[test]
fn clean_removes_what_a_killed_import_left() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (mut child, pipe) = unfinished(&person);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    drop(pipe);
    assert_eq!(person.machines().len(), 1);
    person.succeed("systemd-pull", &["--user", "clean"]);
    assert_eq!(person.machines(), [""; 0]);
}

#[test]
fn a_cancelled_import_leaves_nothing() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (mut child, pipe) = unfinished(&person);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    drop(pipe);
    assert_eq!(person.machines(), [""; 0]);
}
