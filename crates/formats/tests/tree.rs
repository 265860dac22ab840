//! What a tree holds, on disk or in an archive, and whether two are the same.

use importd_formats::tar::{Extent, Kind};
use rustix::fs::{SeekFrom, XattrFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Everything that an archive can say of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, u32),
    /// Where a symbolic link leads.
    pub(crate) link: Vec<u8>,
    pub(crate) device: (u32, u32),
    /// Access lists too, as the kernel gives them.
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) flags: u32,
    pub(crate) contents: Vec<u8>,
    /// Where a file with holes has data; `None` for one without.
    pub(crate) extents: Option<Vec<(u64, u64)>>,
    /// The first of all names of the same file.
    pub(crate) first_name: Vec<u8>,
}

/// Names, without a slash at either end, to what they name. The top is the empty name.
pub(crate) type Tree = BTreeMap<Vec<u8>, Found>;

/// Asserts that two trees are the same, name by name.
pub(crate) fn assert_same(expected: &Tree, found: &Tree, what: &str) {
    let names = |tree: &Tree| -> Vec<String> {
        let names = tree.keys();
        names.map(|name| name.escape_ascii().to_string()).collect()
    };
    assert_eq!(names(expected), names(found), "{what}");
    for (name, expected) in expected {
        let name_shown = name.escape_ascii();
        let (mut expected, mut found) = (expected.clone(), found[name].clone());
        let [ours, theirs] =
            [&mut expected, &mut found].map(|one| std::mem::take(&mut one.contents));
        assert_eq!(expected, found, "{what}: {name_shown}");
        assert!(ours == theirs, "{what}: contents of {name_shown}");
    }
}

/// Inode flags that archives keep and that every user may set: `nodump`, `noatime`.
pub(crate) const FLAGS: u32 = 0xc0;

/// All names below a folder, by lstat.
pub(crate) fn walk(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut first_names = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    let mut paths = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes();
        let data = std::fs::symlink_metadata(&path).unwrap();
        let first_name = match data.is_file() {
            true => first_names
                .entry(data.ino())
                .or_insert(name.to_vec())
                .clone(),
            false => name.to_vec(),
        };
        tree.insert(name.to_vec(), found(&path, &data, first_name));
    }
    tree
}

fn found(path: &Path, data: &Metadata, first_name: Vec<u8>) -> Found {
    let kind = kind(data);
    let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
    let file = (kind == Kind::File).then(|| File::open(path).unwrap());
    Found {
        kind,
        mode: data.mode() & 0o7777,
        owner: (data.uid(), data.gid()),
        mtime: (data.mtime(), u32::try_from(data.mtime_nsec()).unwrap()),
        link: match kind {
            Kind::Symlink => std::fs::read_link(path)
                .unwrap()
                .into_os_string()
                .into_vec(),
            _ => Vec::new(),
        },
        device: match is_device {
            true => (
                rustix::fs::major(data.rdev()),
                rustix::fs::minor(data.rdev()),
            ),
            false => (0, 0),
        },
        xattrs: xattrs(path),
        flags: file.as_ref().map_or(0, |file| {
            rustix::fs::ioctl_getflags(file).map_or(0, |flags| flags.bits() & FLAGS)
        }),
        contents: match kind {
            Kind::File => std::fs::read(path).unwrap(),
            _ => Vec::new(),
        },
        extents: file
            .filter(|_| data.blocks() * 512 < data.size())
            .map(|file| extents(&file, data.size())),
        first_name,
    }
}

fn kind(data: &Metadata) -> Kind {
    let kind = data.file_type();
    match () {
        () if kind.is_dir() => Kind::Directory,
        () if kind.is_symlink() => Kind::Symlink,
        () if kind.is_char_device() => Kind::CharDevice,
        () if kind.is_block_device() => Kind::BlockDevice,
        () if kind.is_fifo() => Kind::Fifo,
        () => Kind::File,
    }
}

fn extents(file: &File, size: u64) -> Vec<(u64, u64)> {
    let mut extents = Vec::new();
    let mut end = 0;
    while end < size {
        let start = match rustix::fs::seek(file, SeekFrom::Data(end)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(error) => panic!("{error}"),
        };
        end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap();
        extents.push((start, end - start));
    }
    extents
}

/// Extents of an archive in the form of [`Found`]: those that touch are one.
pub(crate) fn joined(extents: &[Extent]) -> Vec<(u64, u64)> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for extent in extents {
        match joined.last_mut() {
            Some((start, length)) if *start + *length == extent.offset => *length += extent.length,
            _ => joined.push((extent.offset, extent.length)),
        }
    }
    joined
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 4096];
            let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}

/// Sets an attribute of a file.
pub(crate) fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}
