//! systemd-import tar: cpio archives become trees, too.

use crate::make::{file, has, plain_tree, run};
use crate::subject::{Work, is_ours};
use crate::tree::{assert_equal, describe};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

#[test]
fn the_new_form_holds_what_it_can_of_a_tree() {
    let Some(work) = Work::new() else { return };
    if !has("bsdtar") {
        return;
    }
    let tree = plain_tree(&work);
    // It has neither fractions of seconds nor those before 1970.
    let script = "find . -exec touch -hd '2001-02-03 04:05:06' {} +";
    run("sh", &["-c", script], &tree);
    let arguments = ["--format=newc", "--numeric-owner", "-cf", "-", "."];
    let source = file(&work.path("x.cpio"), run("bsdtar", &arguments, &tree));
    let import = work.run("systemd-import").arg("tar").arg(&source);
    import.arg("t").succeed();
    let [mut expected, mut found] = [&tree, &work.image("t")].map(|tree| describe(tree));
    for inode in expected.values_mut().chain(found.values_mut()) {
        inode.remove("attributes");
        inode.remove("has holes");
        if !is_ours() {
            // It makes the time of a folder that of the import where the archive comes back to it.
            inode.remove("time");
        }
    }
    if is_ours() {
        assert_equal(&expected, &found);
    } else {
        // It does not take the contents that come with the last name.
        let names = [expected.keys(), found.keys()];
        let [expected, found] = names.map(|names| names.collect::<Vec<_>>());
        assert_eq!(expected, found);
    }
}

/// An entry: name, number of the inode, mode, number of names, contents.
fn entry(name: &str, (inode, mode, links): (u32, u32, u32), contents: &[u8]) -> Vec<u8> {
    let (size, name_size) = (contents.len(), name.len() + 1);
    let mut bytes = format!(
        "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{links:08x}{0:08x}{size:08x}{0:08x}{0:08x}{0:08x}{0:08x}{name_size:08x}{0:08x}{name}\0",
        0
    )
    .into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), entry("TRAILER!!!", (0, 0, 1), b"")].concat()
}

#[test]
fn sockets_are_made_and_contents_come_with_any_name() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it does not take contents with a later name");
        return;
    }
    let bytes = archive(&[
        entry("socket", (1, 0o140_755, 1), b""),
        entry("first", (2, 0o104_755, 3), b""),
        entry("second", (2, 0o104_755, 3), b""),
        entry("third", (2, 0o104_755, 3), b"contents"),
    ]);
    let source = file(&work.path("x.cpio"), bytes);
    let import = work.run("systemd-import").arg("tar").arg(&source);
    import.arg("t").succeed();
    let kind = std::fs::symlink_metadata(work.image("t/socket")).unwrap();
    assert!(kind.file_type().is_socket());
    for name in ["first", "second", "third"] {
        let path = work.image("t").join(name);
        assert_eq!(std::fs::read(&path).unwrap(), b"contents");
        let data = std::fs::metadata(path).unwrap();
        assert_eq!((data.nlink(), data.mode()), (3, 0o104_755));
    }
}

#[test]
fn contents_for_what_is_no_file_go_nowhere() {
    let Some(work) = Work::new() else { return };
    let outside = file(&work.path("outside"), "untouched");
    let target = outside.to_str().unwrap().as_bytes();
    for first in [
        entry("l", (2, 0o120_777, 2), target),
        entry("l", (2, 0o010_644, 2), b""),
    ] {
        let second = entry("f", (2, 0o100_644, 2), b"harm");
        let source = file(&work.path("x.cpio"), archive(&[first, second]));
        let import = work.run("systemd-import").args(["tar", "--force"]);
        let outcome = import.arg(&source).arg("t").outcome();
        assert_eq!(std::fs::read(&outside).unwrap(), b"untouched");
        if is_ours() {
            assert_eq!(outcome.status, 1, "{}", outcome.stderr);
            assert_eq!(work.images(), [""; 0]);
        }
    }
}
