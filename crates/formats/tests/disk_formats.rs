//! vmdk, vhd, vhdx and vdi images of qemu-img, read as qemu-img reads them.

use crate::disk_image::{Made, Numbers, disk, wide, write};
use crate::program::has;
use importd_formats::disk::{Content, Format, Limits, sniff};

/// A disk with wide gaps between what is written.
fn sparse() -> Vec<u8> {
    let mut bytes = vec![0; 12 << 20];
    let data = disk(300_000);
    for at in [0, 5 << 20, (5 << 20) + 400_000, 9_000_000, 11 << 20] {
        bytes[at..at + data.len()].copy_from_slice(&data);
    }
    bytes
}

/// What a guest does: writes of data and of zeros all over the disk.
fn guest(size: u64, count: usize) -> Vec<String> {
    let mut numbers = Numbers(0xda94_2042_e4dd_58b5);
    let mut commands = Vec::new();
    for _ in 0..count {
        let offset = numbers.below(size / 512) * 512;
        let length = ((1 + numbers.below(400)) * 512).min(size - offset);
        commands.push(match numbers.below(3) {
            0 => format!("write -z {offset} {length}"),
            _ => format!("write -P {} {offset} {length}", numbers.below(256)),
        });
    }
    commands
}

/// Images of disks of several sizes read as by qemu-img, after a guest wrote to them too.
fn assert_read(format: Format, options: &str, unit: u64) {
    for data in [disk(3 << 20), disk(1_000_448), disk(512), sparse()] {
        let what = format!("{} bytes, {format:?}, {options}", data.len());
        let made = Made::new(format, options, &[], &data);
        let read = made.assert_same(&what);
        assert!(read.bytes.starts_with(&data), "{what}");
        made.assert_same_with_holes(unit, &what);
        let image = made.bytes();
        let is_fixed_vhd = format == Format::Vhd && options.contains("fixed");
        assert_eq!(
            sniff(&image[..512.min(image.len())]) == format,
            !is_fixed_vhd
        );
        // What is packed in one go cannot be written to.
        if has(&["qemu-io"]) && !options.contains("streamOptimized") {
            made.qemu_io(&guest(wide(data.len()), 40));
            made.assert_same(&format!("{what}, written"));
        }
    }
}

#[test]
fn vmdk_in_one_file_reads_as_by_qemu() {
    if !has(&["qemu-img"]) {
        return;
    }
    for options in [
        "",
        "subformat=monolithicSparse,zeroed_grain=on",
        "subformat=monolithicSparse,adapter_type=lsilogic,hwversion=13",
        "subformat=streamOptimized",
    ] {
        assert_read(Format::Vmdk, options, 65_536);
    }
    let made = Made::new(Format::Vmdk, "subformat=streamOptimized", &[], &sparse());
    let read = made.assert_same("packed");
    let packed = read.length_of(|content| matches!(content, Content::Packed(_)));
    assert!(packed > 1_000_000, "only {packed} bytes are packed");
}

#[test]
fn vhd_reads_as_by_qemu() {
    if !has(&["qemu-img"]) {
        return;
    }
    for options in [
        "",
        "force_size=on",
        "subformat=fixed",
        "subformat=fixed,force_size=on",
    ] {
        assert_read(Format::Vhd, options, 2 << 20);
    }
}

#[test]
fn vhdx_reads_as_by_qemu() {
    if !has(&["qemu-img"]) {
        return;
    }
    for options in [
        "",
        "block_size=1M",
        "block_size=2M,log_size=4M",
        "block_size=16M",
        "subformat=fixed",
        "subformat=fixed,block_size=1M",
    ] {
        assert_read(Format::Vhdx, options, 1 << 20);
    }
}

#[test]
fn vhdx_with_more_than_one_chunk_reads_as_by_qemu() {
    if !has(&["qemu-img", "qemu-io"]) {
        return;
    }
    // With sectors of 512 bytes, 4 GiB are one chunk; the disk is compared where it is written.
    for options in ["block_size=1M", "block_size=16M"] {
        let made = Made::empty(Format::Vhdx, options, "13G");
        let writes: Vec<String> = [0u64, 4095, 4096, 4097, 8191, 8192, 12_287, 12_288, 13_311]
            .iter()
            .map(|mib| format!("write -P {} {mib}M 1M", mib % 255 + 1))
            .collect();
        made.qemu_io(&writes);
        made.assert_same_in_pieces(options);
    }
}

#[test]
fn vdi_reads_as_by_qemu() {
    if !has(&["qemu-img"]) {
        return;
    }
    for options in ["", "static=on", "preallocation=full"] {
        assert_read(Format::Vdi, options, 1 << 20);
    }
}

/// Changes bytes of the footer of a fixed vhd, and its checksum.
fn patch_footer(image: &mut [u8], at: usize, bytes: &[u8]) {
    let start = image.len() - 512;
    let footer = &mut image[start..];
    footer[at..at + bytes.len()].copy_from_slice(bytes);
    footer[64..68].fill(0);
    let sum: u32 = footer.iter().map(|byte| u32::from(*byte)).sum();
    footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
}

#[test]
fn vhd_has_the_size_that_its_program_means() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::new(Format::Vhd, "subformat=fixed", &[], &disk(3 << 20));
    let mut image = made.bytes();
    // 10 * 4 * 17 sectors by geometry, 5000 by the other number.
    patch_footer(&mut image, 48, &(5000u64 * 512).to_be_bytes());
    patch_footer(&mut image, 56, &[0, 10, 4, 17]);
    for (program, sectors, is_as_by_qemu) in [
        (b"vpc ", 680, true),
        (b"qemu", 680, true),
        (b"qem2", 5000, true),
        (b"win ", 5000, true),
        (b"d2v ", 5000, true),
        (b"tap\0", 5000, true),
        (b"CTXS", 5000, true),
        // Before version 10 QEMU loses the end of these.
        (b"vs  ", 5000, false),
        (b"vbox", 5000, false),
        (b"wa\0\0", 5000, false),
    ] {
        patch_footer(&mut image, 28, program);
        write(&made.path("image"), &image);
        let ours = made.read().unwrap().bytes.len();
        assert_eq!(ours, sectors * 512, "{program:?}");
        if is_as_by_qemu {
            assert_eq!(ours, made.theirs().len(), "{program:?}");
        }
    }
    // The largest geometry there is says nothing: larger disks have it too.
    patch_footer(&mut image, 28, b"vpc ");
    patch_footer(&mut image, 56, &[0xff, 0xff, 16, 255]);
    write(&made.path("image"), &image);
    assert_eq!(made.assert_same("largest geometry").bytes.len(), 5000 * 512);
}

#[test]
fn raw_is_one_extent() {
    for size in [0, 1, 5000] {
        let data = disk(size);
        let read = crate::disk_image::read(Format::Raw, &data, Limits::default()).unwrap();
        assert_eq!(read.bytes, data);
        assert_eq!(read.extents.len(), size.min(1));
    }
}
