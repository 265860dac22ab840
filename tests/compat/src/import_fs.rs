//! systemd-import-fs: folders become trees.

use crate::make::{file, plain_tree, rich_tree, run};
use crate::mount::Mounted;
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

#[test]
fn everything_is_copied_to_every_file_system() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: docs/differences.md lists what it loses");
        return;
    }
    let tree = rich_tree(&work);
    // Only now: the tree is made anew each time.
    let socket = std::os::unix::net::UnixListener::bind(tree.join("socket"));
    drop(socket.unwrap());
    for name in ["odd-link", "fifo", "null", "socket"] {
        let two = format!("two-{name}");
        run("ln", &["-P", name, &two], &tree);
    }
    run("chattr", &["+dA", "empty", "deep/er"], &tree);
    run("chattr", &["+d", "sparse"], &tree);
    for kind in ["ext4", "xfs", "btrfs", "tmpfs", "overlay"] {
        let Some(_mounted) = Mounted::new(&work, kind, "images") else {
            continue;
        };
        let fs = work.run("systemd-import-fs").arg("run").arg(&tree);
        let outcome = fs.arg("t").succeed();
        println!("{kind}: {}", outcome.stderr);
        assert_same(&tree, &work.image("t"));
        assert!(outcome.notes.contains(&"X_IMPORT_PROGRESS=100%".into()));
    }
}

#[test]
fn what_a_file_system_cannot_hold_is_told() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it says nothing");
        return;
    }
    let Some(large) = Mounted::new(&work, "xfs", "large") else {
        return;
    };
    let Some(_images) = Mounted::new(&work, "ext4", "images") else {
        return;
    };
    let source = large.path().join("tree");
    std::fs::create_dir_all(&source).unwrap();
    file(&source.join("f"), "x");
    crate::tree::set_attribute(&source.join("f"), "user.long", &[1; 20_000]);
    let fs = work.run("systemd-import-fs").arg("run").arg(&source);
    let outcome = fs.arg("t").succeed();
    let told =
        "lacks 1 attributes or flags that could not be set here, such as attribute user.long";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    assert_eq!(std::fs::read(work.image("t/f")).unwrap(), b"x");
}

#[test]
fn project_numbers_come_along() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it copies none");
        return;
    }
    let Some(from) = Mounted::new(&work, "xfs", "from") else {
        return;
    };
    let source = from.path().join("tree");
    std::fs::create_dir_all(source.join("folder")).unwrap();
    file(&source.join("folder/f"), "x");
    run("chattr", &["-R", "-p", "42", "folder"], &source);
    let project = |path: &std::path::Path| {
        let listed = run("lsattr", &["-pd", path.to_str().unwrap()], &source);
        let listed = String::from_utf8(listed).unwrap();
        listed.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(project(&source.join("folder/f")), "42");
    let import = || {
        let fs = work.run("systemd-import-fs").arg("run").arg(&source);
        fs.arg("t").succeed()
    };
    {
        let Some(_images) = Mounted::new(&work, "xfs", "images") else {
            return;
        };
        import();
        for name in ["t/folder", "t/folder/f"] {
            assert_eq!(project(&work.image(name)), "42", "{name}");
        }
        assert_eq!(project(&work.image("t")), "0");
    }
    // This one holds none.
    let _images = Mounted::new(&work, "tmpfs", "images").unwrap();
    let told = "such as project 42 of";
    let outcome = import();
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
}

#[test]
fn mounts_in_a_folder_become_empty_folders() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it leaves them out");
        return;
    }
    let tree = plain_tree(&work);
    std::fs::create_dir_all(tree.join("mnt/below")).unwrap();
    let mounted = Mounted::new(&work, "tmpfs", "plain/mnt").unwrap();
    file(&mounted.path().join("elsewhere"), "x");
    let fs = work.run("systemd-import-fs").arg("run").arg(&tree);
    fs.arg("t").succeed();
    assert_eq!(std::fs::read_dir(work.image("t/mnt")).unwrap().count(), 0);
}
