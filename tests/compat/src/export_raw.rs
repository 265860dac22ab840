//! systemd-export raw: disk images as files, streams and qcow2.

use crate::make::{disk, file, has, packed, run};
use crate::mount::Mounted;
use crate::subject::{Run, Work, is_ours};
use crate::tree::{attributes, set_attribute};
use rustix::io::Errno;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// By path, which needs no image root.
fn export(work: &Work) -> Run {
    work.run("systemd-export").arg("raw")
}

#[test]
fn times_attributes_and_holes_go_along() {
    let Some(work) = Work::new() else { return };
    let image = disk(&work, "disk.raw");
    set_attribute(&image, "user.note", b"mine");
    let time = "2001-02-03 04:05:06.789";
    run("touch", &["-d", time, "disk.raw"], &work.path(""));
    for name in ["out.raw", "out.raw.gz"] {
        let out = work.path(name);
        export(&work).arg(&image).arg(&out).succeed();
        let (before, after) = (image.metadata().unwrap(), out.metadata().unwrap());
        let times = |meta: &std::fs::Metadata| (meta.mtime(), meta.mtime_nsec());
        assert_eq!(times(&before), times(&after), "{name}");
        let noted = attributes(&out);
        assert_eq!(noted["user.note"], b"mine", "{name}");
        assert_eq!(noted["user.crtime_usec"].len(), 8, "{name}");
    }
    let (before, after) = (image.metadata(), work.path("out.raw").metadata());
    let (before, after) = (before.unwrap().blocks(), after.unwrap().blocks());
    assert!(!is_ours() || after <= before + 64, "{before} {after}");
}

#[test]
fn a_qcow2_image_is_what_qemu_reads() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") || !is_ours() {
        println!("skipped: the original writes raw images only");
        return;
    }
    let image = disk(&work, "disk.raw");
    let here = work.path("");
    let original = std::fs::read(&image).unwrap();
    for (name, options) in [
        ("a.qcow2", &[][..]),
        ("b.img", &["--output-format=qcow2"]),
        ("c.qcow2", &["--format=gzip"]),
        ("d.qcow2", &["--format=zstd"]),
    ] {
        let out = work.path(name);
        export(&work).args(options).arg(&image).arg(&out).succeed();
        run("qemu-img", &["check", "-f", "qcow2", name], &here);
        let line = ["convert", "-f", "qcow2", "-O", "raw", name, "back.raw"];
        run("qemu-img", &line, &here);
        let back = std::fs::read(work.path("back.raw")).unwrap();
        assert!(back == original, "{name}");
        let size = out.metadata().unwrap().len();
        assert!(size < original.len() as u64 / 4, "{name}: {size}");
        // And by ourselves.
        let import = work.run("systemd-import").args(["raw", "--force"]);
        import.arg(&out).arg("again").succeed();
        let again = std::fs::read(work.image("again.raw")).unwrap();
        assert!(again == original, "{name}");
    }
    let plain = export(&work).arg("--output-format=raw").arg(&image);
    plain.arg(work.path("e.qcow2")).succeed();
    assert!(std::fs::read(work.path("e.qcow2")).unwrap() == original);
    let refused = export(&work).arg("--format=xz").arg(&image);
    refused.arg(work.path("f.qcow2")).fail(Errno::INVAL);
    assert!(!work.path("f.qcow2").exists());
    let pipe = export(&work).arg("--output-format=qcow2").arg(&image);
    pipe.fail(Errno::OPNOTSUPP);
}

#[test]
fn long_holes_of_a_zstd_export_are_frames_that_all_read() {
    let Some(work) = Work::new() else { return };
    let image = disk(&work, "disk.raw");
    let start = std::fs::metadata(&image).unwrap().len();
    let sparse = std::fs::OpenOptions::new()
        .write(true)
        .open(&image)
        .unwrap();
    sparse.set_len(start + (90 << 20)).unwrap();
    sparse.write_all_at(b"end", start + (80 << 20)).unwrap();
    let original = std::fs::read(&image).unwrap();
    let out = work.path("out.raw.zst");
    export(&work).arg(&image).arg(&out).succeed();
    // As our export has them, made by the tool: the original reads them too.
    let zeros = packed(&vec![0; 4 << 20], &["zstd", "-qc"]);
    let head = packed(&original[..64 << 20], &["zstd", "-qc"]);
    let tail = packed(&original[68 << 20..], &["zstd", "-qc"]);
    assert!(original[64 << 20..68 << 20] == vec![0; 4 << 20]);
    let joined = file(&work.path("joined.zst"), [head, zeros, tail].concat());
    for (packed, name) in [(&out, "ours"), (&joined, "joined")] {
        run("zstd", &["-tq", packed.to_str().unwrap()], &work.path(""));
        let import = work.run("systemd-import").arg("raw");
        import.arg(packed).arg(name).succeed();
        let again = std::fs::read(work.image(format!("{name}.raw"))).unwrap();
        assert!(again == original, "{name}");
    }
}

#[test]
fn on_btrfs_images_share_their_data_whatever_their_marks() {
    let Some(work) = Work::new() else { return };
    if !has("mkfs.btrfs") || !is_ours() {
        println!("skipped: the original marks the target first and then cannot share");
        return;
    }
    let Some(_mounted) = Mounted::new(&work, "btrfs", "images") else {
        return;
    };
    let image = file(&work.image("plain.img"), vec![7; 8 << 20]);
    let marked = work.image("marked.img");
    drop(file(&marked, ""));
    run("chattr", &["+C", marked.to_str().unwrap()], Path::new("/"));
    std::fs::copy(&image, &marked).unwrap();
    for (source, name) in [(&image, "one"), (&marked, "two")] {
        let import = work.run("systemd-import").arg("raw");
        import.arg(source).arg(name).succeed();
        let made = work.image(format!("{name}.raw"));
        let out = work.image(format!("{name}.out"));
        export(&work).arg(&made).arg(&out).succeed();
        for copy in [&made, &out] {
            assert!(std::fs::read(copy).unwrap() == vec![7; 8 << 20]);
            let shown = run("filefrag", &["-v", copy.to_str().unwrap()], Path::new("/"));
            let shown = String::from_utf8(shown).unwrap();
            assert!(shown.contains("shared"), "{name}: {shown}");
        }
    }
    // A stream cannot share; its image is marked for a machine's writes.
    let packed = file(&work.path("s.gz"), packed(&vec![7; 1 << 20], &["gzip"]));
    let import = work.run("systemd-import").arg("raw");
    import.arg(&packed).arg("stream").succeed();
    let shown = run("lsattr", &["stream.raw"], &work.path("images"));
    assert!(String::from_utf8(shown).unwrap().contains('C'));
}
