use super::{CopyError, CopyReport, DEPTH_MAX, OPEN_MAX, copy};
use crate::attributes;
use crate::dir::Dir;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

/// Two folders, `from` and `to`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir_in("/var/tmp").unwrap());
        for name in ["from", "to"] {
            Dir::create_all(&place.path(name), 0o755).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> File {
        let mut file = File::create(self.path(name)).unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn copy(&self) -> Result<CopyReport, CopyError> {
        let (from, to) = (self.dir("from"), self.dir("to"));
        copy(&from, &to, false, &|_| Ok(()))
    }

    fn dir(&self, name: &str) -> Dir {
        Dir::open(&self.path(name)).unwrap()
    }

    /// Removes what is too deep for others to remove.
    fn remove(&self) {
        let above = Dir::open(self.0.path()).unwrap();
        for name in ["from", "to"] {
            crate::tree::remove(&above, OsStr::new(name)).unwrap();
        }
    }

    fn meta(&self, name: &str) -> std::fs::Metadata {
        std::fs::symlink_metadata(self.path(name)).unwrap()
    }
}

/// A chain of `depth` folders below `top`, with a file in each.
fn chain(top: Dir, depth: usize) {
    let mut folder = top;
    for _ in 0..depth {
        folder.make_dir("d".as_ref(), 0o700).unwrap();
        folder = folder.open_dir("d".as_ref()).unwrap();
        let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
        let mode = rustix::fs::Mode::RUSR;
        drop(folder.open_file("f".as_ref(), flags, mode).unwrap());
    }
}

#[test]
fn depth_costs_no_descriptors_and_has_a_limit() {
    let place = Place::new();
    chain(place.dir("from"), DEPTH_MAX - 1);
    let report = place.copy().unwrap();
    assert_eq!(report.entries, 2 * (DEPTH_MAX as u64 - 1));
    let (mut from, mut to) = (place.dir("from"), place.dir("to"));
    for depth in 1..DEPTH_MAX {
        from = from.open_dir("d".as_ref()).unwrap();
        to = to.open_dir("d".as_ref()).unwrap();
        let (from, stat) = (from.stat_self().unwrap(), to.stat_self().unwrap());
        assert_eq!(stat.st_mtime, from.st_mtime, "{depth}");
        assert_eq!(stat.st_mtime_nsec, from.st_mtime_nsec, "{depth}");
        assert!(to.exists("f".as_ref()), "{depth}");
    }
    const { assert!(DEPTH_MAX > 4 * OPEN_MAX) };
    place.remove();

    let place = Place::new();
    chain(place.dir("from"), DEPTH_MAX);
    let error = place.copy().unwrap_err();
    let number = error.source.raw_os_error();
    assert_eq!(number, Some(Errno::NAMETOOLONG.raw_os_error()));
    place.remove();
}

#[test]
fn inodes_with_several_names_stay_one_across_folders() {
    let place = Place::new();
    for folder in ["from/a", "from/b", "from/b/c"] {
        Dir::create_all(&place.path(folder), 0o755).unwrap();
    }
    place.file("from/a/file", &[7; 300_000]);
    symlink("nowhere", place.path("from/a/link")).unwrap();
    let kind = FileType::Fifo;
    let from = place.dir("from");
    from.make_node("fifo".as_ref(), kind, 0o640, 0).unwrap();
    let link = |old: &str, new: &str| {
        std::fs::hard_link(place.path(old), place.path(new)).unwrap();
    };
    for index in 0..40 {
        link("from/a/file", &format!("from/b/file{index}"));
        link("from/a/file", &format!("from/b/c/file{index}"));
        link("from/a/link", &format!("from/b/c/link{index}"));
        link("from/fifo", &format!("from/a/fifo{index}"));
    }
    place.copy().unwrap();
    for (name, names) in [("to/a/file", 81), ("to/a/link", 41), ("to/fifo", 41)] {
        assert_eq!(place.meta(name).nlink(), names, "{name}");
    }
    let first = place.meta("to/a/file").ino();
    assert_eq!(place.meta("to/b/c/file39").ino(), first);
    assert_eq!(
        std::fs::read(place.path("to/b/file0")).unwrap(),
        [7; 300_000]
    );
}

#[test]
fn modes_owners_flags_and_holes_come_along() {
    let place = Place::new();
    // What is made in here gets its group, and folders the mark.
    let mode = std::fs::Permissions::from_mode(0o2755);
    std::fs::set_permissions(place.path("to"), mode).unwrap();
    Dir::create_all(&place.path("from/folder"), 0o755).unwrap();
    for (name, mode) in [
        ("f", 0o444),
        ("g", 0o4666),
        ("h", 0o600),
        ("folder", 0o1777),
    ] {
        let path = format!("from/{name}");
        if name != "folder" {
            place.file(&path, name.as_bytes());
        }
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(place.path(&path), mode).unwrap();
    }
    let sparse = place.file("from/sparse", b"");
    sparse.set_len(9 << 20).unwrap();
    sparse.write_all_at(b"x", 5 << 20).unwrap();
    let no_dump = 0x40;
    let has_flags = attributes::set_flags(sparse.as_fd(), no_dump).is_ok()
        && attributes::set_flags(place.dir("from/folder").as_fd(), no_dump).is_ok();
    let report = place.copy().unwrap();
    assert_eq!(report.lost, 0, "{:?}", report.lost_example);
    assert_eq!(report.bytes, (9 << 20) + 3);
    for name in ["", "/f", "/g", "/h", "/folder", "/sparse"] {
        let (from, to) = (
            place.meta(&format!("from{name}")),
            place.meta(&format!("to{name}")),
        );
        assert_eq!(from.mode(), to.mode(), "{name}");
        assert_eq!((from.uid(), from.gid()), (to.uid(), to.gid()), "{name}");
        assert_eq!(from.modified().unwrap(), to.modified().unwrap(), "{name}");
    }
    assert!(place.meta("to/sparse").blocks() < 1000);
    if has_flags {
        for name in ["to/sparse", "to/folder"] {
            let open = File::open(place.path(name)).unwrap();
            assert_eq!(attributes::flags(open.as_fd()).unwrap(), no_dump, "{name}");
        }
    }
}

#[test]
fn a_copy_into_a_folder_of_the_source_leaves_itself_out() {
    let place = Place::new();
    place.file("from/file", b"x");
    Dir::create_all(&place.path("from/in/copy"), 0o755).unwrap();
    let (from, to) = (place.dir("from"), place.dir("from/in/copy"));
    copy(&from, &to, false, &|_| Ok(())).unwrap();
    assert_eq!(to.entries().unwrap(), ["file", "in"]);
    assert_eq!(place.dir("from/in/copy/in").entries().unwrap(), [""; 0]);
}

#[test]
fn what_goes_away_meanwhile_is_left_out() {
    let place = Place::new();
    for name in ["from/a", "from/b", "from/c"] {
        Dir::create_all(&place.path(name), 0o755).unwrap();
        place.file(&format!("{name}/1"), b"x");
        place.file(&format!("{name}/2"), b"x");
    }
    place.file("from/first", b"x");
    let (from, to) = (place.dir("from"), place.dir("to"));
    // Told of a folder before it is opened, and of a file before it is.
    copy(&from, &to, true, &|progress| {
        let path = progress.path();
        if *path == *"b" {
            crate::tree::remove(&from, OsStr::new("b"))?;
        }
        if path.ends_with("1") {
            std::fs::remove_file(place.path("from").join(path))?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(to.entries().unwrap(), ["a", "c", "first"]);
    assert_eq!(place.dir("to/a").entries().unwrap(), ["2"]);
}

#[test]
fn whoever_is_told_may_end_it_and_the_first_failure_is_told() {
    let place = Place::new();
    for index in 0..200 {
        place.file(&format!("from/{index}"), b"x");
    }
    let (from, to) = (place.dir("from"), place.dir("to"));
    let error = copy(&from, &to, true, &|progress| match progress.entries {
        0..20 => Ok(()),
        _ => Err(std::io::Error::from(Errno::INTR)),
    })
    .unwrap_err();
    let number = error.source.raw_os_error();
    assert_eq!(number, Some(Errno::INTR.raw_os_error()));
    assert!(to.entries().unwrap().len() < 100);

    let place = Place::new();
    place.file("from/x", b"x");
    place.file("to/x", b"already there");
    let error = place.copy().unwrap_err();
    assert_eq!(error.path, PathBuf::from("x"));
    assert_eq!(error.source.kind(), std::io::ErrorKind::AlreadyExists);
}
