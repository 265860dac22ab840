//! Images that lie: each is refused by name, or read exactly as qemu-img reads it.

use crate::disk_image::{Made, disk, narrow, read, wide};
use crate::disk_patch::{Patch, assert_refused, patched, refusal};
use crate::program::has;
use flate2::write::DeflateEncoder;
use importd_formats::disk::{Content, Error, Format, Kind, Limits, open};
use std::io::Write;

const SIZE: usize = 3 << 20;

fn number(image: &[u8], at: u64) -> u64 {
    let at = narrow(at);
    u64::from_be_bytes(image[at..at + 8].try_into().unwrap())
}

/// Where the first L2 table of a qcow2 image is.
fn l2(image: &[u8]) -> u64 {
    number(image, number(image, 40)) & (u64::MAX >> 1)
}

#[test]
fn qcow2_headers_that_lie_are_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Qcow2, "", &[], &disk(SIZE)).bytes();
    use Kind::{Corrupt, TooLarge, Unsupported};
    let cases: &[(&[Patch<'_>], Kind, &str)] = &[
        (&[(0, b"X")], Corrupt, "magic"),
        (&[(7, &[1])], Unsupported, "version 0x1"),
        (&[(7, &[4])], Unsupported, "version 0x4"),
        (&[(23, &[8])], Corrupt, "clusters"),
        (&[(23, &[22])], Corrupt, "clusters"),
        (&[(20, &[0, 0, 0, 64])], Corrupt, "clusters"),
        (&[(20, &[0xff; 4])], Corrupt, "clusters"),
        (&[(24, &[0xff; 8])], TooLarge, "disk"),
        (&[(24, &[0x7f, 0xff])], Corrupt, "too short"),
        (&[(24, &[0, 0x10]), (36, &[0xff; 4])], TooLarge, "L1"),
        // Four MiB of entries that the file does not have.
        (&[(24, &[0, 1]), (36, &[0, 8])], Corrupt, "not all there"),
        (&[(35, &[1])], Unsupported, "AES"),
        (&[(35, &[2])], Unsupported, "LUKS"),
        (&[(35, &[3])], Unsupported, "0x3"),
        (&[(36, &[0; 4])], Corrupt, "too short"),
        (&[(40, &[0; 8])], Corrupt, "L1"),
        (&[(46, &[1])], Corrupt, "L1"),
        (&[(40, &[0x7f])], Corrupt, "L1"),
        (&[(79, &[2])], Corrupt, "qemu-img check -r all"),
        (&[(79, &[8])], Corrupt, "compression"),
        (&[(104, &[1])], Corrupt, "compression"),
        (&[(79, &[8]), (104, &[7])], Unsupported, "compression 0x7"),
        (&[(79, &[0x20])], Unsupported, "features 0x20"),
        (&[(72, &[0x80])], Unsupported, "features 0x8000000000000000"),
        (&[(99, &[7])], Corrupt, "reference counts"),
        (&[(103, &[96])], Corrupt, "header length"),
        (&[(101, &[1])], Corrupt, "header longer"),
        (&[(23, &[12]), (79, &[16])], Corrupt, "extended"),
    ];
    assert_refused(Format::Qcow2, &image, cases);
    for length in [0, 3, 4, 71, 103] {
        let (kind, _) = refusal(Format::Qcow2, &image[..length]);
        assert_eq!(kind, Corrupt, "{length} bytes");
    }
}

#[test]
fn qcow2_features_that_say_nothing_about_the_bytes_are_accepted() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::new(Format::Qcow2, "", &[], &disk(SIZE));
    let image = made.bytes();
    let expected = made.theirs();
    for patches in [
        // Dirty; every compatible and every autoclear feature; reference counts nowhere; snapshots
        // nowhere.
        &[(79usize, &[1u8][..])][..],
        &[(80, &[0xff; 16])],
        &[(48, &[0xff; 8])],
        &[(60, &[0xff; 12])],
        // A backing file of no name is none.
        &[(8, &[1; 8])],
    ] {
        let read = read(Format::Qcow2, &patched(&image, patches), Limits::default()).unwrap();
        assert!(read.bytes == expected, "{patches:?}");
    }
}

#[test]
fn qcow2_tables_that_lie_are_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Qcow2, "", &[], &[7; 1 << 20]).bytes();
    let (l1, l2) = (narrow(number(&image, 40)), narrow(l2(&image)));
    let end = wide(image.len()).to_be_bytes();
    let far = (1u64 << 55).to_be_bytes();
    use Kind::Corrupt;
    let cases: &[(&[Patch<'_>], Kind, &str)] = &[
        (&[(l1, &[0x40])], Corrupt, "L1 entry with reserved"),
        (&[(l1 + 7, &[1])], Corrupt, "L1 entry with reserved"),
        (&[(l1 + 6, &[2])], Corrupt, "L2 table stands where"),
        (&[(l1, &far)], Corrupt, "L2 table is not all there"),
        (&[(l1, &end)], Corrupt, "L2 table is not all there"),
        (&[(l2, &[0x81])], Corrupt, "L2 entry with reserved"),
        (&[(l2 + 7, &[2])], Corrupt, "L2 entry with reserved"),
        (&[(l2 + 6, &[2])], Corrupt, "not where clusters are"),
        (&[(l2, &far)], Corrupt, "beyond the end"),
        (&[(l2, &end)], Corrupt, "beyond the end"),
        (
            &[(l2, &[0x40, 0, 0, 0, 0, 0, 2, 0])],
            Corrupt,
            "inside the header",
        ),
        (&[(l2, &[0x7f; 8])], Corrupt, "beyond the end"),
        // Packed, but of bytes that are no deflate stream.
        (
            &[(l2, &[0x40, 0, 0, 0, 0, 5, 0, 0])],
            Corrupt,
            "does not unpack",
        ),
    ];
    assert_refused(Format::Qcow2, &image, cases);
    // The message says where.
    let (_, message) = refusal(Format::Qcow2, &patched(&image, &[(l2 + 8 + 7, &[2])]));
    assert!(
        message.contains(&format!("(byte {} of", l2 + 8)),
        "{message}"
    );
}

#[test]
fn qcow2_tables_that_point_at_tables_read_as_by_qemu() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::new(Format::Qcow2, "", &[], &[7; 1 << 20]);
    let image = made.bytes();
    let (l1, l2) = (number(&image, 40), l2(&image));
    for (target, what) in [(l1, "L1"), (l2, "L2"), (number(&image, 48), "counts")] {
        let lying = patched(&image, &[(narrow(l2), &target.to_be_bytes())]);
        crate::disk_image::write(&made.path("image"), &lying);
        let read = made.assert_same(&format!("a cluster that is the table {what}"));
        assert!(read.bytes[..65_536] == lying[narrow(target)..][..65_536]);
    }
    // Two clusters of the disk in one of the file.
    let entry = &image[narrow(l2)..][..8];
    let twice = patched(&image, &[(narrow(l2) + 8, entry)]);
    crate::disk_image::write(&made.path("image"), &twice);
    made.assert_same("one cluster twice");
}

#[test]
fn qcow2_entries_beyond_the_end_of_the_disk_are_not_looked_at() {
    if !has(&["qemu-img"]) {
        return;
    }
    let data = disk(SIZE);
    let made = Made::new(Format::Qcow2, "", &[], &data);
    let image = made.bytes();
    for size in [0usize, 512, 1 << 20, (1 << 20) + 512] {
        // The first cluster that is wholly beyond the end stands nowhere.
        let beyond = narrow(l2(&image)) + size.div_ceil(65_536) * 8;
        let size_bytes = wide(size).to_be_bytes();
        let shorter = patched(&image, &[(24, &size_bytes), (beyond, &[0xbf; 8])]);
        crate::disk_image::write(&made.path("image"), &shorter);
        let read = made.assert_same(&format!("{size} bytes"));
        assert!(read.bytes == data[..size], "{size} bytes");
    }
}

/// An image of little more than tables.
fn tiny_qcow2(size: u64, cluster_bits: u32, l1: &[u64], l2: &[u64]) -> Vec<u8> {
    let cluster = 1usize << cluster_bits;
    let mut image = Vec::new();
    image.extend(b"QFI\xfb\0\0\0\x02");
    image.extend([0; 12]);
    image.extend(cluster_bits.to_be_bytes());
    image.extend(size.to_be_bytes());
    image.extend([0; 4]);
    image.extend(u32::try_from(l1.len()).unwrap().to_be_bytes());
    // The L2 table is the second cluster, the L1 table the third and all that follow.
    image.extend((2 * wide(cluster)).to_be_bytes());
    image.resize(cluster, 0);
    image.extend(l2.iter().flat_map(|entry| entry.to_be_bytes()));
    image.resize(2 * cluster, 0);
    image.extend(l1.iter().flat_map(|entry| entry.to_be_bytes()));
    image.resize(image.len().next_multiple_of(cluster), 0);
    image
}

#[test]
fn many_l1_entries_for_one_l2_table_are_refused_before_the_work_is_done() {
    // 64 Ki entries that all lead to one table, for 32 TiB of disk.
    let l1 = vec![1u64 << 16; 1 << 16];
    let image = tiny_qcow2(32 << 40, 16, &l1, &[1 << 16; 8192]);
    let disk = open(Format::Qcow2, Box::new(image.clone()), Limits::default()).unwrap();
    let extents: Vec<_> = disk.extents().collect();
    let (last, good) = extents.split_last().unwrap();
    assert!(
        matches!(last, Err(Error::Corrupt { what, .. }) if what.contains("more L2 tables")),
        "{last:?}"
    );
    assert!(good.len() <= image.len() / 8, "{} extents", good.len());
}

#[test]
fn a_huge_sparse_disk_costs_what_its_file_has() {
    let size = 2u64 << 50;
    let mut l1 = vec![0u64; narrow(size >> 39)];
    l1[0xabc] = 1 << 21;
    let mut l2 = vec![0u64; 1 << 18];
    l2[77] = 3 << 21;
    let mut image = tiny_qcow2(size, 21, &l1, &l2);
    image.resize(4 << 21, 1);
    let disk = open(Format::Qcow2, Box::new(image), Limits::default()).unwrap();
    let extents: Vec<_> = disk.extents().map(|extent| extent.unwrap()).collect();
    assert_eq!(disk.size(), size);
    let stored = (0xabc << 39) + (77 << 21);
    assert_eq!(extents.len(), 3);
    assert_eq!((extents[1].offset, extents[1].length), (stored, 2 << 20));
    assert_eq!(extents[1].content, Content::Stored { offset: 3 << 21 });
    let limits = Limits {
        size_bytes: size - 1,
        ..Limits::default()
    };
    let image = tiny_qcow2(size, 21, &[0; 4096], &[]);
    let refused = open(Format::Qcow2, Box::new(image), limits).err().unwrap();
    assert_eq!(refused.kind(), Kind::TooLarge);
}

#[test]
fn packed_clusters_of_another_length_are_refused() {
    let deflate = |length: usize| {
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(&vec![5; length]).unwrap();
        encoder.finish().unwrap()
    };
    let image = |packed: &[u8]| {
        let cluster = 4096u64;
        let entry = 1u64 << 62 | (1 << 58) | (3 * cluster);
        let mut image = tiny_qcow2(cluster, 12, &[cluster], &[entry]);
        image.extend_from_slice(packed);
        image
    };
    let exact = read(Format::Qcow2, &image(&deflate(4096)), Limits::default()).unwrap();
    assert_eq!(exact.bytes, [5; 4096]);
    for (length, text) in [
        (4095, "another length"),
        (4097, "another length"),
        (1 << 20, "another length"),
    ] {
        let (kind, message) = refusal(Format::Qcow2, &image(&deflate(length)));
        assert!(kind == Kind::Corrupt && message.contains(text), "{message}");
    }
    let whole = deflate(4096);
    let (kind, message) = refusal(Format::Qcow2, &image(&whole[..whole.len() - 3]));
    assert!(kind == Kind::Corrupt, "{message}");
}

#[test]
fn images_that_need_other_files_are_refused_by_their_names() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::empty(Format::Qcow2, "", "1M");
    made.qemu_img(&[
        "create", "-f", "qcow2", "-F", "qcow2", "-b", "image", "child",
    ]);
    let child = std::fs::read(made.path("child")).unwrap();
    let expected = "The qcow2 image needs another file, its backing file \"image\": make one image \
        of both first, with qemu-img convert";
    assert_eq!(
        refusal(Format::Qcow2, &child),
        (Kind::Unsupported, expected.into())
    );
    // Whatever the name is, it is only ever said.
    let at = narrow(number(&child, 8));
    for (name, text) in [
        (&b"/etc/passwd"[..], "\"/etc/passwd\""),
        (b"json:{\n\x1b[0m", r#""json:{\n\u{1b}[0m""#),
    ] {
        let length = u32::try_from(name.len()).unwrap().to_be_bytes();
        let child = patched(&child, &[(at, name), (16, &length)]);
        let (kind, message) = refusal(Format::Qcow2, &child);
        assert!(
            kind == Kind::Unsupported && message.contains(text),
            "{message}"
        );
    }
    let huge = patched(&child, &[(16, &[0xff; 4])]);
    let (kind, message) = refusal(Format::Qcow2, &huge);
    assert!(
        kind == Kind::Unsupported && message.len() < 2000,
        "{message}"
    );
    for options in ["data_file=data", "data_file=data,data_file_raw=on"] {
        made.qemu_img(&["create", "-f", "qcow2", "-o", options, "outside", "1M"]);
        let outside = std::fs::read(made.path("outside")).unwrap();
        let (kind, message) = refusal(Format::Qcow2, &outside);
        assert!(
            kind == Kind::Unsupported && message.contains("its data file \"data\""),
            "{message}"
        );
    }
}

#[test]
fn encrypted_images_are_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::empty(Format::Qcow2, "", "1M");
    let secret = "secret,id=s,data=word";
    let options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
    made.qemu_img(&[
        "create", "--object", secret, "-f", "qcow2", "-o", options, "luks", "1M",
    ]);
    let luks = std::fs::read(made.path("luks")).unwrap();
    let (kind, message) = refusal(Format::Qcow2, &luks);
    assert!(
        kind == Kind::Unsupported && message.contains("LUKS"),
        "{message}"
    );
}

#[test]
fn limits_hold() {
    if !has(&["qemu-img"]) {
        return;
    }
    let data = disk(SIZE);
    for (format, options) in [
        (Format::Qcow2, ""),
        (Format::Vmdk, ""),
        (Format::Vhd, "force_size=on"),
        (Format::Vhdx, ""),
        (Format::Vdi, ""),
        (Format::Raw, ""),
    ] {
        let image = Made::new(format, options, &[], &data).bytes();
        let exact = Limits {
            size_bytes: wide(SIZE),
            ..Limits::default()
        };
        let less = Limits {
            size_bytes: wide(SIZE) - 1,
            ..exact
        };
        let tables = Limits {
            table_bytes: 3,
            ..exact
        };
        assert!(
            open(format, Box::new(image.clone()), exact).is_ok(),
            "{format:?}"
        );
        for limits in [less, tables] {
            if format == Format::Raw && limits.size_bytes == exact.size_bytes {
                continue;
            }
            let refused = open(format, Box::new(image.clone()), limits).err().unwrap();
            assert_eq!(refused.kind(), Kind::TooLarge, "{format:?}: {refused}");
        }
    }
    let pieces = Limits {
        piece_bytes: 100_000,
        ..Limits::default()
    };
    let packed = Made::new(Format::Vmdk, "subformat=streamOptimized", &[], &data);
    assert!(open(Format::Vmdk, Box::new(packed.bytes()), pieces).is_ok());
    let large = Made::new(Format::Qcow2, "", &["-c"], &data).bytes();
    let refused = open(Format::Qcow2, Box::new(large), pieces).err().unwrap();
    assert_eq!(refused.kind(), Kind::TooLarge);
}

#[test]
fn images_that_were_cut_off_are_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let data = crate::samples::mixed(SIZE);
    for (format, options) in [
        (Format::Qcow2, ""),
        (Format::Qcow2, "compression_type=zstd"),
        (Format::Vmdk, ""),
        (Format::Vmdk, "subformat=streamOptimized"),
        (Format::Vhd, ""),
        (Format::Vhd, "subformat=fixed"),
        (Format::Vhdx, ""),
        (Format::Vdi, ""),
    ] {
        let made = Made::new(format, options, &[], &data);
        let image = made.bytes();
        for length in [0, 1, 511, 4096, image.len() / 3, image.len() / 2] {
            let (kind, message) = refusal(format, &image[..length]);
            assert_eq!(
                kind,
                Kind::Corrupt,
                "{format:?} {options} {length}: {message}"
            );
        }
    }
}

/// A packed piece may be unpacked by anybody at any time, so the disk is shared by threads.
#[test]
fn pieces_unpack_on_any_thread() {
    if !has(&["qemu-img"]) {
        return;
    }
    for (format, options, more) in [
        (Format::Qcow2, "", &["-c"][..]),
        (Format::Qcow2, "compression_type=zstd", &["-c"]),
        (Format::Vmdk, "subformat=streamOptimized", &[]),
    ] {
        let data = disk(SIZE);
        let made = Made::new(format, options, more, &data);
        let image = open(format, Box::new(made.bytes()), Limits::default()).unwrap();
        let extents: Vec<_> = image.extents().map(|extent| extent.unwrap()).collect();
        std::thread::scope(|scope| {
            for shift in 0..4 {
                let (image, extents, data) = (&image, &extents, &data);
                scope.spawn(move || {
                    for extent in extents.iter().skip(shift).step_by(2) {
                        let Content::Packed(packed) = extent.content else {
                            continue;
                        };
                        let mut buffer = vec![0; narrow(extent.length)];
                        image.unpack(&packed, &mut buffer).unwrap();
                        assert!(buffer == data[narrow(extent.offset)..][..buffer.len()]);
                        let mut long = vec![0; (4 << 20) + 1];
                        let refused = image.unpack(&packed, &mut long).unwrap_err();
                        assert!(matches!(refused, Error::Misuse { .. }));
                    }
                });
            }
        });
    }
}
