//! A tree to be archived, with as much in it as a format can hold.

use crate::program::{has, run};
use crate::samples::mixed;
use crate::tree::set_xattr;
use rustix::fs::{AtFlags, CWD, FileType, IFlags, Mode, Timespec, Timestamps};
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// What a format can hold; each everything that the ones before it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Files, folders and links, with short names and small numbers.
    V7,
    /// Longer names, devices, fifos.
    Ustar,
    /// Names of any length, large and negative numbers, holes.
    Gnu,
    /// Nanoseconds, but not before 1970, where libarchive reads -1.25 as -0.75; attributes, access
    /// lists.
    PaxAfter1970,
    /// Nanoseconds of all times.
    Pax,
}

/// Whether the trees can be made here; prints why not.
pub(crate) fn is_possible() -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can make devices and files of others");
        return false;
    }
    has(&["setfacl"])
}

fn file(path: PathBuf, contents: &[u8]) -> PathBuf {
    File::create(&path).unwrap().write_all(contents).unwrap();
    path
}

/// Fills an empty folder.
pub(crate) fn fill(top: &Path, level: Level) {
    std::fs::create_dir_all(top.join("folder/inner")).unwrap();
    for size in [0, 1, 511, 512, 513, 100_000] {
        file(top.join(format!("folder/{size}")), &mixed(size));
    }
    let program = file(top.join("program"), b"#!/bin/sh\n");
    std::fs::hard_link(&program, top.join("folder/second")).unwrap();
    std::fs::hard_link(&program, top.join("third")).unwrap();
    symlink("../program", top.join("folder/link")).unwrap();
    symlink("/nowhere", top.join("broken")).unwrap();
    lchown(top.join("broken"), Some(5), Some(6)).unwrap();
    lchown(&program, Some(0o77_7777), Some(1000)).unwrap();
    // With "./" in front the whole of the field, without a NUL behind.
    file(top.join("n".repeat(98)), b"name of 100 bytes");
    for (name, mode) in [
        ("program", 0o6755),
        ("folder/0", 0),
        ("folder/inner", 0o1777),
    ] {
        let mode = Permissions::from_mode(mode);
        std::fs::set_permissions(top.join(name), mode).unwrap();
    }
    if level >= Level::Ustar {
        fill_ustar(top);
    }
    if level >= Level::Gnu {
        fill_gnu(top);
    }
    if level >= Level::PaxAfter1970 {
        fill_pax(top);
    }
    touch(top, level);
}

fn fill_ustar(top: &Path) {
    let deep = top.join("d".repeat(70)).join("e".repeat(70));
    std::fs::create_dir_all(&deep).unwrap();
    file(deep.join("f".repeat(70)), b"name of 214 bytes");
    for (name, kind, major, minor) in [
        ("null", FileType::CharacterDevice, 1, 3),
        ("disk", FileType::BlockDevice, 259, 0x3_ffff),
        ("fifo", FileType::Fifo, 0, 0),
    ] {
        let device = rustix::fs::makedev(major, minor);
        let mode = Mode::from_raw_mode(0o640);
        rustix::fs::mknodat(CWD, top.join(name), kind, mode, device).unwrap();
    }
}

fn fill_gnu(top: &Path) {
    let deep = top.join(["x".repeat(200), "y".repeat(200)].join("/"));
    std::fs::create_dir_all(&deep).unwrap();
    let long = file(deep.join("z".repeat(255)), b"name of 657 bytes");
    std::fs::hard_link(&long, top.join("z-second")).unwrap();
    symlink("t/".repeat(150), top.join("long-link")).unwrap();
    file(top.join("l".repeat(255)), b"component as long as can be");
    file(
        top.join("folder").join(OsStr::from_bytes(b"\xff\xfe \n")),
        b"no text",
    );
    symlink(OsStr::from_bytes(b"\x80\n"), top.join("odd-link")).unwrap();
    let foreign = file(top.join("foreign"), b"far away");
    lchown(&foreign, Some(3_000_000_000), Some(0o1000_0000)).unwrap();
    // The most that seven digits hold.
    lchown(top.join("odd-link"), Some(0o777_7777), Some(0o100_0000)).unwrap();
    holes(
        &top.join("sparse"),
        &[(65_536, 4096), (1 << 20, 8192)],
        2 << 20,
    );
    holes(
        &top.join("sparse-ends"),
        &[(0, 4096), ((1 << 20) - 4096, 4096)],
        1 << 20,
    );
    holes(&top.join("hole"), &[], 3 << 20);
    // Too long for the map in one header, and for one block more.
    let many: Vec<(u64, u64)> = (0..60).map(|index| (index * 16_384, 4096)).collect();
    holes(&top.join("sparse-many"), &many, 1 << 20);
}

fn holes(path: &Path, extents: &[(u64, u64)], size: u64) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for (offset, length) in extents {
        let data = mixed(usize::try_from(*length).unwrap());
        file.write_all_at(&data, *offset).unwrap();
    }
    // Blocks that are not given out yet are not counted.
    file.sync_all().unwrap();
}

fn fill_pax(top: &Path) {
    let noted = file(top.join("noted"), b"x");
    set_xattr(&noted, "user.text", b"some text");
    set_xattr(&noted, "user.binary", b"\0\n=\xff%");
    set_xattr(&noted, "user.empty", b"");
    set_xattr(&noted, "trusted.note", b"v");
    set_xattr(&top.join("folder"), "user.of-a-folder", &[7; 1000]);
    // cap_net_raw=ep
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    set_xattr(&noted, "security.capability", capability);
    for arguments in [
        ["-m", "u:1234:rw,g:77:r,m::r", "folder/1"],
        ["-dm", "u:1234:rwx,g:77:rx", "folder/inner"],
    ] {
        run("setfacl", &arguments, top, b"");
    }
}

/// Sets the inode flag `nodump` of a file, if the file system has it.
pub(crate) fn set_nodump(path: &Path) {
    let file = File::open(path).unwrap();
    let set = rustix::fs::ioctl_getflags(&file)
        .and_then(|flags| rustix::fs::ioctl_setflags(&file, flags | IFlags::NODUMP));
    if let Err(error) = set {
        println!("no inode flag set: {error}");
    }
}

/// Times of all kinds in turn, folders after what is in them.
fn touch(top: &Path, level: Level) {
    let (mut kinds, nanoseconds) = (
        vec![0, 1, 1_000_000_000, 2_000_000_000],
        [0, 1, 999_999_999],
    );
    if level >= Level::Gnu {
        // Before 1970, and beyond eleven octal digits.
        kinds.extend([-1, -1_000_000_000, 9_000_000_000]);
    }
    let mut names: Vec<PathBuf> = crate::tree::walk(top)
        .into_keys()
        .map(|name| top.join(OsStr::from_bytes(&name)))
        .collect();
    names.reverse();
    let kinds = kinds.iter().cycle();
    for ((name, seconds), nanoseconds) in names.iter().zip(kinds).zip(nanoseconds.iter().cycle()) {
        let time = Timespec {
            tv_sec: *seconds,
            tv_nsec: match level {
                Level::Pax => *nanoseconds,
                Level::PaxAfter1970 if *seconds >= 0 => *nanoseconds,
                _ => 0,
            },
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, name, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}
