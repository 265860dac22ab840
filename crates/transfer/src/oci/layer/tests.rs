//! Archives become layers, and layers what whoever unpacks one after the other gets.

use super::*;
use crate::context::Context;
use crate::owners::Owners;
use crate::report::{LogSettings, Report};
use crate::sink::tree::Limits;
use importd_api::failure::Kind;
use importd_formats::tar::{self, Entry, Timestamp, Writer};
use importd_host::attributes;
use importd_host::cancel::Cancel;
use importd_host::dir::Dir;
use importd_host::overlay;
use importd_host::staging::Installed;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

struct Layers {
    place: tempfile::TempDir,
    context: Context,
    made: Vec<Dir>,
    _installed: Vec<Installed>,
}

/// `PATH`, `PATH/` for a folder, `PATH -> TARGET` for a link, `PATH => TARGET` for a hard link; a mode
/// behind a blank.
fn archive(entries: &[&str]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for text in entries {
        let (text, mode) = match text.split_once(" 0") {
            Some((text, mode)) => (text, u32::from_str_radix(mode, 8).unwrap()),
            None => (*text, 0o755),
        };
        let mut entry = match text {
            _ if text.contains(" -> ") => link(text, " -> ", tar::Kind::Symlink),
            _ if text.contains(" => ") => link(text, " => ", tar::Kind::HardLink),
            _ if text.ends_with('/') => Entry::new(text.into(), tar::Kind::Directory),
            _ => Entry::new(text.into(), tar::Kind::File),
        };
        entry.mode = mode;
        entry.mtime = Timestamp {
            seconds: 1_000_000,
            nanoseconds: 0,
        };
        (entry.uid, entry.gid) = Owners::All.own();
        let content = match entry.kind {
            tar::Kind::File => text.as_bytes(),
            _ => b"",
        };
        entry.size = content.len() as u64;
        writer.begin(&entry, None).unwrap();
        writer.write_data(content).unwrap();
        writer.end_entry().unwrap();
    }
    writer.finish().unwrap()
}

fn link(text: &str, arrow: &str, kind: tar::Kind) -> Entry {
    let (path, target) = text.split_once(arrow).unwrap();
    let mut entry = Entry::new(path.into(), kind);
    entry.link = target.into();
    entry
}

impl Layers {
    fn new() -> Self {
        Self {
            place: tempfile::tempdir_in("/var/tmp").unwrap(),
            context: Context {
                report: Report::new(None, &LogSettings::default()),
                cancel: Cancel::new().unwrap(),
                umask: 0o022,
                owners: Owners::All,
            },
            made: Vec::new(),
            _installed: Vec::new(),
        }
    }

    fn unpack(&self, entries: &[&str]) -> crate::error::Result<Unpacked> {
        let folder = Dir::open(self.place.path()).unwrap();
        let name = ".oci-test".as_ref();
        let source = std::io::Cursor::new(archive(entries));
        unpack(
            (&folder, name),
            source,
            Limits::default(),
            None,
            &self.context,
        )
    }

    fn settle(&self, entries: &[&str]) -> crate::error::Result<(crate::proof::Staged, bool)> {
        self.unpack(entries)?.settle(&self.made)
    }

    /// Adds a layer on top; whether it depends on those below.
    fn add(&mut self, entries: &[&str]) -> bool {
        let (staged, depends) = self.settle(entries).unwrap();
        let name = self.made.len().to_string();
        let refuse = importd_host::rename::Replace::Refuse;
        let installed = staged.0.install(name.as_ref(), refuse).unwrap();
        self._installed.push(installed);
        self.made
            .push(Dir::open(&self.place.path().join(name)).unwrap());
        depends
    }

    fn path(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    fn refused(&self, entries: &[&str]) -> String {
        let error = self.settle(entries).unwrap_err();
        assert_eq!(error.kind, Kind::Archive, "{error}");
        let left = Dir::open(self.place.path()).unwrap().entries().unwrap();
        assert_eq!(left.len(), self.made.len(), "{left:?}");
        crate::error::chain(&error)
    }
}

fn hides(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() == 0)
}

fn is_opaque(path: &Path) -> bool {
    overlay::is_opaque(Dir::open(path).unwrap().as_fd()).unwrap()
}

#[test]
fn markers_hide_in_every_order_and_what_the_layer_has_itself_wins() {
    for reverse in [false, true] {
        let mut layers = Layers::new();
        layers.add(&[
            "./", "d/", "d/gone", "d/kept", "e/", "e/x", "f/", "f/x", "g/",
        ]);
        let mut entries = vec![
            "./",
            "d/",
            "d/.wh.gone",
            "d/.wh.kept",
            "d/kept",
            ".wh.f",
            "f/",
            "f/new",
            "e/",
            "e/.wh..wh..opq",
            "e/.wh.stray",
            "g/",
            "g/.wh.a/",
        ];
        if reverse {
            entries.reverse();
        }
        assert!(!layers.add(&entries));
        assert!(hides(&layers.path("1/d/gone")) && hides(&layers.path("1/g/a")));
        assert!(layers.path("1/d/kept").is_file());
        assert!(is_opaque(&layers.path("1/e")) && is_opaque(&layers.path("1/f")));
        assert!(!is_opaque(&layers.path("1/d")) && layers.path("1/f/new").is_file());
        assert!(!layers.path("1/e/stray").exists() && !hides(&layers.path("1/e/stray")));
        assert!(is_usable(&layers.made[1]).unwrap());
        // Times are those of the archive, whatever was made in the folder last.
        for folder in ["1/d", "1/e", "1/f", "1/g"] {
            let time = layers.path(folder).metadata().unwrap().mtime();
            assert_eq!(time, 1_000_000, "{folder}");
        }
    }
}

#[test]
fn what_only_the_archive_says_needs_no_layers_below() {
    let layers = Layers::new();
    let unpacked = layers
        .unpack(&["./", "a/", "a/b", "l -> a", "h => a/b"])
        .unwrap();
    assert!(!unpacked.needs_below());
    for needy in [
        &["a"][..],
        &["./", "a/b"],
        &["./", ".wh.x"],
        &["./", "a => b"],
    ] {
        assert!(layers.unpack(needy).unwrap().needs_below(), "{needy:?}");
    }
}

#[test]
fn implied_folders_look_as_they_do_below() {
    let mut layers = Layers::new();
    layers.add(&["./ 0711", "a/ 0750", "a/b/ 0700", "a/b/x"]);
    let below = Dir::open(&layers.path("0/a")).unwrap();
    attributes::set(below.as_fd(), "user.seen".as_ref(), b"1").unwrap();
    overlay::make_opaque(below.as_fd()).unwrap();
    assert!(layers.add(&["a/b/y", "new/z"]));
    for (path, mode) in [
        ("1", 0o711),
        ("1/a", 0o750),
        ("1/a/b", 0o700),
        ("1/new", 0o755),
    ] {
        let meta = layers.path(path).metadata().unwrap();
        assert_eq!(meta.mode() & 0o7777, mode, "{path}");
        assert_eq!(meta.mtime() == 1_000_000, path != "1/new", "{path}");
    }
    let own = Dir::open(&layers.path("1/a")).unwrap();
    assert_eq!(
        attributes::get(own.as_fd(), "user.seen".as_ref()).unwrap(),
        b"1"
    );
    assert!(
        !is_opaque(&layers.path("1/a")),
        "it would hide what is below"
    );
    // Removed and made anew, or hidden by the folder above, it is another one.
    assert!(layers.add(&[".wh.a", "a/b/z"]));
    let mode = |path: &str| layers.path(path).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("2/a"), mode("2/a/b")), (0o755, 0o755));
    assert!(is_opaque(&layers.path("2/a")));
}

#[test]
fn a_folder_that_is_a_link_below_is_followed_and_never_outside() {
    let mut layers = Layers::new();
    layers.add(&[
        "./",
        "usr/",
        "usr/lib/ 0711",
        "lib -> usr/lib",
        "out -> ../../../../tmp",
        "abs -> /lib/inner",
    ]);
    assert!(layers.add(&[
        "./",
        "lib/x",
        "lib/.wh.gone",
        "lib/sub/",
        "lib/sub/y",
        "usr/lib/z",
        "out/importd-evil",
        "abs/q"
    ]));
    for file in [
        "usr/lib/x",
        "usr/lib/sub/y",
        "usr/lib/z",
        "tmp/importd-evil",
        "usr/lib/inner/q",
    ] {
        assert!(layers.path("1").join(file).is_file(), "{file}");
    }
    assert!(!layers.path("1/lib").exists() && !layers.path("1/out").exists());
    let mode = layers.path("1/usr/lib").metadata().unwrap().mode();
    assert_eq!(mode & 0o7777, 0o711);
    assert!(hides(&layers.path("1/usr/lib/gone")));
    assert!(!Path::new("/tmp/importd-evil").exists());
    // Listed, the folder takes the link's place.
    assert!(!layers.add(&["./", "lib/", "lib/own"]));
    assert!(layers.path("2/lib/own").is_file());
    // So it does where the link is removed.
    assert!(layers.add(&["./", ".wh.out", "out/inside"]));
    assert!(layers.path("3/out/inside").is_file());
}

#[test]
fn a_path_through_a_link_of_the_same_layer_leads_on_and_never_outside() {
    let mut layers = Layers::new();
    layers.add(&[
        "./",
        "usr/",
        "usr/lib/",
        "usr/lib/gone",
        "usr/lib/all/",
        "usr/lib/all/x",
    ]);
    assert!(layers.add(&[
        "./",
        "lib -> usr/lib",
        "lib/x",
        "lib/sub/ 0711",
        "lib/sub/y",
        "lib/.wh.gone",
        "h => lib/x",
        "lib/all/.wh..wh..opq",
        "out -> ../../tmp",
        "out/importd-evil",
        "chain -> lib/sub",
        "chain/z",
    ]));
    for file in [
        "usr/lib/x",
        "usr/lib/sub/y",
        "usr/lib/sub/z",
        "tmp/importd-evil",
        "h",
    ] {
        assert!(layers.path("1").join(file).is_file(), "{file}");
    }
    let mode = layers.path("1/usr/lib/sub").metadata().unwrap().mode();
    assert_eq!(mode & 0o7777, 0o711);
    assert!(hides(&layers.path("1/usr/lib/gone")) && is_opaque(&layers.path("1/usr/lib/all")));
    assert_eq!(layers.path("1/h").metadata().unwrap().nlink(), 2);
    assert!(
        layers
            .path("1/lib")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );
    assert!(!Path::new("/tmp/importd-evil").exists());
    for circle in [
        &["./", "a -> a", "a/x"][..],
        &["./", "a -> b", "b -> a", "a/.wh.x"],
    ] {
        layers.refused(circle);
    }
    // Where the link is to a folder that is a link below, both are followed.
    layers.add(&["./", "one/", "two -> one"]);
    layers.add(&["./", "three -> two", "three/x"]);
    assert!(layers.path("3/one/x").is_file());
}

#[test]
fn circles_of_links_are_refused() {
    let mut layers = Layers::new();
    layers.add(&[
        "./",
        "a -> b",
        "b -> a",
        "c -> c/d",
        "w -> .wh..wh.importd-waiting",
    ]);
    for path in ["a/x", "c/x"] {
        let text = layers.refused(&["./", path]);
        assert!(text.contains("symbolic links"), "{text}");
    }
    let text = layers.refused(&["./", "w/x"]);
    assert!(text.contains("no layer can have"), "{text}");
    layers.add(&["./", "file", "to-file -> file"]);
    let text = layers.refused(&["./", "to-file/x"]);
    assert!(text.contains("is no folder"), "{text}");
}

#[test]
fn hard_links_get_copies_of_files_below_with_all_their_names() {
    let mut layers = Layers::new();
    layers.add(&[
        "./",
        "usr/",
        "usr/lib/",
        "usr/lib/a 04755",
        "lib -> usr/lib",
        "s -> x",
    ]);
    assert!(layers.add(&[
        "./",
        "b => usr/lib/a",
        "c => b",
        "usr/lib/d => lib/a",
        "t => s",
        ".wh.b"
    ]));
    let meta = |path: &str| layers.path(path).symlink_metadata().unwrap();
    let first = meta("1/usr/lib/a");
    assert_eq!((first.nlink(), first.mode() & 0o7777), (4, 0o4755));
    assert_eq!(first.mtime(), 1_000_000);
    for path in ["1/b", "1/c", "1/usr/lib/d"] {
        assert_eq!(meta(path).ino(), first.ino(), "{path}");
    }
    assert!(meta("1/t").is_symlink());
    let text = std::fs::read(layers.path("1/b")).unwrap();
    assert_eq!(text, b"usr/lib/a");
    // The link is kept where the layer removes its target.
    assert!(layers.add(&["./", "x => usr/lib/a", "y => usr/lib/a", "usr/lib/.wh.a"]));
    let x = layers.path("2/x").metadata().unwrap();
    assert_eq!((x.nlink(), x.mode() & 0o7777), (2, 0o4755));
    assert!(hides(&layers.path("2/usr/lib/a")));
    // Nobody has it, or it is a folder.
    for (target, why) in [
        ("usr/lib/a", "no layer has it"),
        ("usr/lib", "it is a directory"),
    ] {
        let text = layers.refused(&["./", &format!("z => {target}")]);
        assert!(text.contains(why) && text.contains("'z'"), "{text}");
    }
}

#[test]
fn a_hard_link_may_come_before_its_target() {
    let mut layers = Layers::new();
    assert!(!layers.add(&["./", "b => a", "c => b", "a"]));
    assert_eq!(layers.path("0/a").metadata().unwrap().nlink(), 3);
    layers.refused(&["./", "a => b", "b => a"]);
    layers.refused(&["./", "b => .wh.a", ".wh.a"]);
}

#[test]
fn what_hides_nothing_is_not_left_to_be_listed() {
    let mut layers = Layers::new();
    assert!(layers.add(&["./", "d/", "d/.wh.x", "e/.wh.y"]));
    assert!(layers.path("0/d").is_dir() && !hides(&layers.path("0/d/x")));
    assert!(!layers.path("0/e").exists());
    assert!(layers.add(&["./", "d/", "d/.wh.a", "new/", "new/.wh.b", "none/in/.wh.c"]));
    assert!(hides(&layers.path("1/d/a")) && !hides(&layers.path("1/new/b")));
    assert!(layers.path("1/new").is_dir() && !layers.path("1/none").exists());
    assert_eq!(layers.path("1/new").metadata().unwrap().mtime(), 1_000_000);
}

#[test]
fn an_archive_of_a_layer_is_never_moved_up() {
    let mut layers = Layers::new();
    layers.add(&["./", "rootfs/", "rootfs/etc/", "rootfs/etc/os-release"]);
    assert!(layers.path("0/rootfs/etc/os-release").is_file());
}

#[test]
fn markers_that_make_no_sense_are_refused_and_nothing_is_left() {
    let layers = Layers::new();
    for bad in ["a/.wh.", "a/.wh..", ".wh...", "../.wh.a", ".wh.d/x"] {
        layers.refused(&["./", "f", bad]);
    }
}
