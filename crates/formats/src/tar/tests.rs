//! Archives of real programs, of our own, and of nobody in their right mind.

#![expect(clippy::disallowed_methods, reason = "fixtures")]

use super::*;
use proptest::prelude::*;
use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

fn entry(path: &str, kind: Kind) -> Entry {
    Entry {
        mode: 0o644,
        ..Entry::new(path.into(), kind)
    }
}

/// Every entry with its contents, holes filled with zeros.
fn read_all(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    // Blocks and contents do not end where buffers do.
    let source = BufReader::with_capacity(1000, archive);
    let mut reader = Reader::new(source, Limits::default());
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let length = usize::try_from(entry.size).unwrap().min(16 << 20);
        let mut contents = vec![0; length];
        while let Some(data) = reader.data()? {
            let offset = usize::try_from(data.offset).unwrap();
            contents[offset..][..data.bytes.len()].copy_from_slice(data.bytes);
        }
        all.push((entry, contents));
    }
    reader.finish()?;
    Ok(all)
}

fn write_all(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, contents) in entries {
        writer.begin(entry, None).unwrap();
        writer.write_data(contents).unwrap();
        writer.end_entry().unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn contents_are_where_they_are_said_to_be() {
    let files = [("a", &b"first"[..]), ("b", b""), ("c", &[7; 1024])];
    let entries: Vec<_> = files
        .iter()
        .map(|(path, contents)| {
            let mut entry = entry(path, Kind::File);
            entry.size = contents.len() as u64;
            (entry, contents.to_vec())
        })
        .collect();
    let archive = write_all(&entries);
    let mut reader = Reader::new(std::io::Cursor::new(&archive), Limits::default());
    for (_, contents) in &entries {
        reader.next_entry().unwrap().unwrap();
        let extent = reader.pass_contents().unwrap();
        let offset = usize::try_from(extent.offset).unwrap();
        let length = usize::try_from(extent.length).unwrap();
        assert_eq!(&archive[offset..][..length], contents);
    }
    assert!(reader.next_entry().unwrap().is_none());
    reader.finish().unwrap();
}

fn run(program: &str, arguments: &[&str], folder: &Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feed = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().ok();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    assert_eq!(errors, "", "{program} {arguments:?}");
    output.stdout
}

#[test]
fn archives_of_every_dialect_of_gnu_tar_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join("folder")).unwrap();
    std::fs::write(tree.join("folder/file"), "contents").unwrap();
    std::fs::hard_link(tree.join("folder/file"), tree.join("second")).unwrap();
    std::os::unix::fs::symlink("../target", tree.join("link")).unwrap();
    for format in ["v7", "ustar", "oldgnu", "gnu", "posix"] {
        let format = format!("--format={format}");
        let arguments = ["-c", "--sort=name", "--numeric-owner", &format, "tree"];
        let archive = run("tar", &arguments, folder.path(), b"");
        let all = read_all(&archive).unwrap();
        let seen: Vec<_> = all
            .iter()
            .map(|(entry, _)| (String::from_utf8_lossy(&entry.path), entry.kind))
            .collect();
        let expected = [
            ("tree/".into(), Kind::Directory),
            ("tree/folder/".into(), Kind::Directory),
            ("tree/folder/file".into(), Kind::File),
            ("tree/link".into(), Kind::Symlink),
            ("tree/second".into(), Kind::HardLink),
        ];
        assert_eq!(seen, expected, "{format}");
        assert_eq!(all[2].1, b"contents", "{format}");
        assert_eq!(all[3].0.link, b"../target", "{format}");
        assert_eq!(all[4].0.link, b"tree/folder/file", "{format}");
    }
}

#[test]
fn long_names_and_large_numbers_of_every_dialect_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{0}/{0}", "n".repeat(200));
    std::fs::create_dir(folder.path().join("n".repeat(200))).unwrap();
    std::fs::write(folder.path().join(&long), "x").unwrap();
    std::os::unix::fs::symlink(&long, folder.path().join("link")).unwrap();
    for format in ["gnu", "posix"] {
        let format = format!("--format={format}");
        let arguments = [
            "-c",
            &format,
            "--owner=:3000000000",
            "--group=:3000000001",
            "--mtime=@-1.25",
            &long,
            "link",
        ];
        let all = read_all(&run("tar", &arguments, folder.path(), b"")).unwrap();
        assert_eq!(all[0].0.path, long.as_bytes(), "{format}");
        assert_eq!((all[0].0.uid, all[0].0.gid), (3_000_000_000, 3_000_000_001));
        assert_eq!(all[0].0.mtime.seconds, -2, "{format}");
        assert_eq!(all[1].0.link, long.as_bytes(), "{format}");
    }
}

#[test]
fn sparse_files_of_every_version_have_their_holes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let file = std::fs::File::create(&path).unwrap();
    let mut expected = vec![0u8; 2 << 20];
    for index in 0..30usize {
        let offset = index * 65536;
        expected[offset..][..4096].fill(1 + u8::try_from(index).unwrap());
        std::os::unix::fs::FileExt::write_all_at(&file, &expected[offset..][..4096], offset as u64)
            .unwrap();
    }
    file.set_len(expected.len() as u64).unwrap();
    for arguments in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let arguments = [&["-c", "--sparse"], arguments, &["sparse"]].concat();
        let archive = run("tar", &arguments, folder.path(), b"");
        assert!(archive.len() < 200_000, "{arguments:?}: {}", archive.len());
        let all = read_all(&archive).unwrap();
        assert_eq!(all[0].0.path, b"sparse", "{arguments:?}");
        assert!(all[0].0.sparse && all[0].1 == expected, "{arguments:?}");
    }
}

/// One entry of each kind, with everything a pax header can say.
fn zoo() -> Vec<(Entry, Vec<u8>)> {
    let mut file = entry("./ü/file", Kind::File);
    file.size = 3;
    file.mode = 0o6755;
    file.xattrs = vec![(b"user.a=b".to_vec(), vec![0, 10, 255])];
    file.acl_access = Some(b"user::rwx,group::r-x,other::r-x".to_vec());
    let mut folder = entry("./ü/", Kind::Directory);
    folder.acl_default = file.acl_access.clone();
    folder.file_flags = Some(b"nodump".to_vec());
    let mut link = entry("./link", Kind::Symlink);
    link.link = b"x".repeat(300);
    link.uid = u32::MAX - 1;
    let mut second = entry("./second", Kind::HardLink);
    second.link = b"./\xfc/file".to_vec();
    second.mtime = Timestamp {
        seconds: -5,
        nanoseconds: 1,
    };
    let mut device = entry("./device", Kind::CharDevice);
    device.device = (511, 0xf_ffff);
    let long = entry(&format!("./{}", "component/".repeat(30)), Kind::Directory);
    let mut odd = entry("./name", Kind::Fifo);
    odd.path = [b"./\xff\n".repeat(60), b"x".to_vec()].concat();
    [folder, file, link, second, device, long, odd]
        .map(|entry| match entry.kind {
            Kind::File => (entry, b"abc".to_vec()),
            _ => (entry, Vec::new()),
        })
        .to_vec()
}

#[test]
fn what_is_written_is_read_again_here_and_elsewhere() {
    let archive = write_all(&zoo());
    assert_eq!(archive.len() % 10240, 0);
    assert_eq!(read_all(&archive).unwrap(), zoo());
    let folder = tempfile::tempdir().unwrap();
    let list = run("bsdtar", &["-tf", "-"], folder.path(), &archive);
    assert_eq!(list.split(|byte| *byte == b'\n').count(), zoo().len() + 1);
    let arguments = ["-t", "--warning=no-unknown-keyword"];
    let list = run("tar", &arguments, folder.path(), &archive);
    assert_eq!(list.split(|byte| *byte == b'\n').count(), zoo().len() + 1);
}

#[test]
fn holes_are_written_for_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = vec![0; 100_000];
    expected[512..1024].fill(1);
    expected[70_000..80_000].fill(2);
    for extents in [&[(512, 512), (70_000, 10_000)][..], &[]] {
        let extents: Vec<Extent> = extents
            .iter()
            .map(|&(offset, length)| Extent { offset, length })
            .collect();
        if extents.is_empty() {
            expected.fill(0);
        }
        let mut file = entry("./sparse", Kind::File);
        file.size = expected.len() as u64;
        file.sparse = true;
        let mut writer = Writer::new(Vec::new());
        writer.begin(&file, Some(&extents)).unwrap();
        for extent in &extents {
            let offset = usize::try_from(extent.offset).unwrap();
            let length = usize::try_from(extent.length).unwrap();
            writer.write_data(&expected[offset..][..length]).unwrap();
        }
        writer.end_entry().unwrap();
        let archive = writer.finish().unwrap();
        assert_eq!(read_all(&archive).unwrap(), [(file, expected.clone())]);
        for program in ["tar", "bsdtar"] {
            run(program, &["-xf", "-"], folder.path(), &archive);
            assert!(
                std::fs::read(folder.path().join("sparse")).unwrap() == expected,
                "{program}"
            );
        }
    }
}

#[test]
fn a_cut_anywhere_is_noticed() {
    let archive = write_all(&zoo());
    let end = archive.len() - archive.iter().rev().take_while(|byte| **byte == 0).count();
    let end = end.next_multiple_of(BLOCK_BYTES);
    for cut in 0..end + BLOCK_BYTES {
        assert!(read_all(&archive[..cut]).is_err(), "{cut}");
    }
    assert!(matches!(read_all(&archive[..end]), Err(Error::MissingEnd)));
    // Half an end is what some old programs write.
    assert!(read_all(&archive[..end + BLOCK_BYTES]).is_ok());
    for junk in [end + BLOCK_BYTES, end + 2 * BLOCK_BYTES, archive.len()] {
        let bytes = [&archive[..junk], &[0; 70_000], b"x"].concat();
        assert!(
            matches!(read_all(&bytes), Err(Error::TrailingData)),
            "{junk}"
        );
    }
    let two = [archive.as_slice(), &archive].concat();
    assert!(matches!(read_all(&two), Err(Error::TrailingData)));
}

#[test]
fn what_is_no_archive_is_named() {
    for (bytes, name) in [
        (&b""[..], "it is empty"),
        (b"\x1f\x8b\x08", "it is gzip data inside"),
        (b"<!DOCTYPE html>", "it is a web page"),
        (&[b'x'; 2000], "unrecognized format"),
        (
            &[b"PK\x03\x04\x14\0".as_slice(), &[1; 2000]].concat(),
            "it is a zip file; unpack it first with 'unzip'",
        ),
    ] {
        let error = read_all(bytes).unwrap_err();
        assert!(
            matches!(error, Error::NotAnArchive(what) if what == name),
            "{error}"
        );
    }
    assert_eq!(read_all(&[0; 10240]).unwrap(), []);
}

/// A header block, with its checksum mended after the change.
fn mended(archive: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = archive.to_vec();
    change(&mut bytes);
    let block = &mut bytes[..BLOCK_BYTES];
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

fn pax(text: &[u8], of: &[u8]) -> Vec<u8> {
    let mut header = entry("pax", Kind::File);
    header.size = text.len() as u64;
    let archive = write_all(&[(header, text.to_vec())]);
    let length = BLOCK_BYTES + text.len().next_multiple_of(BLOCK_BYTES);
    let archive = mended(&archive, |block| block[156] = b'x');
    [&archive[..length], of].concat()
}

#[test]
fn what_readers_disagree_about_is_refused() {
    let mut file = entry("file", Kind::File);
    file.size = 1024;
    let plain = write_all(&[(file, vec![b'x'; 1024])]);
    let letter = |letter| mended(&plain, |block| block[156] = letter);
    for (what, archive) in [
        ("contents of a link", letter(b'2')),
        ("contents of a hard link", letter(b'1')),
        ("contents of a folder", letter(b'5')),
        ("another volume", letter(b'M')),
        ("a Solaris access list", letter(b'A')),
        (
            "another volume in pax words",
            pax(b"24 GNU.volume.offset=512\n", &plain),
        ),
        ("two sizes", pax(b"12 size=512\n", &plain)),
        ("a number too large", pax(b"18 uid=4294967296\n", &plain)),
        (
            "sparse without a map",
            pax(b"22 GNU.sparse.major=1\n", &plain),
        ),
        (
            "pax header, then the end",
            pax(b"11 path=abc\n", &[0; 1024]),
        ),
        (
            "a size beyond the end",
            mended(&plain, |block| block[124..136].fill(b'7')),
        ),
        (
            "a negative size",
            mended(&plain, |block| block[124..136].fill(0xff)),
        ),
    ] {
        assert!(read_all(&archive).is_err(), "{what}");
    }
    // One size is no disagreement, and an unknown letter is a file.
    assert_eq!(
        read_all(&pax(b"13 size=1024\n", &plain)).unwrap()[0]
            .1
            .len(),
        1024
    );
    assert_eq!(read_all(&letter(b'Q')).unwrap()[0].0.kind, Kind::File);
    // A volume's label is nothing, with or without contents.
    assert_eq!(read_all(&letter(b'V')).unwrap(), []);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_held() {
    let limits = Limits {
        path_bytes: 100,
        pax_bytes: 100,
        global_bytes: 100,
        attributes: 1,
        extents: 1,
    };
    for (header, what) in [(b'x', "pax header"), (b'g', "pax header"), (b'L', "path")] {
        // The header says so; the reader must not wait for the bytes.
        let archive = write_all(&[(entry("long", Kind::File), Vec::new())]);
        let block = mended(&archive, |block| {
            block[156] = header;
            block[124..136].copy_from_slice(b"77777777777\0");
        });
        let mut reader = Reader::new(block.as_slice(), limits);
        let error = reader.next_entry().unwrap_err();
        assert!(
            matches!(error, Error::TooLong { what: said, .. } if said == what),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_entry_round_trips(
        path in prop::collection::vec(1u8..=255, 1..400),
        numbers: (u32, u32, u32),
        (seconds, nanoseconds) in (any::<i64>(), 0u32..1_000_000_000),
        xattrs in prop::collection::btree_map(
            prop::collection::vec(1u8..=255, 1..40),
            prop::collection::vec(any::<u8>(), 0..100),
            0..4,
        ),
        contents in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        prop_assume!(!path.ends_with(b"/"));
        let mut file = entry("", Kind::File);
        file.path = path;
        (file.mode, file.uid, file.gid) = (numbers.0 & 0o7777, numbers.1, numbers.2);
        file.mtime = Timestamp { seconds, nanoseconds };
        file.xattrs = xattrs.into_iter().collect();
        file.size = contents.len() as u64;
        let all = [(file, contents)];
        prop_assert_eq!(read_all(&write_all(&all)).unwrap(), all);
    }

    #[test]
    fn damaged_archives_end_in_an_error_or_in_entries(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        mends: bool,
    ) {
        let mut archive = write_all(&zoo());
        for (index, byte) in damage {
            let index = index.index(archive.len());
            archive[index] = byte;
        }
        if mends {
            archive = mended(&archive, |_| ());
        }
        for (entry, contents) in read_all(&archive).unwrap_or_default() {
            prop_assert!(contents.len() as u64 <= entry.size);
        }
    }
}
