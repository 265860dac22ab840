//! qcow2 images of qemu-img, read as qemu-img reads them.

use crate::disk_image::{Made, Numbers, disk, wide, write};
use crate::program::has;
use importd_formats::disk::{Content, Format};

const SIZE: usize = 3 << 20;

/// What a guest does: writes of data and of zeros, and discards, all over the disk.
fn guest(size: u64, unit: u64, count: usize) -> Vec<String> {
    let mut numbers = Numbers(0xda94_2042_e4dd_58b5);
    let mut commands = Vec::new();
    for _ in 0..count {
        let offset = numbers.below(size / unit) * unit;
        let length = (1 + numbers.below(200_000 / unit)) * unit;
        let length = length.min(size - offset);
        commands.push(match numbers.below(4) {
            0 => format!("write -z {offset} {length}"),
            1 => format!("write -zu {offset} {length}"),
            2 => format!("discard {offset} {length}"),
            _ => format!("write -P {} {offset} {length}", numbers.below(256)),
        });
    }
    commands
}

#[test]
fn every_cluster_size_packing_and_feature_reads_as_by_qemu() {
    if !has(&["qemu-img"]) {
        return;
    }
    let data = disk(SIZE);
    for bits in [9u64, 10, 12, 14, 16, 18, 21] {
        let cluster = 1u64 << bits;
        for feature in [
            "compat=0.10",
            "lazy_refcounts=on",
            "refcount_bits=1",
            "refcount_bits=64",
            "extended_l2=on",
            "compression_type=zstd",
            "compression_type=zstd,extended_l2=on",
        ] {
            if feature.contains("extended") && bits < 14 {
                continue;
            }
            let options = format!("cluster_size={cluster},{feature}");
            let unit = if feature.contains("extended") {
                cluster / 32
            } else {
                cluster
            };
            let made = Made::new(Format::Qcow2, &options, &[], &data);
            made.assert_same_with_holes(unit, &options);
            let what = format!("{options}, packed");
            let made = Made::new(Format::Qcow2, &options, &["-c"], &data);
            made.assert_same_with_holes(cluster, &what);
            let read = made.assert_same(&what);
            let packed = read.length_of(|content| matches!(content, Content::Packed(_)));
            assert!(packed > 500_000, "{what}: only {packed} bytes are packed");
        }
    }
}

#[test]
fn sizes_that_are_no_multiple_of_the_cluster_read_as_by_qemu() {
    if !has(&["qemu-img"]) {
        return;
    }
    for size in [
        512usize,
        1024,
        65_536 - 512,
        65_536 + 512,
        1_000_448,
        SIZE + 1536,
    ] {
        let data = disk(size);
        for (options, more) in [
            ("", &[][..]),
            ("", &["-c"]),
            ("compression_type=zstd", &["-c"]),
            ("cluster_size=2M", &["-c"]),
            ("extended_l2=on", &[]),
        ] {
            let made = Made::new(Format::Qcow2, options, more, &data);
            let read = made.assert_same(&format!("{size} bytes, {options} {more:?}"));
            assert_eq!(read.bytes, data);
        }
    }
}

#[test]
fn an_image_that_a_guest_wrote_all_over_reads_as_by_qemu() {
    if !has(&["qemu-img", "qemu-io"]) {
        return;
    }
    let data = disk(SIZE);
    for (options, more, unit) in [
        ("", &[][..], 65_536),
        ("", &["-c"], 65_536),
        ("compat=0.10", &["-c"], 65_536),
        ("cluster_size=512", &[], 512),
        ("cluster_size=4k,compression_type=zstd", &["-c"], 4096),
        ("extended_l2=on", &[], 2048),
        ("extended_l2=on,cluster_size=16k", &[], 512),
        ("extended_l2=on,cluster_size=2M", &["-c"], 65_536),
        ("extended_l2=on,lazy_refcounts=on", &["-c"], 2048),
    ] {
        let made = Made::new(Format::Qcow2, options, more, &data);
        for round in 1..=3 {
            made.qemu_io(&guest(wide(SIZE), 512, 60 * round));
            made.assert_same_with_holes(unit, &format!("{options} {more:?}"));
        }
    }
}

#[test]
fn allocated_but_never_written_clusters_read_as_by_qemu() {
    if !has(&["qemu-img", "qemu-io"]) {
        return;
    }
    for options in [
        "preallocation=metadata",
        "preallocation=falloc",
        "preallocation=full",
        "preallocation=metadata,cluster_size=4k",
        "preallocation=metadata,extended_l2=on",
        "preallocation=metadata,compat=0.10",
    ] {
        let made = Made::empty(Format::Qcow2, options, "5000704");
        made.assert_same(options);
        made.qemu_io(&guest(5_000_704, 512, 40));
        made.assert_same(&format!("{options}, written"));
    }
}

#[test]
fn snapshots_bitmaps_and_what_lies_beyond_the_disk_are_not_read() {
    if !has(&["qemu-img", "qemu-io"]) {
        return;
    }
    for options in ["", "cluster_size=4k", "extended_l2=on"] {
        let made = Made::new(Format::Qcow2, options, &[], &disk(SIZE));
        made.qemu_img(&["snapshot", "-c", "first", "image"]);
        made.qemu_io(&guest(wide(SIZE), 4096, 40));
        made.qemu_img(&["snapshot", "-c", "second", "image"]);
        made.qemu_img(&["bitmap", "--add", "--enable", "image", "changes"]);
        made.qemu_io(&guest(wide(SIZE) / 2, 512, 40));
        made.assert_same(options);
        // QEMU does not go back while there is one.
        made.qemu_img(&["bitmap", "--remove", "image", "changes"]);
        made.qemu_img(&["snapshot", "-a", "first", "image"]);
        made.assert_same(&format!("{options}, back at the first"));
    }
    let made = Made::new(Format::Qcow2, "cluster_size=4k", &[], &disk(SIZE));
    made.qemu_img(&["resize", "--shrink", "image", "1000448"]);
    assert_eq!(made.assert_same("shrunk").bytes.len(), 1_000_448);
    made.qemu_img(&["resize", "image", "40M"]);
    assert_eq!(made.assert_same("grown").bytes.len(), 40 << 20);
}

#[test]
fn an_image_whose_last_cluster_is_cut_reads_as_by_qemu() {
    if !has(&["qemu-img", "qemu-io"]) {
        return;
    }
    for options in ["", "extended_l2=on"] {
        let made = Made::empty(Format::Qcow2, options, "1M");
        made.qemu_io(&["write -P 7 0 128k".into()]);
        let mut image = made.bytes();
        let length = image.iter().rposition(|byte| *byte == 7).unwrap() + 1;
        for cut in [0, 1, 512, 5000, 65_535] {
            image.truncate(length - cut);
            write(&made.path("image"), &image);
            let read = made.assert_same(&format!("{options}: {cut} bytes cut off"));
            assert!(
                read.bytes[(128 << 10) - cut..]
                    .iter()
                    .all(|byte| *byte == 0)
            );
        }
    }
}
