//! Streams of ours to the tools, streams of the tools to ours.

use crate::program::{has, run};
use crate::samples::{PACKED, mixed, pack, pack_by_tool, threads, unpack};
use importd_formats::codec::{Codec, EncodeOptions, Error, encoder};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The tool finds nothing to complain about, and gives the same bytes.
fn assert_read_by_tool(codec: Codec, packed: &[u8], data: &[u8], what: &str) {
    let tool = codec.name();
    run(tool, &["-t"], Path::new("/"), packed);
    let out = run(tool, &["-dc"], Path::new("/"), packed);
    assert!(out == data, "{tool}: {what}");
}

/// With one and with several threads, ours gives these bytes.
fn assert_read(codec: Codec, packed: &[u8], data: &[u8], what: &str) {
    for count in [1, 4] {
        let out = unpack(codec, packed, count);
        let out = out.unwrap_or_else(|error| panic!("{codec:?} {what}: {error}"));
        assert!(out == data, "{codec:?}, {count} threads: {what}");
    }
}

fn assert_tool_reads_every_size(codec: Codec) {
    if !has(&[codec.name()]) {
        return;
    }
    for size in [0, 1, 6, 100_000, 5_000_000] {
        let data = mixed(size);
        for count in [1, 4] {
            let options = EncodeOptions {
                // xz's default takes seconds for the largest.
                level: (codec == Codec::Xz && size > 1_000_000).then_some(1),
                threads: Some(threads(count)),
                ..EncodeOptions::default()
            };
            let packed = pack(codec, &data, options);
            let what = format!("{size} bytes, {count} threads");
            assert_read_by_tool(codec, &packed, &data, &what);
            assert_eq!(unpack(codec, &packed, count).as_ref(), Ok(&data), "{what}");
        }
    }
}

#[test]
fn gzip_reads_every_size_of_ours() {
    assert_tool_reads_every_size(Codec::Gzip);
}

#[test]
fn bzip2_reads_every_size_of_ours() {
    assert_tool_reads_every_size(Codec::Bzip2);
}

#[test]
fn xz_reads_every_size_of_ours() {
    assert_tool_reads_every_size(Codec::Xz);
}

#[test]
fn zstd_reads_every_size_of_ours() {
    assert_tool_reads_every_size(Codec::Zstd);
}

#[test]
fn lz4_reads_every_size_of_ours() {
    assert_tool_reads_every_size(Codec::Lz4);
}

#[test]
fn the_tools_read_every_level_of_ours() {
    let data = mixed(400_000);
    for (codec, levels) in [
        (Codec::Gzip, &[0, 1, 6, 9][..]),
        (Codec::Bzip2, &[1, 2, 5, 9]),
        (Codec::Xz, &[0, 3, 6, 9]),
        (Codec::Zstd, &[-5, 1, 3, 12, 19]),
    ] {
        if !has(&[codec.name()]) {
            continue;
        }
        let mut sizes = Vec::new();
        for level in levels {
            let options = EncodeOptions {
                level: Some(*level),
                threads: Some(threads(2)),
                ..EncodeOptions::default()
            };
            let packed = pack(codec, &data, options);
            assert_read_by_tool(codec, &packed, &data, &format!("level {level}"));
            sizes.push(packed.len());
        }
        assert_ne!(sizes.first(), sizes.last(), "{codec:?} takes no levels");
    }
}

#[test]
fn a_preset_that_xz_does_not_have_is_refused() {
    let options = EncodeOptions {
        level: Some(10),
        ..EncodeOptions::default()
    };
    let result = encoder(Codec::Xz, Vec::new(), options);
    assert_eq!(result.err(), Some(Error::Setup("xz")));
}

#[test]
fn streams_of_every_tool_are_recognised_and_read() {
    let (small, large) = (mixed(6), mixed(400_000));
    for codec in PACKED {
        if !has(&[codec.name()]) {
            continue;
        }
        for level in ["-1", "-9"] {
            let none = pack_by_tool(codec, &[level], b"");
            let [small_packed, large_packed] =
                [&small, &large].map(|data| pack_by_tool(codec, &[level], data));
            for packed in [&none, &small_packed, &large_packed] {
                assert_eq!(Codec::sniff(packed), codec, "{level}");
            }
            assert_read(codec, &none, b"", "nothing");
            assert_read(codec, &small_packed, &small, "small");
            assert_read(codec, &large_packed, &large, "large");
            // One after another, empty ones between.
            let parts = [
                &small_packed,
                &none,
                &large_packed,
                &none,
                &none,
                &small_packed,
            ];
            let data = [&small[..], &large, &small].concat();
            assert_read(
                codec,
                &parts.map(|part| &part[..]).concat(),
                &data,
                "several",
            );
        }
    }
}

#[test]
fn gzip_members_are_read_however_they_are_divided() {
    if !has(&["gzip"]) {
        return;
    }
    // As `pigz -i` and bgzip do: many small members.
    let data = mixed(600_000);
    let members = data
        .chunks(20_000)
        .map(|chunk| pack_by_tool(Codec::Gzip, &["-n"], chunk));
    let members: Vec<u8> = members.flatten().collect();
    assert_read(Codec::Gzip, &members, &data, "many members");
    // Every optional field of RFC 1952, section 2.3: extra, name, comment.
    let plain = pack_by_tool(Codec::Gzip, &["-n"], &data);
    let mut header = plain[..10].to_vec();
    header[3] = 0b1_1100;
    header.extend_from_slice(b"\x06\0BC\x02\0\0\0image.raw\0a comment\0");
    let fields = [&header, &plain[10..]].concat();
    assert_read_by_tool(Codec::Gzip, &fields, &data, "fields");
    assert_read(Codec::Gzip, &fields, &data, "fields");
    if has(&["pigz"]) {
        for arguments in [&["-c", "-i"][..], &["-c", "-p4"], &["-c", "-b128"]] {
            let packed = run("pigz", arguments, Path::new("/"), &data);
            assert_read(Codec::Gzip, &packed, &data, "pigz");
        }
    }
}

#[test]
fn bzip2_blocks_of_every_size_are_read() {
    if !has(&["bzip2"]) {
        return;
    }
    let data = mixed(3_000_000);
    std::thread::scope(|scope| {
        for level in 1..=9 {
            let data = &data;
            scope.spawn(move || {
                let level = format!("-{level}");
                let packed = pack_by_tool(Codec::Bzip2, &[&level], data);
                let out = unpack(Codec::Bzip2, &packed, 4).unwrap();
                assert!(out == *data, "{level}");
            });
        }
    });
}

#[test]
fn xz_streams_of_every_form_are_read() {
    if !has(&["xz"]) {
        return;
    }
    let data = mixed(1_000_000);
    for arguments in [
        &["-T2", "--block-size=100KiB"][..],
        &["-T1"],
        &["-T1", "--block-list=1000,200000,0"],
        &["-0", "--check=none"],
        &["-0", "--check=crc32"],
        &["-0", "--check=sha256"],
        &["--x86", "--lzma2=preset=1"],
        &["--delta=dist=4", "--lzma2=preset=1"],
        &["--lzma2=preset=1,dict=64MiB"],
    ] {
        let packed = pack_by_tool(Codec::Xz, arguments, &data);
        assert_read(Codec::Xz, &packed, &data, &format!("{arguments:?}"));
    }
    let first = pack_by_tool(Codec::Xz, &["-0"], &data[..300_000]);
    let second = pack_by_tool(Codec::Xz, &["-T2", "--block-size=64KiB"], &data[300_000..]);
    // Padding between streams and behind them comes in fours.
    for (between, behind) in [(4, 0), (12, 4), (0, 8), (4096, 4096)] {
        let zeros = [between, behind].map(|length| vec![0; length]);
        let both = [&first, &zeros[0], &second, &zeros[1]].map(|part| &part[..]);
        let what = format!("{between} zeros between, {behind} behind");
        assert_read_by_tool(Codec::Xz, &both.concat(), &data, &what);
        assert_read(Codec::Xz, &both.concat(), &data, &what);
    }
}

/// A frame that means nothing (RFC 8878, section 3.1.2).
fn skippable(number: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap().to_le_bytes();
    [&[0x50 | number, 0x2a, 0x4d, 0x18], &length[..], contents].concat()
}

#[test]
fn zstd_frames_of_every_form_are_read() {
    if !has(&["zstd"]) {
        return;
    }
    let data = mixed(1_000_000);
    for arguments in [
        &["--long=27"][..],
        &["-T4"],
        &["--no-check"],
        &["--fast=5"],
        &["-19"],
        &["--stream-size=1000000"],
    ] {
        let packed = pack_by_tool(Codec::Zstd, arguments, &data);
        assert_read(Codec::Zstd, &packed, &data, &format!("{arguments:?}"));
    }
    let packed = pack_by_tool(Codec::Zstd, &[], &data);
    let (short, long) = (skippable(0, b""), skippable(15, &[7; 300_000]));
    for (what, parts) in [
        ("in front", [&long[..], &packed, &[]]),
        ("behind", [&packed[..], &short, &long]),
        ("several", [&short, &long, &packed]),
    ] {
        let file = parts.concat();
        assert_eq!(Codec::sniff(&file), Codec::Zstd, "{what}");
        assert_read_by_tool(Codec::Zstd, &file, &data, what);
        assert_read(Codec::Zstd, &file, &data, what);
    }
    // More than the reference reads, too.
    let wide = pack_by_tool(Codec::Zstd, &["--long=28"], &data);
    let expected = Error::WindowTooLarge {
        codec: "zstd",
        limit: 128 << 20,
    };
    assert_eq!(unpack(Codec::Zstd, &wide, 1), Err(expected));
}

#[test]
fn lz4_frames_of_every_form_are_read() {
    if !has(&["lz4"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = mixed(1_000_000);
    let mut file = File::create(folder.path().join("file")).unwrap();
    file.write_all(&data).unwrap();
    let mut all = Vec::new();
    for arguments in [
        &["-BD"][..],
        &["-B4"],
        &["-B4", "-BD", "-9"],
        &["-B5", "-BX"],
        &["-B7", "--no-frame-crc"],
        &["--content-size"],
        &["-BD", "-BX", "--content-size", "-12"],
    ] {
        let arguments = [&["-q", "-c"], arguments, &["file"]].concat();
        let packed = run("lz4", &arguments, folder.path(), b"");
        assert_eq!(Codec::sniff(&packed), Codec::Lz4, "{arguments:?}");
        assert_read(Codec::Lz4, &packed, &data, &format!("{arguments:?}"));
        all.extend(packed);
    }
    // Frames of different block sizes one after another.
    assert_read(Codec::Lz4, &all, &data.repeat(7), "all");
}
