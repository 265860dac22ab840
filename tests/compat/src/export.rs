//! systemd-export: what comes out is what went in.

use crate::make::{archive, disk, file, moved, plain_tree, rich_tree, run};
use crate::subject::{Run, Work, is_ours};
use crate::tree::{assert_same, describe};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

/// Exports by path, which needs no image root.
fn export(work: &Work, form: &str) -> Run {
    work.run("systemd-export").arg(form)
}

fn unpack(work: &Work, archive: &Path, name: &str) -> std::path::PathBuf {
    let folder = work.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    let archive = archive.to_str().unwrap();
    let arguments = [
        "-x",
        "--acls",
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "-pf",
        archive,
    ];
    run("tar", &arguments, &folder);
    folder
}

#[test]
fn an_exported_tree_is_the_same_for_gnu_tar() {
    let Some(work) = Work::new() else { return };
    let tree = if is_ours() {
        rich_tree(&work)
    } else {
        plain_tree(&work)
    };
    let out = work.path("out.tar");
    export(&work, "tar").arg(&tree).arg(&out).succeed();
    let again = unpack(&work, &out, "again");
    if is_ours() {
        assert_same(&tree, &again);
    } else {
        let (before, after) = (describe(&tree), describe(&again));
        assert_eq!(
            before.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>()
        );
    }
}

#[test]
fn an_exported_tree_is_the_same_imported_again() {
    let Some(work) = Work::new() else { return };
    let tree = if is_ours() {
        rich_tree(&work)
    } else {
        plain_tree(&work)
    };
    let out = work.path("out.tar");
    export(&work, "tar").arg(&tree).arg(&out).succeed();
    work.run("systemd-import")
        .arg("tar")
        .arg(&out)
        .arg("t")
        .succeed();
    assert_same(&tree, &work.image("t"));
}

#[test]
fn two_exports_of_equal_trees_are_equal() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it writes change times");
        return;
    }
    let tree = rich_tree(&work);
    work.run("systemd-import-fs")
        .arg("run")
        .arg(&tree)
        .arg("copy")
        .succeed();
    let (one, two) = (work.path("one.tar"), work.path("two.tar"));
    export(&work, "tar").arg(&tree).arg(&one).succeed();
    export(&work, "tar")
        .arg(work.image("copy"))
        .arg(&two)
        .succeed();
    assert!(std::fs::read(one).unwrap() == std::fs::read(two).unwrap());
}

#[test]
fn every_compression_is_read_by_its_own_tool() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let disk = disk(&work, "disk.img");
    let plain = std::fs::read(&disk).unwrap();
    let ours_only = if is_ours() {
        &[
            (".tgz", "gzip"),
            (".txz", "xz"),
            (".tbz2", "bzip2"),
            (".tzst", "zstd"),
        ][..]
    } else {
        &[]
    };
    let endings = [
        ("", "cat"),
        (".gz", "gzip"),
        (".bz2", "bzip2"),
        (".xz", "xz"),
        (".zst", "zstd"),
        (".lz4", "lz4"),
    ];
    for (ending, tool) in endings.iter().chain(ours_only) {
        for (form, source) in [("tar", &tree), ("raw", &disk)] {
            let name = format!("out.{form}{ending}");
            export(&work, form)
                .arg(source)
                .arg(work.path(&name))
                .succeed();
            let options: &[&str] = if *tool == "cat" { &[] } else { &["-dc"] };
            let unpacked = run(tool, &[options, &[&name]].concat(), &work.path(""));
            if form == "raw" {
                assert!(unpacked == plain, "{name}");
            } else {
                let archive = file(&work.path("plain.tar"), unpacked);
                run("tar", &["-tf", archive.to_str().unwrap()], &work.path(""));
            }
        }
    }
}

#[test]
fn a_format_is_taken_by_option_for_a_pipe() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    for (format, magic) in [
        ("gzip", &b"\x1f\x8b"[..]),
        ("bzip2", b"BZh"),
        ("xz", b"\xfd7zXZ"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("lz4", b"\x04\x22\x4d\x18"),
        ("uncompressed", if is_ours() { b"./" } else { b"Pa" }),
    ] {
        let outcome = export(&work, "tar")
            .args(["--format", format])
            .arg(&tree)
            .succeed();
        assert!(outcome.stdout.starts_with(magic), "{format}");
    }
    export(&work, "tar")
        .arg("--format=zip")
        .arg(&tree)
        .fail(Errno::INVAL);
}

#[test]
fn levels_are_obeyed_and_checked_by_format() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return;
    }
    let data = b"level after level, the same words again: ".repeat(20_000);
    let source = file(&work.path("disk.raw"), data);
    let export = |options: &[&str]| {
        let run = work.run("systemd-export").args(options);
        run.arg("raw").arg(&source)
    };
    for (format, fast, small) in [
        ("gzip", 1, 9),
        ("xz", 0, 9),
        ("zstd", 1, 19),
        ("bzip2", 1, 9),
    ] {
        let packed = |level: i32| {
            let options = [format!("--format={format}"), format!("--level={level}")];
            export(&options.each_ref().map(String::as_str))
                .succeed()
                .stdout
        };
        assert!(packed(small).len() < packed(fast).len(), "{format}");
    }
    for (options, words) in [
        (
            ["--format=gzip", "--level=0"],
            "'0' of gzip is not a number from 1 to 9",
        ),
        (["--format=zstd", "--level=20"], "from 1 to 19"),
        (["--format=xz", "--level=-1"], "'-1' of xz"),
        (["--format=lz4", "--level=1"], "'lz4' has no levels"),
        (["--format=uncompressed", "--level=1"], "no levels"),
    ] {
        let refused = export(&options).fail(Errno::INVAL);
        assert!(refused.complaint().contains(words), "{}", refused.stderr);
    }
}

#[test]
fn disk_images_keep_their_holes() {
    let Some(work) = Work::new() else { return };
    let disk = disk(&work, "disk.img");
    let out = work.path("out.raw");
    export(&work, "raw").arg(&disk).arg(&out).succeed();
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&disk).unwrap());
    let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&out).unwrap());
    assert_eq!(blocks * 512 < 8 << 20, is_ours());
}

#[test]
fn a_failed_export_leaves_the_old_file() {
    let Some(work) = Work::new() else { return };
    let out = file(&work.path("out.tar"), "old");
    let missing = work.path("missing");
    export(&work, "tar")
        .arg(&missing)
        .arg(&out)
        .fail(Errno::NOENT);
    let expected = if is_ours() { "old" } else { "" };
    assert_eq!(std::fs::read_to_string(&out).unwrap(), expected);
    let disk = disk(&work, "disk.img");
    export(&work, "tar")
        .arg(&disk)
        .arg(&out)
        .fail(Errno::NOTDIR);
    export(&work, "raw")
        .arg(work.path("plain"))
        .arg(&out)
        .fail(Errno::ISDIR);
    let outcome = export(&work, "tar")
        .arg("no-such-image")
        .arg(&out)
        .fail(Errno::NOENT);
    assert!(
        outcome.complaint().contains("no-such-image"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_full_device_and_a_closed_pipe_are_failures() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let full = File::options().write(true).open("/dev/full").unwrap();
    export(&work, "tar")
        .arg(&tree)
        .stdout(full)
        .fail(Errno::NOSPC);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let writer = File::from(std::os::fd::OwnedFd::from(writer));
    export(&work, "tar")
        .arg(&tree)
        .stdout(writer)
        .fail(Errno::PIPE);
}

#[test]
fn an_archive_of_an_imported_archive_is_the_same_tree() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let source = file(&work.path("a.tar"), archive(&tree));
    work.run("systemd-import")
        .arg("tar")
        .arg(&source)
        .arg("t")
        .succeed();
    let out = work.path("b.tar.zst");
    export(&work, "tar")
        .arg(work.image("t"))
        .arg(&out)
        .succeed();
    work.run("systemd-import")
        .arg("tar")
        .arg(&out)
        .arg("u")
        .succeed();
    assert_same(&work.image("t"), &work.image("u"));
}

#[test]
fn an_image_is_found_by_name_in_the_root_that_is_given() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it has no --image-root= for exports");
        return;
    }
    let tree = plain_tree(&work);
    std::fs::create_dir_all(work.path("images")).unwrap();
    moved(&tree, &work.image("t"));
    let root = format!("--image-root={}", work.path("images").display());
    let out = work.path("out.tar");
    export(&work, "tar").args([&root, "t"]).arg(&out).succeed();
    assert_same(&work.image("t"), &unpack(&work, &out, "again"));
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_owner() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let out = file(&work.path("out.tar"), "old");
    std::os::unix::fs::chown(&out, Some(7), Some(8)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&out, mode).unwrap();
    export(&work, "tar").arg(&tree).arg(&out).succeed();
    let meta = std::fs::metadata(&out).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.gid()),
        (0o600, 7, 8)
    );
    assert!(meta.len() > 10_000);
}

#[test]
fn what_a_killed_export_left_is_swept_by_the_next() {
    let Some(work) = Work::new() else { return };
    let disk = disk(&work, "disk.img");
    let out = work.path("out.raw");
    let (stale, other) = (
        ".#importd.out.raw.0123456789abcdef",
        ".#importd.x.raw.0123456789abcdef",
    );
    for name in [stale, other] {
        file(&work.path(name), "half");
    }
    export(&work, "raw").arg(&disk).arg(&out).succeed();
    assert_eq!(work.path(stale).exists(), !is_ours());
    // It may be of an image root, whose sweep has the right to decide.
    assert!(work.path(other).exists());
}

#[test]
fn progress_of_a_tree_grows_to_the_end() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    for index in 0..40u8 {
        // Numbers without an order that packing could use.
        let contents: Vec<u8> = (0..250_000u32)
            .flat_map(|i| {
                (i ^ u32::from(index))
                    .wrapping_mul(2_654_435_761)
                    .to_le_bytes()
            })
            .collect();
        file(&tree.join(format!("f{index}")), contents);
    }
    let outcome = export(&work, "tar")
        .args(["--format", "gzip"])
        .arg(&tree)
        .arg(work.path("out.tar.gz"))
        .succeed();
    let steps: Vec<u8> = outcome
        .notes
        .iter()
        .filter_map(|note| note.strip_prefix("X_IMPORT_PROGRESS=")?.strip_suffix('%'))
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(steps.is_sorted(), "{steps:?}");
    if is_ours() {
        // Off btrfs the reference has none.
        assert!(steps.len() > 2 && steps.last() == Some(&100), "{steps:?}");
    }
}

#[test]
fn files_that_are_shorter_than_they_say_are_filled_up() {
    let Some(work) = Work::new() else { return };
    // Its files say that they have a page and have a few bytes.
    let tree = Path::new("/sys/kernel/mm/transparent_hugepage");
    if !tree.join("enabled").exists() {
        println!("skipped: there is no {}", tree.display());
        return;
    }
    let out = work.path("out.tar");
    let outcome = export(&work, "tar").arg(tree).arg(&out).succeed();
    assert!(!is_ours() || outcome.stderr.contains("filled up with zeros"));
    let found = std::fs::read(unpack(&work, &out, "again").join("enabled")).unwrap();
    let expected = std::fs::read(tree.join("enabled")).unwrap();
    assert_eq!(found.len(), 4096);
    assert!(found.starts_with(&expected) && found[expected.len()..].iter().all(|b| *b == 0));
}

#[test]
fn a_tree_deeper_than_descriptors_suffice_is_exported() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it stops at some depth");
        return;
    }
    let script = "for i in $(seq 1200); do mkdir d; echo $i >f; cd -P d; done";
    std::fs::create_dir_all(work.path("deep")).unwrap();
    run("sh", &["-ec", script], &work.path("deep"));
    let out = work.path("out.tar");
    export(&work, "tar")
        .arg(work.path("deep"))
        .arg(&out)
        .succeed();
    assert_same(&work.path("deep"), &unpack(&work, &out, "again"));
}

#[test]
fn sockets_are_left_out_and_named() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let before = describe(&tree);
    let _listener = std::os::unix::net::UnixListener::bind(tree.join("talk")).unwrap();
    let out = work.path("out.tar");
    let outcome = export(&work, "tar").arg(&tree).arg(&out).succeed();
    let again = unpack(&work, &out, "again");
    assert!(before.keys().eq(describe(&again).keys()));
    if is_ours() {
        assert!(
            outcome.stderr.contains("'./talk' is a socket"),
            "{}",
            outcome.stderr
        );
    }
}
