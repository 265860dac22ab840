//! systemd-import-fs: folders become trees.

use crate::make::{plain_tree, rich_tree};
use crate::subject::{Work, is_ours};
use crate::tree::{assert_same, describe};
use rustix::io::Errno;
use std::fs::File;

#[test]
fn a_folder_is_copied_by_path_and_by_descriptor() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    work.run("systemd-import-fs")
        .arg("run")
        .arg(&tree)
        .arg("a")
        .succeed();
    let folder = File::open(&tree).unwrap();
    work.run("systemd-import-fs")
        .args(["run", "-", "b"])
        .stdin(folder)
        .succeed();
    for name in ["a", "b"] {
        if is_ours() {
            assert_same(&tree, &work.image(name));
        } else {
            // It fills holes and forgets the top folder's own metadata.
            let (before, after) = (describe(&tree), describe(&work.image(name)));
            assert_eq!(
                before.keys().collect::<Vec<_>>(),
                after.keys().collect::<Vec<_>>()
            );
            assert_eq!(before["\"empty\""], after["\"empty\""]);
        }
    }
}

#[test]
fn everything_a_tree_can_hold_is_copied() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: docs/differences.md lists what it loses");
        return;
    }
    let tree = rich_tree(&work);
    work.run("systemd-import-fs")
        .arg("run")
        .arg(&tree)
        .arg("t")
        .succeed();
    assert_same(&tree, &work.image("t"));
}

#[test]
fn what_is_no_folder_is_refused() {
    let Some(work) = Work::new() else { return };
    let file = crate::make::file(&work.path("f"), "x");
    work.run("systemd-import-fs")
        .arg("run")
        .arg(&file)
        .arg("t")
        .fail(Errno::NOTDIR);
    let missing = work.path("missing");
    work.run("systemd-import-fs")
        .arg("run")
        .arg(&missing)
        .arg("t")
        .fail(Errno::NOENT);
    assert_eq!(work.images(), [""; 0]);
}
