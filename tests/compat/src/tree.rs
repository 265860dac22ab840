//! A folder as a comparable table: everything that must survive.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::fmt::Write as _;
use std::hash::Hasher;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// One line for each inode, by its path below the folder. Names as Rust shows bytes.
pub(crate) fn describe(folder: &Path) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    let mut links = BTreeMap::new();
    add(folder, folder, &mut table, &mut links);
    table
}

/// Fails with the differences if two folders are not the same.
pub(crate) fn assert_same(expected: &Path, actual: &Path) {
    let (expected, actual) = (describe(expected), describe(actual));
    let mut differences = String::new();
    for path in expected
        .keys()
        .chain(actual.keys().filter(|path| !expected.contains_key(*path)))
    {
        let (before, after) = (expected.get(path), actual.get(path));
        if before != after {
            let before = before.map_or("-", String::as_str);
            let after = after.map_or("-", String::as_str);
            write!(
                differences,
                "{path}\n  expected {before}\n  found    {after}\n"
            )
            .unwrap();
        }
    }
    assert!(differences.is_empty(), "the trees differ:\n{differences}");
}

fn add(
    top: &Path,
    path: &Path,
    table: &mut BTreeMap<String, String>,
    links: &mut BTreeMap<(u64, u64), String>,
) {
    let name = format!("{:?}", path.strip_prefix(top).unwrap());
    let meta = std::fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let mut line = format!(
        "mode {:o} owner {}:{} time {}.{:09}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.mtime(),
        meta.mtime_nsec(),
    );
    if kind.is_char_device() || kind.is_block_device() {
        write!(line, " device {}", meta.rdev()).unwrap();
    }
    if kind.is_symlink() {
        write!(line, " -> {:?}", std::fs::read_link(path).unwrap()).unwrap();
    }
    if kind.is_file() {
        let bytes = std::fs::read(path).unwrap();
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&bytes);
        let is_sparse = meta.blocks() * 512 + 4096 < meta.len();
        write!(
            line,
            " size {} sparse {is_sparse} content {:x}",
            bytes.len(),
            hasher.finish()
        )
        .unwrap();
    }
    for (key, value) in attributes(path) {
        write!(line, " {key}={value:?}").unwrap();
    }
    if !kind.is_dir() && meta.nlink() > 1 {
        let first = links
            .entry((meta.dev(), meta.ino()))
            .or_insert_with(|| name.clone());
        write!(line, " links {} first {first}", meta.nlink()).unwrap();
    }
    table.insert(name, line);
    if kind.is_dir() {
        let mut entries: Vec<_> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for entry in entries {
            add(top, &entry, table, links);
        }
    }
}

/// Extended attributes of an inode, links not followed.
pub(crate) fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut list).unwrap_or(0);
    list.truncate(length);
    let names = list.split_inclusive(|byte| *byte == 0);
    names
        .map(|name| {
            let name = CStr::from_bytes_with_nul(name).unwrap();
            let mut value = vec![0; 65536];
            let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            value.truncate(length);
            (name.to_string_lossy().into_owned(), value)
        })
        .collect()
}

/// Sets an attribute, links not followed.
pub(crate) fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(path, name, value, flags).unwrap();
}

/// A name of any bytes.
pub(crate) fn bytes(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
