//! Names of images, given or derived.

use crate::make::{archive, file, plain_tree};
use crate::subject::Work;

#[test]
fn disk_images_lose_every_ending_and_archives_one() {
    let Some(work) = Work::new() else { return };
    for (source, image) in [
        ("a.img.raw.gz", "a.raw"),
        ("b.xz.raw", "b.raw"),
        ("c.sysext.img", "c.sysext.raw"),
        ("d.raw.lz4", "d.raw.lz4.raw"),
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
        ("k.txz", "k.txz"),
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
