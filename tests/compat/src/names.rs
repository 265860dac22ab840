//! Names of images, given or derived.

use crate::make::{archive, file, plain_tree};
use crate::subject::{Work, is_ours};
use rustix::io::Errno;

#[test]
fn disk_images_lose_every_ending_and_archives_one() {
    let Some(work) = Work::new() else { return };
    for (source, image) in [
        ("a.img.raw.gz", "a.raw"),
        ("b.xz.raw", "b.raw"),
        ("c.sysext.img", "c.sysext.raw"),
        (
            "d.raw.lz4",
            if is_ours() { "d.raw" } else { "d.raw.lz4.raw" },
        ),
        ("e.RAW", "e.RAW.raw"),
        ("f.qcow2", "f.raw"),
        ("g.iso", "g.iso.raw"),
    ] {
        let source = file(&work.path(source), "contents");
        work.run("systemd-import").arg("raw").arg(&source).succeed();
        assert!(
            work.images().contains(&image.to_owned()),
            "{image}: {:?}",
            work.images()
        );
    }
    let data = archive(&plain_tree(&work));
    for (source, image) in [
        ("h.tar", "h"),
        ("i.tar.tar", "i.tar"),
        ("j.tar.gz.tgz", "j.tar.gz"),
        ("k.txz", if is_ours() { "k" } else { "k.txz" }),
        ("m.tar.lz4", if is_ours() { "m" } else { "m.tar.lz4" }),
        ("l.tar.zst", "l"),
    ] {
        let source = file(&work.path(source), &data);
        work.run("systemd-import").arg("tar").arg(&source).succeed();
        assert!(
            work.images().contains(&image.to_owned()),
            "{image}: {:?}",
            work.images()
        );
    }
}

#[test]
fn a_given_name_is_taken_as_it_is() {
    let Some(work) = Work::new() else { return };
    let source = file(&work.path("x.raw"), "contents");
    for name in ["x.raw", "a b", "*", "\\", "ü", ".hidden", &"n".repeat(240)] {
        work.run("systemd-import")
            .arg("raw")
            .arg(&source)
            .arg(name)
            .succeed();
        assert!(work.images().contains(&format!("{name}.raw")), "{name}");
    }
    for nothing in ["", "-"] {
        work.run("systemd-import")
            .args(["raw", "--force"])
            .arg(&source)
            .arg(nothing)
            .succeed();
        assert!(work.images().contains(&"imported.raw".to_owned()));
    }
}

#[test]
fn names_that_are_too_long_are_refused_with_the_reason() {
    let Some(work) = Work::new() else { return };
    let source = file(&work.path("x.raw"), "contents");
    let import = |length: usize| {
        let name = "n".repeat(length);
        let run = work.run("systemd-import").args(["raw", "--force"]);
        run.arg(&source).arg(name)
    };
    import(251).succeed();
    let refused = match is_ours() {
        true => import(252).fail(Errno::INVAL),
        false => import(252).fail_somehow(),
    };
    let words = "with '.raw' longer than 255";
    assert!(
        !is_ours() || refused.complaint().contains(words),
        "{}",
        refused.stderr
    );
    import(256).fail(Errno::INVAL);
    assert_eq!(work.images(), [format!("{}.raw", "n".repeat(251))]);
    if is_ours() {
        // The reference takes nothing over 246 bytes without --force.
        let run = work.run("systemd-import").arg("raw").arg(&source);
        run.arg("m".repeat(251)).succeed();
    }
    for name in [".tar", ".tgz", ".raw"] {
        let (verb, source) = match name {
            ".raw" => ("raw", file(&work.path(name), "contents")),
            _ => ("tar", file(&work.path(name), archive(&plain_tree(&work)))),
        };
        let refused = work
            .run("systemd-import")
            .arg(verb)
            .arg(source)
            .fail_somehow();
        assert!(
            !is_ours() || refused.complaint().contains("empty"),
            "{}",
            refused.stderr
        );
    }
}
