//! Archives of bsdtar, and of nobody.

#![expect(clippy::disallowed_methods, reason = "fixtures")]

use crate::archive::Archive;
use crate::tar::{Entry, Error, Kind, Limits};
use proptest::prelude::*;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

fn read_all(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, Error> {
    let source = BufReader::with_capacity(7, bytes);
    let mut reader = Archive::new(source, Limits::default())?;
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut contents = Vec::new();
        while let Some(data) = reader.data()? {
            assert_eq!(data.offset, contents.len() as u64);
            contents.extend_from_slice(data.bytes);
        }
        all.push((entry, contents));
    }
    reader.finish()?;
    Ok(all)
}

fn bsdtar(format: &str, folder: &Path) -> Option<Vec<u8>> {
    let output = Command::new("bsdtar")
        .args(["-c", "-f-", "--numeric-owner", "--format", format, "."])
        .current_dir(folder)
        .output();
    let Ok(output) = output else {
        println!("skipped: there is no bsdtar");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{format}: {errors}");
    Some(output.stdout)
}

/// A tree with a file of three names, and everything that needs no root.
fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    std::fs::create_dir(top.join("folder")).unwrap();
    std::fs::write(top.join("folder/file"), "contents").unwrap();
    for name in ["a", "z"] {
        std::fs::hard_link(top.join("folder/file"), top.join(name)).unwrap();
    }
    std::fs::write(top.join("odd"), "12345").unwrap();
    std::os::unix::fs::symlink("folder/file", top.join("link")).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_007);
    let file = std::fs::File::open(top.join("odd")).unwrap();
    file.set_modified(time).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        top.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    folder
}

#[test]
fn every_form_holds_what_is_on_disk() {
    let folder = tree();
    for format in ["newc", "odc", "bin"] {
        let has_fifo = format != "bin";
        if !has_fifo {
            std::fs::remove_file(folder.path().join("fifo")).unwrap();
        }
        let Some(archive) = bsdtar(format, folder.path()) else {
            return;
        };
        let all = read_all(&archive).unwrap();
        let find = |name: &str| {
            let path = |entry: &Entry| entry.path.strip_prefix(b"./").map(<[u8]>::to_vec);
            let found = all.iter().find(|(entry, _)| {
                path(entry).as_deref() == Some(name.as_bytes()) || entry.path == name.as_bytes()
            });
            found.unwrap_or_else(|| panic!("{format}: no {name}"))
        };
        assert_eq!(all.len(), 7 + usize::from(has_fifo), "{format}");
        assert_eq!(find(".").0.kind, Kind::Directory, "{format}");
        assert_eq!(find("link").0.link, b"folder/file", "{format}");
        assert!(!has_fifo || find("fifo").0.kind == Kind::Fifo, "{format}");
        let (odd, contents) = find("odd");
        assert_eq!((odd.size, &contents[..]), (5, &b"12345"[..]), "{format}");
        assert_eq!(odd.mtime.seconds, 1_000_000_007, "{format}");
        assert_eq!(odd.mode, 0o644, "{format}");
        let names: Vec<_> = ["a", "folder/file", "z"].map(find).to_vec();
        let links = names
            .iter()
            .filter(|(entry, _)| entry.kind == Kind::HardLink);
        assert_eq!(links.clone().count(), 2, "{format}");
        let first = names.iter().find(|(entry, _)| entry.kind == Kind::File);
        assert!(
            links
                .clone()
                .all(|(link, _)| link.link == first.unwrap().0.path)
        );
        assert!(
            names.iter().any(|(_, contents)| contents == b"contents"),
            "{format}"
        );
    }
}

/// An entry of the new form.
fn new_entry(magic: &str, name: &str, fields: [u32; 12], contents: &[u8]) -> Vec<u8> {
    let mut bytes = magic.as_bytes().to_vec();
    for (index, field) in fields.into_iter().enumerate() {
        if index == 11 {
            bytes.extend(format!("{:08X}", name.len() + 1).bytes());
        }
        bytes.extend(format!("{field:08X}").bytes());
    }
    bytes.extend(name.bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Number, mode, owner, group, links, time, size, two of the file system, two of the device, sum.
fn fields(mode: u32, size: usize) -> [u32; 12] {
    let size = u32::try_from(size).unwrap();
    [7, mode, 0, 0, 1, 0, size, 8, 1, 0, 0, 0]
}

fn trailer() -> Vec<u8> {
    new_entry("070701", "TRAILER!!!", fields(0, 0), b"")
}

fn archive_of(name: &str, fields: [u32; 12], contents: &[u8]) -> Vec<u8> {
    [new_entry("070701", name, fields, contents), trailer()].concat()
}

#[test]
fn sockets_and_devices_and_their_numbers_are_read() {
    let mut device = fields(0o060_640, 0);
    (device[9], device[10]) = (259, 70_000);
    let all = read_all(&archive_of("disk", device, b"")).unwrap();
    assert_eq!(all[0].0.kind, Kind::BlockDevice);
    assert_eq!(all[0].0.device, (259, 70_000));
    let all = read_all(&archive_of("s", fields(0o140_777, 0), b"")).unwrap();
    assert_eq!(all[0].0.kind, Kind::Socket);
}

#[test]
fn sums_of_contents_are_compared() {
    for (sum, is_right) in [(u32::from(b'a') + u32::from(b'b'), true), (1, false)] {
        let mut told = fields(0o100_644, 2);
        told[11] = sum;
        let bytes = [new_entry("070702", "f", told, b"ab"), trailer()].concat();
        assert_eq!(read_all(&bytes).is_ok(), is_right);
        // Also of contents that nobody reads.
        let mut reader = Archive::new(&bytes[..], Limits::default()).unwrap();
        assert!(reader.next_entry().unwrap().is_some());
        assert_eq!(reader.finish().is_ok(), is_right);
    }
}

#[test]
fn cuts_and_what_follows_the_end_are_noticed() {
    let whole = archive_of("file", fields(0o100_644, 5), b"12345");
    for cut in 1..whole.len() {
        let result = read_all(&whole[..cut]);
        assert!(result.is_err(), "{cut}: {result:?}");
    }
    let padded = [&whole[..], &[0; 600]].concat();
    assert_eq!(read_all(&padded).unwrap().len(), 1);
    let two = [&whole[..], &[0; 512], &whole[..]].concat();
    assert!(matches!(read_all(&two), Err(Error::TrailingData)));
}

#[test]
fn what_is_damaged_or_too_long_is_refused() {
    let mut bad_digit = archive_of("file", fields(0o100_644, 0), b"");
    bad_digit[20] = b'g';
    let mut long_name = archive_of("file", fields(0o100_644, 0), b"");
    long_name[94..102].copy_from_slice(b"7FFFFFFF");
    let mut no_name = archive_of("file", fields(0o100_644, 0), b"");
    no_name[94..102].copy_from_slice(b"00000000");
    for (what, bytes) in [
        ("a digit", bad_digit),
        ("a name", long_name),
        ("no name", no_name),
        ("a NUL", archive_of("a\0b", fields(0o100_644, 0), b"")),
        ("a type", archive_of("a", fields(0o170_000, 0), b"")),
        (
            "a folder's contents",
            archive_of("a", fields(0o040_755, 4), b"1234"),
        ),
        (
            "a target's NUL",
            archive_of("a", fields(0o120_777, 2), b"a\0"),
        ),
        ("a target", archive_of("a", fields(0o120_777, 1 << 30), b"")),
    ] {
        assert!(read_all(&bytes).is_err(), "{what}");
    }
}

#[test]
fn a_tar_archive_whose_first_name_looks_like_cpio_is_one_of_tar() {
    let mut writer = crate::tar::Writer::new(Vec::new());
    let entry = Entry::new(b"070701-notes".to_vec(), Kind::File);
    writer.begin(&entry, None).unwrap();
    writer.end_entry().unwrap();
    let all = read_all(&writer.finish().unwrap()).unwrap();
    assert_eq!(all[0].0.path, b"070701-notes");
}

proptest! {
    #[test]
    fn damaged_archives_end_in_an_error_or_in_entries(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = archive_of("folder/file", fields(0o100_644, 9), b"contents!");
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        for (entry, contents) in read_all(&bytes).unwrap_or_default() {
            prop_assert!(contents.len() as u64 <= entry.size || entry.kind == Kind::Symlink);
        }
    }
}
