//! `--force`: the old image whole until the new one has its name, and gone after it.

use crate::make::{archive, file, plain_tree, run};
use crate::subject::{Work, is_ours};
use crate::tree::assert_same;
use rustix::io::Errno;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// An archive and a disk image to import.
fn sources(work: &Work) -> (PathBuf, PathBuf, PathBuf) {
    let tree = plain_tree(work);
    let tar = file(&work.path("source.tar"), archive(&tree));
    let raw = file(&work.path("source.raw"), vec![7; 5000]);
    (tree, tar, raw)
}

fn import(work: &Work, verb: &str, source: &Path) -> crate::subject::Run {
    let run = work.run("systemd-import").args([verb, "--force"]);
    run.arg(source).arg("x")
}

/// What may lie under the name of an image.
const OLD: [&str; 5] = ["nothing", "file", "folder", "link", "immutable"];

fn make_old(work: &Work, kind: &str, name: &str) {
    let path = work.image(name);
    std::fs::create_dir_all(work.path("images")).unwrap();
    match kind {
        "nothing" => {}
        "file" => drop(file(&path, "old")),
        "link" => {
            std::fs::create_dir_all(work.path("precious/inside")).unwrap();
            symlink(work.path("precious"), &path).unwrap();
        }
        "folder" | "immutable" => {
            std::fs::create_dir_all(path.join("sub/old")).unwrap();
            if kind == "immutable" {
                run("chattr", &["+i", path.to_str().unwrap()], Path::new("/"));
            }
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_tree_takes_the_place_of_anything_and_links_are_not_followed() {
    let Some(work) = Work::new() else { return };
    let (tree, tar, _) = sources(&work);
    for kind in OLD {
        if !is_ours() && matches!(kind, "link" | "immutable") {
            println!("skipped: the original empties what a link names, and keeps immutable ones");
            continue;
        }
        make_old(&work, kind, "x");
        import(&work, "tar", &tar).succeed();
        assert_same(&tree, &work.image("x"));
        assert_eq!(work.images(), ["x"], "{kind}");
        assert!(kind != "link" || work.path("precious/inside").is_dir());
        run("rm", &["-r", "images/x"], &work.path(""));
    }
}

#[test]
fn a_disk_image_takes_the_place_of_anything_and_links_are_not_followed() {
    let Some(work) = Work::new() else { return };
    let (_, _, raw) = sources(&work);
    for kind in OLD {
        if !is_ours() && matches!(kind, "link" | "immutable") {
            continue;
        }
        make_old(&work, kind, "x.raw");
        import(&work, "raw", &raw).succeed();
        assert_eq!(std::fs::read(work.image("x.raw")).unwrap(), vec![7; 5000]);
        assert_eq!(work.images(), ["x.raw"], "{kind}");
        assert!(kind != "link" || work.path("precious/inside").is_dir());
        run("rm", &["images/x.raw"], &work.path(""));
    }
}

#[test]
fn companions_and_other_forms_of_the_old_image_go_with_it() {
    let Some(work) = Work::new() else { return };
    let (tree, tar, raw) = sources(&work);
    let companions = [
        "x.nspawn",
        "x.roothash",
        "x.roothash.p7s",
        "x.usrhash",
        "x.verity",
    ];
    let others = ["x2", "x.y.nspawn", "y.roothash"];
    let prepare = || {
        std::fs::create_dir_all(work.path("images")).unwrap();
        for name in companions.into_iter().chain(others) {
            file(&work.image(name), "old");
        }
    };
    prepare();
    make_old(&work, "immutable", "x");
    let outcome = import(&work, "raw", &raw).outcome();
    if !is_ours() {
        return println!("skipped: the original leaves them to the new image");
    }
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert_eq!(work.images(), ["x.raw", "x.y.nspawn", "x2", "y.roothash"]);
    prepare();
    import(&work, "tar", &tar).succeed();
    assert_eq!(work.images(), ["x", "x.y.nspawn", "x2", "y.roothash"]);
    assert_same(&tree, &work.image("x"));
}

#[test]
fn a_failed_replacement_leaves_the_old_image_and_its_companions() {
    let Some(work) = Work::new() else { return };
    let (_, tar, raw) = sources(&work);
    make_old(&work, "folder", "x");
    file(&work.image("x.raw"), "old");
    file(&work.image("x.nspawn"), "old");
    for (verb, source) in [("tar", &tar), ("raw", &raw)] {
        let mut data = std::fs::read(source).unwrap();
        data.truncate(data.len() / 2);
        let mut packed = crate::make::packed(&data, &["gzip"]);
        packed.truncate(packed.len() - 9);
        let cut = file(&work.path("cut.gz"), packed);
        import(&work, verb, &cut).fail_somehow();
        assert_eq!(work.images(), ["x", "x.nspawn", "x.raw"]);
        assert!(work.image("x/sub/old").is_dir());
    }
    // Without force nothing is touched either.
    let run = work.run("systemd-import").arg("tar").arg(&tar).arg("x");
    run.fail(Errno::EXIST);
    assert_eq!(work.images(), ["x", "x.nspawn", "x.raw"]);
}
