//! A folder as a comparable table: everything that must survive.
//!
//! Folders are walked by handles: paths may be longer than any system call takes.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, SeekFrom, Stat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::fmt::Write as _;
use std::hash::Hasher;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Contents are compared, and holes told from data, in pieces of this many bytes.
const BLOCK_BYTES: usize = 4096;
/// The flags that archives and copies restore, ioctl_iflags(2).
const FLAGS: u32 =
    0x0000_0008 | 0x0000_0040 | 0x0000_0080 | 0x0001_0000 | 0x0080_0000 | 0x2000_0000;

/// What is known of an inode, by what it is called.
pub(crate) type Inode = BTreeMap<&'static str, String>;
/// Inodes by their paths below the folder, as Rust shows bytes.
pub(crate) type Table = BTreeMap<String, Inode>;

/// Everything in a folder, itself included, that every copy should keep: all but flags and the
/// places of holes.
pub(crate) fn describe(folder: &Path) -> Table {
    let mut table = exact(folder);
    for inode in table.values_mut() {
        inode.remove("flags");
        inode.remove("data at");
    }
    table
}

/// Everything in a folder, itself included.
pub(crate) fn exact(folder: &Path) -> Table {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(folder, flags, Mode::empty()).unwrap();
    let mut walk = Walk {
        table: Table::new(),
        first_names: BTreeMap::new(),
    };
    let stat = rustix::fs::fstat(&top).unwrap();
    walk.folder(&top, b"", &stat);
    walk.table
}

/// Fails with the differences if two folders are not the same.
pub(crate) fn assert_same(expected: &Path, actual: &Path) {
    assert_equal(&describe(expected), &describe(actual));
}

/// Fails with the differences if two tables are not the same.
pub(crate) fn assert_equal(expected: &Table, actual: &Table) {
    let mut differences = String::new();
    let others = actual.keys().filter(|path| !expected.contains_key(*path));
    for path in expected.keys().chain(others) {
        match (expected.get(path), actual.get(path)) {
            (Some(before), Some(after)) => {
                for name in before.keys().chain(after.keys()) {
                    let (before, after) = (before.get(name), after.get(name));
                    if before != after {
                        let [before, after] = [before, after].map(|value| shortened(value));
                        writeln!(differences, "{path} {name}: {before} became {after}").unwrap();
                    }
                }
            }
            (None, _) => writeln!(differences, "{path} was not there").unwrap(),
            (_, None) => writeln!(differences, "{path} is missing").unwrap(),
        }
    }
    assert!(differences.is_empty(), "the trees differ:\n{differences}");
}

fn shortened(value: Option<&String>) -> String {
    let text = value.map_or("-", String::as_str);
    text.chars().take(300).collect()
}

struct Walk {
    table: Table,
    first_names: BTreeMap<(u64, u64), String>,
}

impl Walk {
    fn folder(&mut self, folder: &OwnedFd, path: &[u8], stat: &Stat) {
        let mut inode = basics(stat);
        add_attributes(
            &mut inode,
            &PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())),
        );
        inode.insert("flags", flags(folder));
        self.table.insert(shown(path), inode);
        for name in names(folder) {
            let child = match path {
                [] => name.to_bytes().to_vec(),
                path => [path, b"/", name.to_bytes()].concat(),
            };
            let stat = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                let inner = rustix::fs::openat(folder, &name, flags, Mode::empty()).unwrap();
                self.folder(&inner, &child, &stat);
            } else {
                self.other(folder, &name, &child, &stat);
            }
        }
    }

    fn other(&mut self, folder: &OwnedFd, name: &CStr, path: &[u8], stat: &Stat) {
        let mut inode = basics(stat);
        let mut place = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        place.push(bytes(name.to_bytes()));
        add_attributes(&mut inode, &place);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice | FileType::BlockDevice => {
                inode.insert("device", stat.st_rdev.to_string());
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new()).unwrap();
                inode.insert("leads to", format!("{target:?}"));
            }
            FileType::RegularFile => {
                let file = rustix::fs::openat(folder, name, OFlags::RDONLY, Mode::empty());
                let file = std::fs::File::from(file.unwrap());
                inode.insert("flags", flags(&file));
                add_contents(&mut inode, &file, stat);
            }
            _ => {}
        }
        if stat.st_nlink > 1 {
            let shown = shown(path);
            let first = self.first_names.entry((stat.st_dev, stat.st_ino));
            let first = first.or_insert(shown).clone();
            inode.insert("names", format!("{}, first {first}", stat.st_nlink));
        }
        self.table.insert(shown(path), inode);
    }
}

fn shown(path: &[u8]) -> String {
    format!("{:?}", bytes(path))
}

fn basics(stat: &Stat) -> Inode {
    BTreeMap::from([
        ("mode", format!("{:o}", stat.st_mode)),
        ("owner", format!("{}:{}", stat.st_uid, stat.st_gid)),
        (
            "time",
            format!("{}.{:09}", stat.st_mtime, stat.st_mtime_nsec),
        ),
    ])
}

fn names(folder: &OwnedFd) -> Vec<CString> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let folder = rustix::fs::openat(folder, ".", flags, Mode::empty()).unwrap();
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 32 << 10];
    let mut list = RawDir::new(&folder, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = list.next() {
        let name = entry.unwrap().file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    names.sort();
    names
}

fn flags(file: impl std::os::fd::AsFd) -> String {
    let set = rustix::fs::ioctl_getflags(file).map_or(0, |set| set.bits());
    format!("{:x}", set & FLAGS)
}

fn add_attributes(inode: &mut Inode, path: &Path) {
    let mut text = String::new();
    for (name, value) in attributes(path) {
        write!(text, "{name}={} ", value.escape_ascii()).unwrap();
    }
    inode.insert("attributes", text);
}

/// Contents without regard to holes, and where there is data.
fn add_contents(inode: &mut Inode, file: &std::fs::File, stat: &Stat) {
    let size = u64::try_from(stat.st_size).unwrap();
    let mut hasher = std::hash::DefaultHasher::new();
    let mut places: Vec<(u64, u64)> = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    let step = BLOCK_BYTES as u64;
    let mut position = 0;
    while position < size {
        let start = match rustix::fs::seek(file, SeekFrom::Data(position)) {
            Ok(start) => start / step * step,
            Err(Errno::NXIO) => break,
            Err(error) => panic!("{error}"),
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start.max(position))).unwrap();
        let end = end.next_multiple_of(step);
        for offset in (start..end).step_by(BLOCK_BYTES) {
            let length = file.read_at(&mut block, offset).unwrap();
            if block[..length].iter().any(|byte| *byte != 0) {
                hasher.write_u64(offset);
                hasher.write(&block[..length]);
            }
        }
        match places.last_mut() {
            Some((_, before)) if *before >= start => *before = end,
            _ => places.push((start, end)),
        }
        position = end;
    }
    let stored: u64 = places.iter().map(|(start, end)| end - start).sum();
    inode.insert("size", size.to_string());
    inode.insert("has holes", (stored + step <= size).to_string());
    inode.insert("data at", format!("{places:?}"));
    inode.insert("contents", format!("{:x}", hasher.finish()));
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
        // What XFS shows root of its access lists a second time.
        .filter(|(name, _)| !name.starts_with("trusted.SGI_ACL_"))
        .collect()
}

/// Sets an attribute, links not followed.
pub(crate) fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    let flags = rustix::fs::XattrFlags::empty();
    let set = rustix::fs::lsetxattr(path, name, value, flags);
    set.unwrap_or_else(|error| panic!("{} {name}: {error}", path.display()));
}

/// Sets the time of an inode itself, seconds and nanoseconds.
pub(crate) fn set_time(path: &Path, (seconds, nanoseconds): (i64, i64)) {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// A name of any bytes.
pub(crate) fn bytes(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
