//! vmdk images that lie, or are only a part of a disk: each is refused by name.

use crate::disk_hostile_formats::le32;
use crate::disk_image::{Made, disk, write};
use crate::disk_patch::{assert_refused, patched, refusal};
use crate::program::has;
use importd_formats::disk::Format;
use importd_formats::disk::Kind::{Corrupt, TooLarge, Unsupported};

const SIZE: usize = 3 << 20;

#[test]
fn vmdk_that_lies_is_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let image = Made::new(Format::Vmdk, "", &[], &[7; 1 << 20]).bytes();
    let directory = le32(&image, 56) * 512;
    let table = le32(&image, directory) * 512;
    assert_refused(
        Format::Vmdk,
        &image,
        &[
            (&[(0, b"X")], Corrupt, "magic"),
            (&[(0, b"COWD")], Unsupported, "old ESX"),
            (&[(4, &[4])], Unsupported, "version 0x4"),
            (&[(4, &[0])], Unsupported, "version 0x0"),
            (&[(12, &[0xff; 8])], Corrupt, "impossible size"),
            (&[(12, &[0; 8])], Corrupt, "impossible size"),
            (&[(18, &[0x40])], TooLarge, "disk"),
            (&[(17, &[0x40])], TooLarge, "directory"),
            (&[(16, &[0x10])], Corrupt, "directory is not all there"),
            (&[(20, &[0; 8])], Corrupt, "grains"),
            (&[(20, &[3])], Corrupt, "grains"),
            (&[(28, &[0; 8])], Unsupported, "no description"),
            (&[(512, &[0; 10_240])], Unsupported, "no description"),
            (&[(44, &[0; 4])], Corrupt, "number of entries"),
            (&[(44, &[0xff; 4])], Corrupt, "number of entries"),
            (&[(56, &[0; 8])], Corrupt, "inside the header"),
            (&[(56, &[0xff; 7])], Corrupt, "directory is not all there"),
            (&[(56, &[0xff; 8])], Corrupt, "no header where"),
            (&[(75, b"\n")], Corrupt, "as text"),
            (&[(77, &[2])], Unsupported, "compression 0x2"),
            (
                &[(directory, &[0xff; 4])],
                Corrupt,
                "table is not all there",
            ),
            (&[(table, &[0xff; 4])], Corrupt, "beyond the end"),
            (&[(table, &[1, 0, 0, 0])], Corrupt, "inside the header"),
        ],
    );
}

#[test]
fn vmdk_of_several_files_is_refused_by_their_names() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::new(Format::Vmdk, "", &[], &disk(SIZE));
    for (kind, expected) in [
        ("monolithicFlat", "its part \"split-flat.vmdk\""),
        ("twoGbMaxExtentSparse", "its part \"split-s001.vmdk\""),
        ("twoGbMaxExtentFlat", "its part \"split-f001.vmdk\""),
    ] {
        let subformat = format!("subformat={kind}");
        made.qemu_img(&["create", "-f", "vmdk", "-o", &subformat, "split.vmdk", "1M"]);
        let (found, message) = refusal(
            Format::Vmdk,
            &std::fs::read(made.path("split.vmdk")).unwrap(),
        );
        assert!(
            found == Unsupported && message.contains(expected),
            "{message}"
        );
    }
    let part = std::fs::read(made.path("split-s001.vmdk")).unwrap();
    let (found, message) = refusal(Format::Vmdk, &part);
    assert!(
        found == Unsupported && message.contains("no description"),
        "{message}"
    );
    made.qemu_img(&["create", "-f", "vmdk", "-F", "vmdk", "-b", "image", "child"]);
    let (found, message) = refusal(Format::Vmdk, &std::fs::read(made.path("child")).unwrap());
    assert!(
        found == Unsupported && message.contains("its parent \"image\""),
        "{message}"
    );
    let image = made.bytes();
    let two = b"RW 1 SPARSE \"a\"\nRW 1 FLAT \"/etc/shadow\" 0\n";
    let (found, message) = refusal(Format::Vmdk, &patched(&image, &[(512, two)]));
    assert!(
        found == Unsupported && message.contains("\"/etc/shadow\""),
        "{message}"
    );
    let (found, message) = refusal(Format::Vmdk, b"# Disk DescriptorFile\nversion=1\n");
    assert!(
        found == Corrupt && message.contains("names no part"),
        "{message}"
    );
}

#[test]
fn vmdk_packed_grains_that_lie_are_refused() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::new(
        Format::Vmdk,
        "subformat=streamOptimized",
        &[],
        &[7; 1 << 20],
    );
    let image = made.bytes();
    let directory = le32(&image, 56) * 512;
    let table = le32(&image, directory) * 512;
    let grain = le32(&image, table) * 512;
    assert_refused(
        Format::Vmdk,
        &image,
        &[
            (&[(grain, &[1])], Corrupt, "belongs elsewhere"),
            (&[(grain + 8, &[0xff; 4])], Corrupt, "ends early"),
            (&[(grain + 8, &[1, 0, 0, 0])], Corrupt, "does not unpack"),
            (&[(grain + 8, &[0; 4])], Corrupt, "does not unpack"),
            (&[(grain + 12, &[0xff])], Corrupt, "does not unpack"),
            (
                &[(table, &image[table + 4..table + 8])],
                Corrupt,
                "belongs elsewhere",
            ),
            // Grains of 32 KiB, each half of what is packed; of 128 KiB; of 2 GiB.
            (&[(20, &[64, 0])], Corrupt, ""),
            (&[(20, &[0, 1])], Corrupt, ""),
            (&[(20, &[0, 0, 64])], TooLarge, "grain"),
        ],
    );
}

#[test]
fn vmdk_written_in_one_go_has_its_header_at_the_end() {
    if !has(&["qemu-img"]) {
        return;
    }
    let made = Made::new(Format::Vmdk, "subformat=streamOptimized", &[], &disk(SIZE));
    let mut image = made.bytes();
    let theirs = made.theirs();
    // Mark of the footer, the header as it was, mark of the end; then the first one does not know.
    let header = image[..512].to_vec();
    let mut marker = [0; 512];
    marker[12] = 3;
    image.extend(marker);
    image.extend(header);
    image.extend([0; 512]);
    image[56..64].fill(0xff);
    write(&made.path("image"), &image);
    assert!(made.assert_same("header at the end").bytes == theirs);
    let cut = &image[..image.len() - 512];
    let (found, message) = refusal(Format::Vmdk, cut);
    assert!(
        found == Corrupt && message.contains("no header where"),
        "{message}"
    );
}
