//! Disk images in formats of their own become raw ones: as files, streams and packed streams.

use crate::make::{file, has, packed, run};
use crate::subject::{Work, is_ours};
use rustix::io::Errno;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What `qemu-img convert` is told, and whether the original converts the outcome.
const VARIANTS: [(&str, &str, bool); 18] = [
    ("qcow2", "-O qcow2", true),
    ("qcow2", "-O qcow2 -o compat=0.10", true),
    ("qcow2", "-O qcow2 -o cluster_size=512", true),
    ("qcow2", "-O qcow2 -o cluster_size=2M", true),
    ("qcow2", "-c -O qcow2", true),
    ("qcow2", "-c -O qcow2 -o cluster_size=4k", true),
    ("qcow2", "-O qcow2 -o lazy_refcounts=on", true),
    ("qcow2", "-O qcow2 -o preallocation=metadata", true),
    ("qcow2", "-c -O qcow2 -o compression_type=zstd", false),
    ("qcow2", "-O qcow2 -o extended_l2=on", false),
    ("vmdk", "-O vmdk", false),
    ("vmdk", "-O vmdk -o subformat=streamOptimized", false),
    ("vhd", "-O vpc -o force_size=on", false),
    ("vhdx", "-O vhdx", false),
    ("vhdx", "-O vhdx -o subformat=fixed", false),
    ("vhdx", "-O vhdx -o block_size=1M", false),
    ("vdi", "-O vdi", false),
    ("vdi", "-O vdi -o static=on", false),
];

/// A disk of 40 MiB with data in the usual places, zeros that are written, and none at its end.
fn sample(work: &Work) -> PathBuf {
    let path = work.path("sample.img");
    let disk = std::fs::File::create(&path).unwrap();
    disk.set_len(40 << 20).unwrap();
    let mut noise: u64 = 88_172_645_463_325_252;
    for (start, length) in [
        (0, 4096),
        (1 << 20, 3 << 20),
        ((17 << 20) + 512, 70_000),
        (33 << 20, 1),
    ] {
        let data: Vec<u8> = (0..length)
            .map(|i: usize| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                // Half of it can be packed.
                if (i / 5000).is_multiple_of(2) {
                    noise.to_le_bytes()[0]
                } else {
                    b'a'
                }
            })
            .collect();
        disk.write_all_at(&data, start).unwrap();
    }
    disk.write_all_at(&vec![0; 1 << 20], 25 << 20).unwrap();
    path
}

/// The sample in another format.
fn converted(work: &Work, options: &str) -> PathBuf {
    let path = work.path("disk.image");
    let words = options.split_whitespace();
    let line: Vec<&str> = ["convert", "-f", "raw"]
        .into_iter()
        .chain(words)
        .chain(["sample.img", "disk.image"])
        .collect();
    run("qemu-img", &line, &work.path(""));
    path
}

#[test]
fn every_variant_becomes_what_it_was_made_of() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") {
        return;
    }
    let expected = std::fs::read(sample(&work)).unwrap();
    for (format, options, theirs) in VARIANTS {
        let source = converted(&work, options);
        let import = || work.run("systemd-import").args(["raw", "--force"]);
        if !is_ours() && !theirs {
            continue;
        }
        let outcome = import().arg(&source).arg("d").succeed();
        let made = work.image("d.raw");
        assert!(std::fs::read(&made).unwrap() == expected, "{options}");
        let blocks = std::fs::metadata(&made).unwrap().blocks() * 512;
        if is_ours() {
            assert!(blocks <= 4 << 20, "{options}: {blocks} bytes on the disk");
        }
        let line = format!("Unpacking {} file.", format.to_uppercase());
        assert!(
            outcome.stderr.contains(&line),
            "{options}: {}",
            outcome.stderr
        );

        // The same through a pipe, and packed.
        let bytes = std::fs::read(&source).unwrap();
        let packed = file(&work.path("packed"), packed(&bytes, &["gzip", "-1"]));
        import().arg(&packed).arg("d").succeed();
        assert!(
            std::fs::read(&made).unwrap() == expected,
            "{options}, packed"
        );
        assert_eq!(work.images(), ["d.raw"], "{options}");
    }
}

#[test]
fn images_that_need_another_file_are_refused_and_that_file_is_not_read() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") || !is_ours() {
        println!("skipped: the original makes zeros of what stands in the other file");
        return;
    }
    sample(&work);
    let here = work.path("");
    for (arguments, reason) in [
        ("-f qcow2 -b sample.img -F raw disk.image", "sample.img"),
        (
            "-f qcow2 -o data_file=data,data_file_raw=on disk.image 1M",
            "data",
        ),
        (
            "-f vmdk -o subformat=monolithicFlat disk.image 1M",
            "disk-flat",
        ),
        (
            "-f qcow2 --object secret,id=s,data=x -o encrypt.format=luks,encrypt.key-secret=s,\
             encrypt.iter-time=10 disk.image 1M",
            "encrypt",
        ),
    ] {
        let words = ["create"].into_iter().chain(arguments.split_whitespace());
        run("qemu-img", &words.collect::<Vec<_>>(), &here);
        let outcome = work
            .run("systemd-import")
            .arg("raw")
            .arg(work.path("disk.image"))
            .arg("d")
            .fail(Errno::OPNOTSUPP);
        assert!(outcome.complaint().contains(reason), "{}", outcome.stderr);
        assert_eq!(work.images(), [""; 0]);
    }
}

#[test]
fn damage_and_size_limits_are_noticed_before_an_image_is_there() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") || !is_ours() {
        println!("skipped: the original has other error numbers and checks less");
        return;
    }
    sample(&work);
    let source = converted(&work, "-O qcow2");
    let import = |limit: &str| {
        let run = work.run("systemd-import").arg("raw").arg(limit);
        run.arg(&source).arg("d")
    };
    import("--size-max=39M").fail(Errno::TOOBIG);
    import("--size-max=40M").succeed();
    run("rm", &["images/d.raw"], &work.path(""));
    let disk = std::fs::OpenOptions::new()
        .write(true)
        .open(&source)
        .unwrap();
    disk.set_len(3 << 20).unwrap();
    let outcome = import("--size-max=40M").fail(Errno::BADMSG);
    assert!(outcome.complaint().contains("qcow2"), "{}", outcome.stderr);
    assert_eq!(work.images(), [""; 0]);
}

#[test]
fn probing_can_be_switched_off_and_a_format_be_given() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") {
        return;
    }
    let expected = std::fs::read(sample(&work)).unwrap();
    let source = converted(&work, "-O qcow2");
    let packed = std::fs::read(&source).unwrap();
    let import = |options: &[&str], name: &str| {
        let run = work.run("systemd-import").arg("raw").args(options);
        run.arg(&source).arg(name).succeed();
    };
    import(&["--convert-qcow2=no"], "kept");
    assert!(std::fs::read(work.image("kept.raw")).unwrap() == packed);
    // On its way to a path nothing is converted.
    let path = work.path("direct.img");
    import(&["--direct"], path.to_str().unwrap());
    assert!(std::fs::read(&path).unwrap() == packed);
    if !is_ours() {
        return;
    }
    import(&["--input-format=raw"], "raw");
    assert!(std::fs::read(work.image("raw.raw")).unwrap() == packed);
    import(&["--direct", "--input-format=auto"], path.to_str().unwrap());
    assert!(std::fs::read(&path).unwrap() == expected);
    let fixed = converted(&work, "-O vpc -o subformat=fixed,force_size=on");
    let run = work
        .run("systemd-import")
        .args(["raw", "--input-format=vhd"]);
    run.arg(&fixed).arg("vhd").succeed();
    assert!(std::fs::read(work.image("vhd.raw")).unwrap() == expected);
}

#[test]
fn a_disk_on_its_way_to_a_device_is_converted_when_asked() {
    let Some(work) = Work::new() else { return };
    if !has("qemu-img") || !has("losetup") || !is_ours() {
        println!("skipped: the original does not convert on the way to a path");
        return;
    }
    let expected = std::fs::read(sample(&work)).unwrap();
    let source = converted(&work, "-c -O qcow2");
    let backing = file(&work.path("backing"), vec![9; 41 << 20]);
    let line = ["--find", "--show", backing.to_str().unwrap()];
    let device = String::from_utf8(run("losetup", &line, Path::new("/"))).unwrap();
    let import = work
        .run("systemd-import")
        .args(["raw", "--direct", "--input-format=qcow2"]);
    let outcome = import.arg(&source).arg(device.trim()).outcome();
    let made = std::fs::read(device.trim()).unwrap();
    run("losetup", &["--detach", device.trim()], Path::new("/"));
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert!(made[..40 << 20] == expected && made[40 << 20..] == vec![9; 1 << 20]);
}
