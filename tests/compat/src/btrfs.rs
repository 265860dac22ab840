//! Images on btrfs: subvolumes, read-only and nested ones.

use crate::make::{archive, file, plain_tree, run};
use crate::mount::Mounted;
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};
use crate::tree::assert_same;
use std::path::Path;

/// A btrfs file system in the place of a test's image root.
fn mounted(work: &Work) -> Option<Mounted> {
    Mounted::new(work, "btrfs", "images")
}

/// Whether the image root lists that name as a subvolume, and as read-only.
fn subvolume(work: &Work, name: &str) -> Option<bool> {
    let shown = work.image(name);
    let output = std::process::Command::new("btrfs")
        .args(["property", "get", "-t", "subvol"])
        .arg(shown)
        .arg("ro")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.contains("true"))
}

#[test]
fn trees_are_subvolumes_and_read_only_ones_are_replaced_whole() {
    let Some(work) = Work::new() else { return };
    let Some(_mounted) = mounted(&work) else {
        return;
    };
    let tree = plain_tree(&work);
    let source = file(&work.path("t.tar"), archive(&tree));
    let import = || work.run("systemd-import").arg("tar").arg(&source).arg("t");
    import().arg("--read-only").succeed();
    assert_eq!(subvolume(&work, "t"), Some(true));
    assert_same(&tree, &work.image("t"));
    if !is_ours() {
        println!("skipped: it cannot replace a read-only subvolume");
        return;
    }
    import().args(["--read-only", "--force"]).succeed();
    assert_eq!(subvolume(&work, "t"), Some(true));
    import().arg("--force").succeed();
    assert_eq!(subvolume(&work, "t"), Some(false));
    assert_same(&tree, &work.image("t"));
    assert_eq!(work.images(), ["t"]);
}

#[test]
fn a_kept_download_is_replaced_by_the_next_one() {
    let Some(work) = Work::new() else { return };
    let Some(_mounted) = mounted(&work) else {
        return;
    };
    if !is_ours() {
        println!("skipped: its second pull of one address fails");
        return;
    }
    let server = Server::start();
    let tree = plain_tree(&work);
    server.put("/t.tar", Answer::ok(archive(&tree)));
    for _ in 0..2 {
        let pull = work.run("systemd-pull").args(["--verify=no", "--force"]);
        pull.args(["tar", &server.url("/t.tar")]).succeed();
        assert_same(&tree, &work.image("t"));
        assert_eq!(work.images().len(), 2, "{:?}", work.images());
    }
}

#[test]
fn nested_subvolumes_are_part_of_the_tree_and_mounts_are_not() {
    let Some(work) = Work::new() else { return };
    let Some(_mounted) = mounted(&work) else {
        return;
    };
    if !is_ours() {
        println!("skipped: it crosses mounts");
        return;
    }
    let images = work.path("images");
    run("btrfs", &["-q", "subvolume", "create", "t"], &images);
    run("btrfs", &["-q", "subvolume", "create", "t/home"], &images);
    std::fs::create_dir_all(work.image("t/home/user/deep")).unwrap();
    file(&work.image("t/home/user/deep/file"), "of the user");
    std::fs::create_dir_all(work.image("t/mnt")).unwrap();
    let mnt = work.image("t/mnt");
    run(
        "mount",
        &["-t", "tmpfs", "tmpfs", mnt.to_str().unwrap()],
        &images,
    );
    file(&work.image("t/mnt/elsewhere"), "x");
    let fs = work
        .run("systemd-import-fs")
        .arg("run")
        .arg(work.image("t"));
    let copied = fs.arg("copy").outcome();
    let out = work.path("out.tar");
    let export = work.run("systemd-export").arg("tar").arg(work.image("t"));
    let exported = export.arg(&out).outcome();
    run("umount", &[mnt.to_str().unwrap()], &images);
    for outcome in [copied, exported] {
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    }
    let import = work.run("systemd-import").arg("tar").arg(&out);
    import.arg("again").succeed();
    for name in ["copy", "again"] {
        let read = std::fs::read(work.image(name).join("home/user/deep/file"));
        assert_eq!(read.unwrap(), b"of the user", "{name}");
        let entries = std::fs::read_dir(work.image(name).join("mnt")).unwrap();
        assert_eq!(entries.count(), 0, "{name}");
    }
    // Removing an image removes the subvolumes in it.
    let tar = file(&work.path("t.tar"), archive(&plain_tree(&work)));
    let import = work.run("systemd-import").arg("tar").arg(&tar);
    import.args(["--force", "t"]).succeed();
    assert_eq!(work.images(), ["again", "copy", "t"]);
    assert!(!work.image("t/home").exists());
}

/// A subvolume `src` of a mounted btrfs, with one in it, which has a read-only one in it.
fn source(work: &Work, mounted: &Mounted) -> std::path::PathBuf {
    let top = mounted.path().join("src");
    let create = |path: &str| {
        run(
            "btrfs",
            &["-q", "subvolume", "create", path],
            mounted.path(),
        )
    };
    create("src");
    run(
        "cp",
        &["-a", plain_tree(work).to_str().unwrap(), "src/tree"],
        mounted.path(),
    );
    run(
        "sh",
        &["-c", "mv src/tree/* src && rmdir src/tree"],
        mounted.path(),
    );
    create("src/deep/er/home");
    file(&top.join("deep/er/home/file"), "of the user");
    create("src/deep/er/home/fixed");
    file(&top.join("deep/er/home/fixed/file"), "never changes");
    run(
        "btrfs",
        &["property", "set", "src/deep/er/home/fixed", "ro", "true"],
        mounted.path(),
    );
    run(
        "sh",
        &["-c", "touch -d 2001-02-03T04:05:06 src/deep/er src"],
        mounted.path(),
    );
    top
}

/// The identity of a subvolume, or of the one that it is a snapshot of.
fn uuid(path: &Path, which: &str) -> String {
    let shown = run(
        "btrfs",
        &["subvolume", "show", path.to_str().unwrap()],
        Path::new("/"),
    );
    let shown = String::from_utf8(shown).unwrap();
    let line = shown
        .lines()
        .find(|line| line.trim_start().starts_with(which));
    line.unwrap()
        .rsplit(char::is_whitespace)
        .next()
        .unwrap()
        .into()
}

/// Compares a subvolume with its image. The reference changes the times of folders with subvolumes.
fn assert_copied(source: &Path, image: &Path) {
    if is_ours() {
        assert_same(source, image);
    }
    let file = "deep/er/home/fixed/file";
    assert_eq!(std::fs::read(image.join(file)).unwrap(), b"never changes");
}

/// Everything hidden beside a subvolume.
fn hidden(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect()
}

#[test]
fn a_subvolume_becomes_an_image_by_a_snapshot() {
    let Some(work) = Work::new() else { return };
    let Some(mounted) = mounted(&work) else {
        return;
    };
    let top = source(&work, &mounted);
    let import = |name: &str| work.run("systemd-import-fs").arg("run").arg(&top).arg(name);
    import("t").succeed();
    assert_copied(&top, &work.image("t"));
    assert_eq!(uuid(&work.image("t"), "Parent UUID:"), uuid(&top, "UUID:"));
    assert_eq!(subvolume(&work, "t"), Some(false));
    assert_eq!(subvolume(&work, "t/deep/er/home"), Some(false));
    if !is_ours() {
        println!(
            "skipped: it leaves what is nested writable, and cannot replace what is read-only"
        );
        return;
    }
    assert_eq!(subvolume(&work, "t/deep/er/home/fixed"), Some(true));
    for _ in 0..2 {
        import("t").args(["--read-only", "--force"]).succeed();
        for name in ["t", "t/deep/er/home", "t/deep/er/home/fixed"] {
            assert_eq!(subvolume(&work, name), Some(true), "{name}");
        }
    }
    import("t").args(["--btrfs-subvol=no", "--force"]).succeed();
    assert_eq!(subvolume(&work, "t"), None);
    assert_same(&top, &work.image("t"));
    assert_eq!(work.images(), ["src", "t"]);
}

#[test]
fn a_subvolume_is_copied_where_no_snapshot_can_be() {
    let Some(work) = Work::new() else { return };
    let Some(elsewhere) = Mounted::new(&work, "btrfs", "elsewhere") else {
        return;
    };
    let top = source(&work, &elsewhere);
    let import = |name: &str| work.run("systemd-import-fs").arg("run").arg(&top).arg(name);
    if !is_ours() {
        import("t").fail_somehow();
        return;
    }
    import("t").succeed();
    assert_same(&top, &work.image("t"));
    let Some(_mounted) = mounted(&work) else {
        return;
    };
    import("t").succeed();
    assert_same(&top, &work.image("t"));
    assert_eq!(subvolume(&work, "t"), Some(false));
    assert_eq!(subvolume(&work, "t/deep/er/home"), None);
}

#[test]
fn a_snapshot_crosses_mounts_of_one_file_system() {
    let Some(work) = Work::new() else { return };
    let Some(mounted) = mounted(&work) else {
        return;
    };
    let top = source(&work, &mounted);
    let other = mounted.subvolume(&work, "src", "other");
    let fs = work.run("systemd-import-fs").arg("run").arg(other.path());
    fs.arg("t").succeed();
    assert_copied(&top, &work.image("t"));
    assert_eq!(uuid(&work.image("t"), "Parent UUID:"), uuid(&top, "UUID:"));
}

#[test]
fn the_tree_in_a_subvolume_is_moved_up_in_its_snapshot() {
    let Some(work) = Work::new() else { return };
    let Some(mounted) = mounted(&work) else {
        return;
    };
    let tree = plain_tree(&work);
    crate::tree::set_attribute(&tree, "user.top", b"of the tree");
    run(
        "btrfs",
        &["-q", "subvolume", "create", "src"],
        mounted.path(),
    );
    let top = mounted.path().join("src");
    crate::tree::set_attribute(&top, "user.outer", b"not of the tree");
    run(
        "cp",
        &["-a", tree.to_str().unwrap(), "src/inner"],
        mounted.path(),
    );
    let fs = work.run("systemd-import-fs").arg("run").arg(&top);
    fs.arg("t").succeed();
    assert_eq!(uuid(&work.image("t"), "Parent UUID:"), uuid(&top, "UUID:"));
    if is_ours() {
        assert_same(&tree, &work.image("t"));
    }
    assert!(work.image("t/usr/lib/os-release").exists());
}

#[test]
fn an_export_reads_a_snapshot_and_leaves_none() {
    let Some(work) = Work::new() else { return };
    let Some(mounted) = mounted(&work) else {
        return;
    };
    let top = source(&work, &mounted);
    let export = |to: &Path| work.run("systemd-export").arg("tar").arg(&top).arg(to);
    let (first, second) = (work.path("1.tar"), work.path("2.tar"));
    let debug = export(&first).env("SYSTEMD_LOG_LEVEL", "debug").succeed();
    if !is_ours() {
        println!("skipped: it leaves snapshots of what is nested, and its archives differ");
        return;
    }
    assert!(
        debug.stderr.contains("A snapshot is exported"),
        "{}",
        debug.stderr
    );
    assert_eq!(hidden(mounted.path()), [""; 0]);
    export(Path::new("/dev/full")).fail_somehow();
    assert_eq!(hidden(mounted.path()), [""; 0]);
    // Killed while nobody reads: the snapshot stays, and the next export removes it.
    let (_reader, writer) = std::io::pipe().unwrap();
    let run = work.run("systemd-export").arg("tar").arg(&top);
    let (mut child, _socket) = run.stdout(writer).start();
    while hidden(mounted.path()).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(hidden(mounted.path()).len(), 1);
    // What only looks like one is left alone.
    let others = mounted.path().join(".#importd.src.0123456789abcdef");
    std::fs::create_dir_all(others.join("keep")).unwrap();
    export(&second).succeed();
    assert_eq!(hidden(mounted.path()), [others.file_name().unwrap()]);
    assert!(others.join("keep").is_dir());
    // Where no snapshot can be made the archive is the same.
    mounted.freeze();
    let live = work.path("live.tar");
    let debug = export(&live).env("SYSTEMD_LOG_LEVEL", "debug").succeed();
    assert!(debug.stderr.contains("No snapshot"), "{}", debug.stderr);
    for archive in [&first, &second] {
        assert!(std::fs::read(archive).unwrap() == std::fs::read(&live).unwrap());
    }
}

/// The quota groups that a group is in, as `btrfs qgroup show` prints them.
fn groups(mounted: &Mounted) -> Vec<(String, String)> {
    run("btrfs", &["filesystem", "sync", "."], mounted.path());
    let shown = run("btrfs", &["qgroup", "show", "-p", "."], mounted.path());
    let shown = String::from_utf8(shown).unwrap();
    let rows = shown.lines().skip(2).map(|line| {
        let mut columns = line.split_whitespace();
        let (group, parent) = (columns.next().unwrap(), columns.nth(2).unwrap());
        (group.to_owned(), parent.to_owned())
    });
    rows.filter(|(_, parent)| parent.contains('/')).collect()
}

fn id(path: &Path) -> String {
    let id = run("btrfs", &["inspect-internal", "rootid", "."], path);
    String::from_utf8(id).unwrap().trim_end().to_owned()
}

#[test]
fn quota_groups_are_made_for_the_pool_and_each_image_and_go_with_it() {
    let Some(work) = Work::new() else { return };
    let Some(whole) = Mounted::new(&work, "btrfs", "whole") else {
        return;
    };
    run(
        "btrfs",
        &["-q", "subvolume", "create", "pool"],
        whole.path(),
    );
    let _images = whole.subvolume(&work, "pool", "images");
    let tree = plain_tree(&work);
    let tar = file(&work.path("t.tar"), archive(&tree));
    let import = |quota: &str| {
        let run = work.run("systemd-import").arg("tar").arg(&tar).arg("t");
        run.args(["--force", &format!("--btrfs-quota={quota}")])
    };
    // Asked for in vain: an image all the same.
    let outcome = import("yes").succeed();
    if is_ours() {
        assert!(
            outcome.stderr.contains("Quota is not enabled"),
            "{}",
            outcome.stderr
        );
    }
    run("btrfs", &["quota", "enable", "."], whole.path());
    import("no").succeed();
    assert_eq!(groups(&whole), []);
    import("yes").succeed();
    let expected = |image: &str| {
        let (pool, image) = (id(&work.path("images")), id(&work.image(image)));
        let pair = |group: String, parent: String| (group, parent);
        vec![
            pair(format!("0/{pool}"), format!("255/{pool}")),
            pair(format!("0/{image}"), format!("254/{image}")),
            pair(format!("254/{image}"), format!("255/{pool}")),
        ]
    };
    assert_eq!(groups(&whole), expected("t"));
    if !is_ours() {
        println!("skipped: it leaves the groups of an image that is replaced");
        return;
    }
    assert!(import("maybe").outcome().status == 1);
    work.run("systemd-import-fs")
        .arg("run")
        .arg(&tree)
        .args(["--force", "t"])
        .env("SYSTEMD_IMPORT_BTRFS_QUOTA", "1")
        .succeed();
    assert_eq!(groups(&whole), expected("t"));
    assert_eq!(work.images(), ["t"]);
}
