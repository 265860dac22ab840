//! Archives of GNU tar and bsdtar against the tree that was archived, and ours through them.

use crate::fixture::{Level, fill, is_possible, set_nodump};
use crate::program::{has, run};
use crate::tree::{Found, Tree, assert_same, joined, walk};
use importd_formats::tar::{Entry, Extent, Kind, Limits, Reader, Timestamp, Writer, acl, flags};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use tempfile::TempDir;

const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";
/// Length of an access list for owner, group and others, in bytes.
const MINIMAL: usize = 4 + 3 * 8;

fn tree_of(level: Level) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), level);
    folder
}

/// Reads an archive into a tree.
fn read(archive: &[u8], what: &str) -> Tree {
    let source = BufReader::with_capacity(5000, archive);
    let mut reader = Reader::new(source, Limits::default());
    let mut tree = Tree::new();
    let next = |reader: &mut Reader<_>| {
        let entry = reader.next_entry();
        entry.unwrap_or_else(|error| panic!("{what}: {error}"))
    };
    while let Some(entry) = next(&mut reader) {
        let name = normal(&entry.path);
        let found = match entry.kind {
            Kind::HardLink => tree[&normal(&entry.link)].clone(),
            _ => read_entry(&mut reader, &entry, &name),
        };
        assert!(tree.insert(name, found).is_none(), "{what}: twice");
    }
    reader.finish().unwrap();
    name_first(&mut tree);
    tree
}

fn normal(path: &[u8]) -> Vec<u8> {
    let parts = importd_formats::tar::path::components(path, usize::MAX).unwrap();
    parts.join(&b'/')
}

/// Every name of a file gets the first of them.
fn name_first(tree: &mut Tree) {
    let mut first: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (name, found) in tree {
        let first = first.entry(found.first_name.clone());
        found.first_name = first.or_insert_with(|| name.clone()).clone();
    }
}

fn read_entry(reader: &mut Reader<BufReader<&[u8]>>, entry: &Entry, name: &[u8]) -> Found {
    let mut contents = vec![0; usize::try_from(entry.size).unwrap()];
    let mut pieces = Vec::new();
    while let Some(data) = reader.data().unwrap() {
        let offset = usize::try_from(data.offset).unwrap();
        contents[offset..][..data.bytes.len()].copy_from_slice(data.bytes);
        pieces.push(Extent {
            offset: data.offset,
            length: data.bytes.len() as u64,
        });
    }
    let mut xattrs: BTreeMap<_, _> = entry.xattrs.iter().cloned().collect();
    for (name, text) in [(ACCESS, &entry.acl_access), (DEFAULT, &entry.acl_default)] {
        if let Some(text) = text {
            let list = acl::text_to_xattr(text).unwrap();
            assert!(list.unresolved.is_empty());
            // A list of three entries says what the mode says; the kernel keeps none.
            if list.bytes.len() > MINIMAL {
                xattrs.insert(name.to_vec(), list.bytes);
            }
        }
    }
    Found {
        kind: entry.kind,
        mode: entry.mode,
        owner: (entry.uid, entry.gid),
        mtime: (entry.mtime.seconds, entry.mtime.nanoseconds),
        link: entry.link.clone(),
        device: entry.device,
        xattrs,
        flags: entry.file_flags.as_deref().map_or(0, flags::from_text),
        contents,
        extents: entry.sparse.then(|| joined(&pieces)),
        first_name: name.to_vec(),
    }
}

/// The tree as an archive holds it that keeps less.
fn without(tree: &Tree, forget: impl Fn(&mut Found)) -> Tree {
    let mut tree = tree.clone();
    tree.values_mut().for_each(forget);
    tree
}

#[test]
fn every_format_of_gnu_tar_holds_what_is_on_disk() {
    if !is_possible() || !has(&["tar"]) {
        return;
    }
    let attributes = ["--xattrs", "--xattrs-include=*", "--acls"];
    for (level, format, options) in [
        (Level::V7, "v7", &[][..]),
        (Level::Ustar, "ustar", &[]),
        (Level::Gnu, "oldgnu", &[]),
        (Level::Gnu, "oldgnu", &["--sparse"]),
        (Level::Gnu, "gnu", &[]),
        (Level::Gnu, "gnu", &["--sparse"]),
        (Level::Pax, "posix", &attributes),
    ] {
        let folder = tree_of(level);
        let format = format!("--format={format}");
        let fixed = ["-c", &format, "--numeric-owner"];
        let arguments = [&fixed, options, &["."]].concat();
        let archive = run("tar", &arguments, folder.path(), b"");
        let expected = without(&walk(folder.path()), |found| {
            if options != ["--sparse"] {
                found.extents = None;
            }
        });
        let what = format!("{format} {options:?}");
        assert_same(&expected, &read(&archive, &what), &what);
    }
}

#[test]
fn every_version_of_sparse_files_of_gnu_tar_holds_what_is_on_disk() {
    if !is_possible() || !has(&["tar"]) {
        return;
    }
    let folder = tree_of(Level::Pax);
    let expected = walk(folder.path());
    assert!(
        expected
            .values()
            .filter(|found| found.extents.is_some())
            .count()
            == 4
    );
    for version in ["0.0", "0.1", "1.0"] {
        for holes in ["seek", "raw"] {
            let version = format!("--sparse-version={version}");
            let holes = format!("--hole-detection={holes}");
            let arguments = [
                "-c",
                "--format=posix",
                "--sparse",
                "--xattrs",
                "--xattrs-include=*",
                "--acls",
                &version,
                &holes,
                ".",
            ];
            let archive = run("tar", &arguments, folder.path(), b"");
            assert_same(&expected, &read(&archive, &version), &version);
        }
    }
}

#[test]
fn labels_and_headers_for_all_entries_change_no_entry() {
    if !is_possible() || !has(&["tar"]) {
        return;
    }
    let folder = tree_of(Level::Ustar);
    let expected = walk(folder.path());
    for arguments in [
        &["--format=gnu", "--label=a label"][..],
        &["--format=posix", "--label=a label"],
        &["--format=posix", "--pax-option=comment=for all"],
        &["--format=posix", "--pax-option=delete=atime,delete=ctime"],
        &["--format=posix", "--pax-option=exthdr.name=%f/%p"],
        &["--format=gnu", "--blocking-factor=1"],
        &["--format=gnu", "--blocking-factor=2000"],
    ] {
        let arguments = [&["-c"], arguments, &["."]].concat();
        let archive = run("tar", &arguments, folder.path(), b"");
        let what = format!("{arguments:?}");
        let found = read(&archive, &what);
        let found = without(&found, |found| found.mtime.1 = 0);
        assert_same(&expected, &found, &what);
    }
}

#[test]
fn every_format_of_bsdtar_holds_what_is_on_disk() {
    if !is_possible() || !has(&["bsdtar"]) {
        return;
    }
    for (level, format) in [
        (Level::Ustar, "ustar"),
        (Level::Gnu, "gnutar"),
        (Level::PaxAfter1970, "pax"),
    ] {
        let folder = tree_of(level);
        let top = folder.path();
        let keeps_all = level == Level::PaxAfter1970;
        if keeps_all {
            set_nodump(&top.join("noted"));
        }
        let mut arguments = vec!["-c", "-f-", "--format", format, "--numeric-owner"];
        if keeps_all {
            arguments.extend(["--xattrs", "--acls", "--fflags"]);
        }
        arguments.push(".");
        let archive = run("bsdtar", &arguments, top, b"");
        let expected = without(&walk(top), |found| {
            if !keeps_all {
                found.extents = None;
                // Its writers of these formats keep to eleven octal digits.
                found.mtime.0 = found.mtime.0.clamp(0, 0o777_7777_7777);
            }
        });
        assert_same(&expected, &read(&archive, format), format);
    }
}

fn entry(name: &[u8], found: &Found) -> Entry {
    let is_second = found.first_name != name;
    let text = |name: &[u8]| {
        let list = found.xattrs.get(name);
        list.map(|list| acl::xattr_to_text(list).unwrap())
    };
    let others = found.xattrs.iter();
    let others = others.filter(|(name, _)| ![ACCESS, DEFAULT].contains(&&name[..]));
    Entry {
        path: match found.kind {
            Kind::Directory if name.is_empty() => b"./".to_vec(),
            Kind::Directory => [b"./", name, b"/"].concat(),
            _ => [b"./", name].concat(),
        },
        kind: match is_second {
            true => Kind::HardLink,
            false => found.kind,
        },
        mode: found.mode,
        uid: found.owner.0,
        gid: found.owner.1,
        user: Vec::new(),
        group: Vec::new(),
        mtime: Timestamp {
            seconds: found.mtime.0,
            nanoseconds: found.mtime.1,
        },
        link: match is_second {
            true => [b"./", &found.first_name[..]].concat(),
            false => found.link.clone(),
        },
        size: match is_second {
            true => 0,
            false => found.contents.len() as u64,
        },
        device: found.device,
        xattrs: others
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        acl_access: text(ACCESS),
        acl_default: text(DEFAULT),
        file_flags: flags::to_text(found.flags),
        sparse: !is_second && found.extents.is_some(),
        lost_nfs4_acl: false,
    }
}

/// Writes a tree as an archive.
fn write(tree: &Tree) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, found) in tree {
        let entry = entry(name, found);
        let whole = [(0, entry.size)];
        let extents = found.extents.as_deref().filter(|_| entry.sparse);
        let map: Option<Vec<Extent>> = extents.map(|extents| {
            let extents = extents.iter().copied();
            extents
                .map(|(offset, length)| Extent { offset, length })
                .collect()
        });
        writer.begin(&entry, map.as_deref()).unwrap();
        for (offset, length) in extents.unwrap_or(&whole) {
            let [start, length] = [*offset, *length].map(|number| usize::try_from(number).unwrap());
            writer
                .write_data(&found.contents[start..][..length])
                .unwrap();
        }
        writer.end_entry().unwrap();
    }
    writer.finish().unwrap()
}

/// Our archive of the tree on disk, by its names and unpacked by a program.
fn assert_unpacked(program: &str, pax: Level, list: &[&str], unpack: &[&str]) {
    if !is_possible() || !has(&[program]) {
        return;
    }
    for level in [Level::V7, Level::Ustar, Level::Gnu, pax] {
        let folder = tree_of(level);
        set_nodump(&folder.path().join("program"));
        let expected = walk(folder.path());
        let archive = write(&expected);
        assert_same(&expected, &read(&archive, "ours"), "ours");
        let names = run(program, list, Path::new("/"), &archive);
        let names: Vec<&[u8]> = names.split(|byte| *byte == b'\n').collect();
        for (name, found) in &expected {
            // Others are shown in some form of its own.
            if name.is_ascii() && !name.contains(&b'\n') {
                let path = entry(name, found).path;
                assert!(names.contains(&&path[..]), "{}", path.escape_ascii());
            }
        }
        let out = tempfile::tempdir().unwrap();
        run(program, unpack, out.path(), &archive);
        let mut found = walk(out.path());
        if program == "bsdtar" {
            // It leaves the time of the folder in which it stands.
            found.get_mut(&b""[..]).unwrap().mtime = expected[&b""[..]].mtime;
        }
        let expected = without(&expected, |found| {
            if program == "tar" {
                // It does not know of inode flags.
                found.flags = 0;
            }
        });
        assert_same(&expected, &found, &format!("{program} {level:?}"));
    }
}

#[test]
fn gnu_tar_lists_and_unpacks_ours() {
    let list = [
        "-t",
        "--quoting-style=literal",
        "--warning=no-unknown-keyword",
    ];
    let unpack = [
        "-xp",
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "--warning=no-unknown-keyword",
    ];
    assert_unpacked("tar", Level::Pax, &list, &unpack);
}

#[test]
fn bsdtar_lists_and_unpacks_ours() {
    let unpack = [
        "-xp",
        "-f-",
        "--numeric-owner",
        "--xattrs",
        "--acls",
        "--fflags",
    ];
    assert_unpacked("bsdtar", Level::PaxAfter1970, &["-tf-"], &unpack);
}

#[test]
fn sizes_beyond_eleven_octal_digits_are_read_and_written() {
    const OFFSET: u64 = 9 << 30;
    const SIZE: u64 = 10 << 30;
    if !has(&["tar", "bsdtar"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("large")).unwrap();
    file.set_len(SIZE).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 4096], OFFSET).unwrap();
    for options in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let arguments = [&["-c", "--sparse"], options, &["large"]].concat();
        let archive = run("tar", &arguments, folder.path(), b"");
        let mut reader = Reader::new(&archive[..], Limits::default());
        let entry = reader.next_entry().unwrap().unwrap();
        assert_eq!(entry.size, SIZE, "{options:?}");
        let data = reader.data().unwrap().unwrap();
        assert_eq!(
            (data.offset, data.bytes),
            (OFFSET, &[7; 4096][..]),
            "{options:?}"
        );
        assert_eq!(reader.data().unwrap(), None, "{options:?}");
        reader.finish().unwrap();
        // The same entry from us.
        let extent = Extent {
            offset: OFFSET,
            length: 4096,
        };
        let mut writer = Writer::new(Vec::new());
        writer.begin(&entry, Some(&[extent])).unwrap();
        writer.write_data(&[7; 4096]).unwrap();
        writer.end_entry().unwrap();
        let ours = writer.finish().unwrap();
        for (program, list) in [("tar", &["-tv"][..]), ("bsdtar", &["-tvf-"])] {
            let list = run(program, list, folder.path(), &ours);
            let list = String::from_utf8(list).unwrap();
            assert!(list.contains(" 10737418240 "), "{program}: {list}");
        }
    }
}

/// The attributes of a file as a program archives them, and as they are.
fn archived_attributes(program: &str, names: &[&str]) -> [BTreeMap<Vec<u8>, Vec<u8>>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::File::create(&file).unwrap();
    for name in names {
        crate::tree::set_xattr(&file, name, name.as_bytes());
    }
    let arguments = match program {
        "tar" => &[
            "-c",
            "--format=posix",
            "--xattrs",
            "--xattrs-include=*",
            "file",
        ][..],
        _ => &["-c", "-f-", "--format=pax", "--xattrs", "file"],
    };
    let archive = run(program, arguments, folder.path(), b"");
    let trees = [read(&archive, program), walk(folder.path())];
    trees.map(|tree| tree[&b"file"[..]].xattrs.clone())
}

#[test]
fn attributes_have_the_names_that_their_writers_encoded() {
    let names = [
        "user.a=b",
        "user.c%d",
        "user.e%3Df",
        "user.g%25",
        "user.h i",
        "user.\u{fc}",
    ];
    for program in ["tar", "bsdtar"] {
        if has(&[program]) {
            let [found, expected] = archived_attributes(program, &names);
            assert_eq!(found, expected, "{program}");
        }
    }
}
