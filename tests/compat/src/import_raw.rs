//! systemd-import raw: disk images, byte for byte, with their holes.

use crate::make::{PACKERS, disk, file, packed, run};
use crate::subject::{Work, is_ours};
use crate::tree::{attributes, set_attribute};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;

#[test]
fn every_packing_becomes_the_same_image() {
    let Some(work) = Work::new() else { return };
    let image = disk(&work, "disk.img");
    let data = std::fs::read(&image).unwrap();
    for (ending, packer) in PACKERS {
        let source = file(
            &work.path(format!("disk.raw{ending}")),
            packed(&data, packer),
        );
        let name = format!("d{}", ending.replace('.', "-"));
        work.run("systemd-import")
            .arg("raw")
            .arg(&source)
            .arg(&name)
            .succeed();
        let made = work.image(format!("{name}.raw"));
        assert!(std::fs::read(&made).unwrap() == data, "{ending}");
        let meta = std::fs::metadata(&made).unwrap();
        assert!(
            meta.blocks() * 512 < 8 << 20,
            "{ending}: {} blocks",
            meta.blocks()
        );
        assert_eq!(meta.mode() & 0o7777, 0o644, "{ending}");
    }
    let checked = work.image("d.raw");
    run(
        "e2fsck",
        &["-fn", checked.to_str().unwrap()],
        work.path("").as_path(),
    );
}

#[test]
fn holes_times_and_attributes_of_the_source_are_kept() {
    let Some(work) = Work::new() else { return };
    let image = disk(&work, "disk.raw");
    set_attribute(&image, "user.note", b"mine");
    run(
        "touch",
        &["-d", "2001-02-03 04:05:06.789", "disk.raw"],
        &work.path(""),
    );
    work.run("systemd-import").arg("raw").arg(&image).succeed();
    let (before, after) = (
        std::fs::metadata(&image),
        std::fs::metadata(work.image("disk.raw")),
    );
    let (before, after) = (before.unwrap(), after.unwrap());
    assert_eq!(
        (before.mtime(), before.mtime_nsec()),
        (after.mtime(), after.mtime_nsec())
    );
    assert!(
        after.blocks() <= before.blocks() + 64,
        "{} {}",
        before.blocks(),
        after.blocks()
    );
    let noted = attributes(&work.image("disk.raw"));
    assert_eq!(noted["user.note"], b"mine");
    assert_eq!(noted["user.crtime_usec"].len(), 8);
}

#[test]
fn sizes_are_exact_and_limits_hold() {
    let Some(work) = Work::new() else { return };
    for size in [4, 511, 5000, 1 << 20, (1 << 20) + 1] {
        let source = file(&work.path("x"), vec![b'x'; size]);
        work.run("systemd-import")
            .args(["raw", "--force"])
            .arg(&source)
            .succeed();
        assert_eq!(
            std::fs::metadata(work.image("x.raw")).unwrap().len(),
            size as u64
        );
    }
    for size in [0, 3] {
        let source = file(&work.path("tiny"), vec![b'x'; size]);
        let run = work
            .run("systemd-import")
            .args(["raw", "--force"])
            .arg(&source);
        if is_ours() {
            run.succeed();
        } else {
            run.fail(Errno::IO);
        }
    }
    let source = file(&work.path("big"), vec![b'x'; 5000]);
    let limit = |limit: &str| work.run("systemd-import").args(["raw", limit]).arg(&source);
    limit("--size-max=5000").succeed();
    run("rm", &["images/big.raw"], &work.path(""));
    limit("--size-max=4999").fail(Errno::TOOBIG);
    assert!(!work.images().contains(&"big.raw".to_owned()));
}

#[test]
fn replacing_is_one_rename_and_read_only_is_a_mode() {
    let Some(work) = Work::new() else { return };
    for (contents, options) in [
        ("one!", ""),
        ("two!", "--force"),
        ("three", "--force --read-only"),
        ("four", "--force"),
    ] {
        let source = file(&work.path("x.raw"), contents);
        let options = options.split_whitespace();
        work.run("systemd-import")
            .arg("raw")
            .args(options)
            .arg(&source)
            .succeed();
        assert_eq!(
            std::fs::read_to_string(work.image("x.raw")).unwrap(),
            contents
        );
    }
    let source = file(&work.path("x.raw"), "five");
    work.run("systemd-import")
        .args(["raw", "--force", "--read-only"])
        .arg(&source)
        .succeed();
    assert_eq!(
        std::fs::metadata(work.image("x.raw")).unwrap().mode() & 0o7777,
        0o444
    );
    assert_eq!(work.images(), ["x.raw"]);
}
