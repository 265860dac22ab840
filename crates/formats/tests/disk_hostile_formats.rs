//! vhd, vhdx and vdi images that lie: each is refused by name.

use crate::disk_image::{Made, disk, narrow};
use crate::disk_patch::{Patch, assert_refused, patched, refusal};
use crate::program::has;
use importd_formats::disk::Kind::{Corrupt, TooLarge, Unsupported};
use importd_formats::disk::{Format, Limits};

const SIZE: usize = 3 << 20;

/// A number of 32 bits in an image.
pub(crate) fn le32(image: &[u8], at: usize) -> usize {
    narrow(u32::from_le_bytes(image[at..at + 4].try_into().unwrap()).into())
}

#[test]
fn vdi_that_lies_is_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Vdi, "", &[], &disk(SIZE)).bytes();
    let map = le32(&image, 0x154);
    assert_refused(
        Format::Vdi,
        &image,
        &[
            (&[(0x40, b"x")], Corrupt, "signature"),
            (&[(0x46, &[2])], Unsupported, "version 0x20001"),
            (&[(0x4c, &[3])], Unsupported, "parent"),
            (
                &[(0x4c, &[4]), (0x1b8, &[0xab; 16])],
                Unsupported,
                "UUID abab",
            ),
            (&[(0x1a8, &[1])], Unsupported, "UUID 0100"),
            (&[(0x4c, &[9])], Unsupported, "type 0x9"),
            (&[(0x154, &[0xff; 4])], Corrupt, "map is not all there"),
            (&[(0x158, &[1])], Corrupt, "begin where none can"),
            (&[(0x158, &[0; 4])], Corrupt, "begin where none can"),
            (&[(0x168, &[0, 16])], Corrupt, "sectors"),
            (&[(0x170, &[0xff; 8])], Corrupt, "impossible size"),
            (
                &[(0x170, &[0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
                TooLarge,
                "disk",
            ),
            (&[(0x176, &[1])], Corrupt, "too short"),
            (&[(0x176, &[1]), (0x180, &[0xff; 4])], TooLarge, "map"),
            (&[(0x178, &[0; 4])], Corrupt, "blocks of an impossible"),
            (&[(0x178, &[1])], Corrupt, "blocks of an impossible"),
            (&[(0x17c, &[1])], Unsupported, "more than data"),
            (&[(0x180, &[2, 0])], Corrupt, "too short"),
            (&[(map, &[100, 0, 0, 0])], Corrupt, "beyond the end"),
            (
                &[(map, &[0xfd, 0xff, 0xff, 0xff])],
                Corrupt,
                "beyond the end",
            ),
        ],
    );
}

#[test]
fn vdi_with_zero_blocks_and_small_blocks_reads_as_the_file_says() {
    if !has(&["qemu-img"]) {
        return;
    }
    let data = disk(SIZE);
    let image = Made::new(Format::Vdi, "static=on", &[], &data).bytes();
    let map = le32(&image, 0x154);
    let read = |patches: &[Patch<'_>]| {
        let image = patched(&image, patches);
        let read = crate::disk_image::read(Format::Vdi, &image, Limits::default());
        read.unwrap().bytes
    };
    let zeros = vec![0; 1 << 20];
    for mark in [0xfe, 0xff] {
        let bytes = read(&[(map + 4, &[mark, 0xff, 0xff, 0xff])]);
        assert!(bytes == [&data[..1 << 20], &zeros, &data[2 << 20..]].concat());
    }
    // The first two blocks of half a MiB, the other way around.
    let order: Vec<u8> = [1u32, 0, 2, 3, 4, 5]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let half = 512 << 10;
    let bytes = read(&[(0x178, &[0, 0, 8, 0]), (0x180, &[6]), (map, &order)]);
    assert!(bytes == [&data[half..2 * half], &data[..half], &data[2 * half..]].concat());
}

/// Changes bytes of the structure at an offset, and its checksum, which is the complement of the sum.
fn summed(
    image: &[u8],
    (start, length, sum_at): (usize, usize, usize),
    patches: &[Patch<'_>],
) -> Vec<u8> {
    let mut image = image.to_vec();
    let structure = &mut image[start..start + length];
    for (at, bytes) in patches {
        structure[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    structure[sum_at..sum_at + 4].fill(0);
    let sum: u32 = structure.iter().map(|byte| u32::from(*byte)).sum();
    structure[sum_at..sum_at + 4].copy_from_slice(&(!sum).to_be_bytes());
    image
}

#[test]
fn vhd_that_lies_is_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Vhd, "force_size=on", &[], &disk(SIZE)).bytes();
    let footer = (0, 512, 64);
    let header = (512, 1024, 36);
    let table = narrow(u64::from_be_bytes(image[528..536].try_into().unwrap()));
    assert_refused(
        Format::Vhd,
        &image,
        &[
            (&[(0, b"x")], Corrupt, "not where it belongs"),
            (&[(100, b"x")], Corrupt, "checksum"),
            (&[(512, b"x")], Corrupt, "checksum"),
            (&[(700, b"x")], Corrupt, "checksum"),
            (&[(table, &[0; 4])], Corrupt, "inside the footer"),
            (
                &[(table, &[0xff, 0xff, 0xff, 0xfe])],
                Corrupt,
                "beyond the end",
            ),
        ],
    );
    for (place, patches, kind, text) in [
        (
            footer,
            &[(60usize, &[0u8, 0, 0, 9][..])][..],
            Unsupported,
            "type 0x9",
        ),
        (
            footer,
            &[(60, &[0, 0, 0, 2])],
            Corrupt,
            "not where it belongs",
        ),
        (footer, &[(16, &[0x7f])], Corrupt, "inside the header"),
        (footer, &[(48, &[0x7f])], Corrupt, "too short"),
        (footer, &[(48, &[0xff; 8])], TooLarge, "disk"),
        (header, &[(16, &[0x7f])], Corrupt, "table is not all there"),
        (header, &[(28, &[0; 4])], Corrupt, "too short"),
        (header, &[(32, &[0; 4])], Corrupt, "blocks of an impossible"),
        (
            header,
            &[(32, &[0, 1, 2, 3])],
            Corrupt,
            "blocks of an impossible",
        ),
    ] {
        let (found, message) = refusal(Format::Vhd, &summed(&image, place, patches));
        assert!(
            found == kind && message.contains(text),
            "{patches:x?}: {message}"
        );
    }
}

#[test]
fn fixed_vhd_that_lies_is_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let fixed = Made::new(Format::Vhd, "subformat=fixed", &[], &disk(SIZE)).bytes();
    let (kind, message) = refusal(Format::Vhd, &fixed[512..]);
    assert!(
        kind == Corrupt && message.contains("shorter than the disk"),
        "{message}"
    );
    let (kind, message) = refusal(Format::Vhd, &fixed[..fixed.len() - 1]);
    assert!(
        kind == Corrupt && message.contains("no footer"),
        "{message}"
    );
}

#[test]
fn vhd_children_are_refused_by_the_name_of_their_parent() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Vhd, "force_size=on", &[], &disk(SIZE)).bytes();
    let child = summed(&image, (0, 512, 64), &[(60, &[0, 0, 0, 4])]);
    let name: Vec<u8> = "C:\\parent ü.vhd"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let child = summed(&child, (512, 1024, 36), &[(64, &name)]);
    let (kind, message) = refusal(Format::Vhd, &child);
    let text = r#"its parent "C:\\parent ü.vhd":"#;
    assert!(kind == Unsupported && message.contains(text), "{message}");
}

/// CRC-32C over a structure with its own four bytes as zeros, put there.
fn checksummed(image: &[u8], (start, length): (usize, usize), patches: &[Patch<'_>]) -> Vec<u8> {
    let mut image = image.to_vec();
    let structure = &mut image[start..start + length];
    for (at, bytes) in patches {
        structure[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    structure[4..8].fill(0);
    let mut crc = u32::MAX;
    for byte in &*structure {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let bit = crc & 1;
            crc = (crc >> 1) ^ (0x82f6_3b78 * bit);
        }
    }
    structure[4..8].copy_from_slice(&(!crc).to_le_bytes());
    image
}

/// Where the regions of a vhdx image are: block table, metadata.
fn regions(image: &[u8]) -> (usize, usize) {
    let start = 192 << 10;
    let region = |at: usize| narrow(u64::from_le_bytes(image[at..at + 8].try_into().unwrap()));
    let (one, two) = (start + 16, start + 48);
    if image[one..].starts_with(&[0x66, 0x77, 0xc2, 0x2d]) {
        (region(one + 16), region(two + 16))
    } else {
        (region(two + 16), region(one + 16))
    }
}

#[test]
fn vhdx_that_lies_is_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Vhdx, "", &[], &disk(SIZE)).bytes();
    let (blocks, metadata) = regions(&image);
    let (head, region) = (64 << 10, 192 << 10);
    let items = metadata + (64 << 10);
    let far = [6, 0, 0, 0, 0, 0xff, 0xff, 0x7f];
    assert_refused(
        Format::Vhdx,
        &image,
        &[
            (&[(0, b"x")], Corrupt, "mark"),
            (&[(head, b"x"), (2 * head, b"x")], Corrupt, "headers"),
            (
                &[(head + 99, b"x"), (2 * head + 99, b"x")],
                Corrupt,
                "headers",
            ),
            (
                &[(region, b"x"), (region + head, b"x")],
                Corrupt,
                "region tables",
            ),
            (&[(metadata, b"x")], Corrupt, "metadata without"),
            (&[(metadata + 10, &[0; 2])], Corrupt, "without the size"),
            (&[(metadata + 10, &[0xff; 2])], Corrupt, "too many entries"),
            (
                &[(metadata + 32, &[0xee; 16])],
                Unsupported,
                "must be understood",
            ),
            (
                &[(metadata + 32 + 16, &[0xff; 4])],
                Corrupt,
                "outside their region",
            ),
            (&[(items, &[0; 4])], Corrupt, "blocks of an impossible"),
            (&[(items, &[1])], Corrupt, "blocks of an impossible"),
            (&[(items + 4, &[2])], Unsupported, "its parent \"\""),
            (&[(blocks, &[4])], Corrupt, "state that is none"),
            (&[(blocks, &[7])], Corrupt, "in part"),
            (
                &[(blocks, &[6, 0, 0, 0, 0, 0, 0, 0])],
                Corrupt,
                "inside the header",
            ),
            (&[(blocks, &far)], Corrupt, "beyond the end"),
        ],
    );
}

#[test]
fn vhdx_whose_checksummed_structures_lie_is_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Vhdx, "", &[], &disk(SIZE)).bytes();
    let (head, region) = (64 << 10, 192 << 10);
    let unclean: &[Patch<'_>] = &[(48, &[1; 16])];
    let both = checksummed(&image, (head, 4096), unclean);
    let both = checksummed(&both, (2 * head, 4096), unclean);
    let (kind, message) = refusal(Format::Vhdx, &both);
    assert!(
        kind == Corrupt && message.contains("was not closed cleanly"),
        "{message}"
    );
    for (patches, kind, text) in [
        (
            &[(8usize, &[0xff, 0xff][..])][..],
            Corrupt,
            "too many entries",
        ),
        (&[(8, &[1])], Corrupt, "without block table or metadata"),
        (
            &[(16, &[0xee; 16]), (44, &[1])],
            Unsupported,
            "region that must",
        ),
        (&[(32, &[0; 8])], Corrupt, "not where regions are"),
        (&[(32, &[1])], Corrupt, "not where regions are"),
    ] {
        let first = checksummed(&image, (region, 64 << 10), patches);
        let (found, message) = refusal(Format::Vhdx, &first);
        assert!(
            found == kind && message.contains(text),
            "{patches:x?}: {message}"
        );
    }
}

#[test]
fn vhdx_with_one_whole_copy_of_its_structures_reads_as_the_file_says() {
    if !has(&["qemu-img"]) {
        return;
    }
    let data = disk(SIZE);
    let image = Made::new(Format::Vhdx, "", &[], &data).bytes();
    for patches in [
        &[(64usize << 10, &b"x"[..])][..],
        &[(128 << 10, b"x")],
        &[(192 << 10, b"x")],
        &[(256 << 10, b"x")],
    ] {
        let read =
            crate::disk_image::read(Format::Vhdx, &patched(&image, patches), Limits::default());
        assert!(read.unwrap().bytes == data, "{patches:?}");
    }
    // The older of two headers says nothing, though it says that there is a log.
    let older = checksummed(&image, (64 << 10, 4096), &[(8, &[0; 8]), (48, &[1; 16])]);
    let newer = checksummed(&older, (128 << 10, 4096), &[(8, &[1])]);
    let read = crate::disk_image::read(Format::Vhdx, &newer, Limits::default());
    assert!(read.unwrap().bytes == data);
}
