//! Images on btrfs: subvolumes, read-only and nested ones.

use crate::make::{archive, file, has, plain_tree, run};
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};
use crate::tree::assert_same;
use std::path::Path;

/// A btrfs file system in the place of a test's image root; unmounted when dropped.
struct Mounted<'a>(&'a Work);

impl<'a> Mounted<'a> {
    fn new(work: &'a Work) -> Option<Self> {
        if !has("mkfs.btrfs") {
            return None;
        }
        let image = work.path("btrfs.img");
        let size = std::fs::File::create(&image).unwrap().set_len(512 << 20);
        size.unwrap();
        run(
            "mkfs.btrfs",
            &["-q", image.to_str().unwrap()],
            Path::new("/"),
        );
        let images = work.path("images");
        std::fs::create_dir_all(&images).unwrap();
        let (image, images) = (image.to_str().unwrap(), images.to_str().unwrap());
        run("mount", &["-o", "loop", image, images], Path::new("/"));
        Some(Self(work))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let images = self.0.path("images");
        run("umount", &[images.to_str().unwrap()], Path::new("/"));
    }
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
    let Some(_mounted) = Mounted::new(&work) else {
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
    let Some(_mounted) = Mounted::new(&work) else {
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
    let Some(_mounted) = Mounted::new(&work) else {
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
