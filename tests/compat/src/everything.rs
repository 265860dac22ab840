//! A tree with everything that an image can hold.

use crate::make::{file, run};
use crate::tree::{bytes, set_attribute, set_time};
use rustix::fs::{CWD, FileType, IFlags, Mode};
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// How many names the file with the most of them has.
const NAMES: u32 = 3000;
/// Folders of 230 bytes below one another: a path that no system call takes.
const DEEP_LEVELS: u32 = 22;

/// Which file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// With attributes of up to 64 KiB, and inodes that have room for nanoseconds.
    Ext4,
    Btrfs,
}

impl FileSystem {
    /// What `mount` calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4-large",
            Self::Btrfs => "btrfs",
        }
    }
}

/// What the tree is to hold: what is left out is what some program cannot carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Everything {
    pub(crate) file_system: FileSystem,
    /// Paths longer than 4096 bytes.
    pub(crate) deep: bool,
    /// Numbers that libarchive cannot carry: fractions of seconds before 1970, which it adds where
    /// it should subtract, and numbers of 32 bits in access lists, where it has 31.
    pub(crate) large_numbers: bool,
    /// Names of attributes with `=` and `%`: GNU tar and libarchive encode them each in its own way,
    /// and we write the second.
    pub(crate) odd_attributes: bool,
}

impl Everything {
    /// Makes the tree in a folder that is there.
    pub(crate) fn make(self, top: &Path) {
        inodes(top);
        names(top);
        owners_and_modes(top);
        holes(&top.join("holes"));
        links(top);
        access_lists(top, self.large_numbers);
        self.attributes(top);
        self.flags(top);
        if self.deep {
            deep(top);
        }
        self.times(top);
    }

    fn attributes(self, top: &Path) {
        let folder = top.join("attributes");
        std::fs::create_dir_all(&folder).unwrap();
        let noted = file(&folder.join("file"), "x");
        // ext4 keeps large values in inodes of their own, btrfs in one node of its tree.
        let large = match self.file_system {
            FileSystem::Ext4 => 60 << 10,
            FileSystem::Btrfs => 15 << 10,
        };
        let large: Vec<u8> = (0..=255).cycle().take(large).collect();
        set_attribute(&noted, "user.large", &large);
        for (name, value) in [
            ("user.empty", &b""[..]),
            ("user.text", b"some text"),
            ("user.binary", b"\0\n=\xff%"),
            ("user.\u{fc}mlaut", b"utf-8"),
            ("trusted.note", b"trusted"),
            ("trusted.overlay.opaque", b"y"),
            ("security.note", b"security"),
            ("security.capability", &capability(2)),
        ] {
            set_attribute(&noted, name, value);
        }
        if self.odd_attributes {
            set_attribute(&noted, "user.a=b", b"equals");
            set_attribute(&noted, "user.c%3Dd%25", b"percent");
        }
        set_attribute(&folder, "user.of-a-folder", b"v");
        set_attribute(&folder, "trusted.overlay.origin", b"");
        let other = file(&folder.join("rootid"), "x");
        set_attribute(&other, "security.capability", &capability(3));
        let link = folder.join("link");
        symlink("file", &link).unwrap();
        set_attribute(&link, "trusted.of-a-link", b"v");
        set_attribute(&link, "security.of-a-link", b"v");
        let fifo = folder.join("fifo");
        node(&fifo, FileType::Fifo, (0, 0), 0o600);
        set_attribute(&fifo, "trusted.of-a-fifo", b"v");
    }

    fn flags(self, top: &Path) {
        let folder = top.join("flags");
        std::fs::create_dir_all(&folder).unwrap();
        let set = |name: &str, flags: IFlags, is_folder: bool| {
            let path = folder.join(name);
            if is_folder {
                std::fs::create_dir_all(&path).unwrap();
            } else {
                File::create(&path).unwrap();
            }
            let open = File::open(&path).unwrap();
            let old = rustix::fs::ioctl_getflags(&open).unwrap();
            let set = rustix::fs::ioctl_setflags(&open, old | flags);
            set.unwrap_or_else(|error| panic!("{name}: {error}"));
            if !is_folder {
                // After the flag, which btrfs only takes for empty files.
                let open = File::options().write(true).open(&path).unwrap();
                open.write_all_at(&[1; 5000], 0).unwrap();
            }
        };
        set("nodump", IFlags::NODUMP, false);
        set(
            "several",
            IFlags::NODUMP | IFlags::NOATIME | IFlags::SYNC,
            false,
        );
        set("dirsync", IFlags::DIRSYNC | IFlags::NOATIME, true);
        if self.file_system == FileSystem::Btrfs {
            set("nocow", IFlags::NOCOW, false);
            set("nocow-folder", IFlags::NOCOW, true);
        }
    }

    /// Times of all kinds in turn, innermost first; the top last.
    fn times(self, top: &Path) {
        let mut kinds = vec![
            (0, 0),
            (0, 1),
            (1, 999_999_999),
            (981_173_106, 789_000_000),
            (-1, 0),
            (-1_000_000_000, 0),
            // After 2038, after 2242 (eleven octal digits), and nearly the last that ext4 has.
            (5_000_000_000, 123_456_789),
            (9_000_000_000, 1),
            (15_000_000_000, 100),
        ];
        if self.large_numbers {
            kinds.extend([(-1, 999_999_999), (-1_000_000_000, 5)]);
        }
        let listed = run(
            "find",
            &[".", "-depth", "!", "-path", "./deep/*", "-print0"],
            top,
        );
        let names = listed.split(|byte| *byte == 0);
        let names = names.filter(|name| !name.is_empty());
        for (name, time) in names.zip(kinds.iter().cycle()) {
            set_time(&top.join(bytes(name)), *time);
        }
    }
}

fn node(path: &Path, kind: FileType, (major, minor): (u32, u32), mode: u32) {
    let device = rustix::fs::makedev(major, minor);
    rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(mode), device).unwrap();
}

fn inodes(top: &Path) {
    let folder = top.join("inodes");
    std::fs::create_dir_all(folder.join("folder/empty")).unwrap();
    for (name, size) in [
        ("none", 0),
        ("one", 1),
        ("block", 512),
        ("more", 513),
        ("large", 3_000_001),
    ] {
        file(&folder.join(name), vec![b'x'; size]);
    }
    for (name, kind, device, mode) in [
        ("null", FileType::CharacterDevice, (1, 3), 0o666),
        ("disk", FileType::BlockDevice, (259, 70_000), 0o640),
        ("highest", FileType::BlockDevice, (4095, 0xf_ffff), 0),
        ("whiteout", FileType::CharacterDevice, (0, 0), 0),
        ("fifo", FileType::Fifo, (0, 0), 0o7640),
    ] {
        node(&folder.join(name), kind, device, mode);
    }
    for (name, target) in [
        ("relative", &b"../names"[..]),
        ("absolute", b"/etc/passwd"),
        ("dangling", b"no/where"),
        ("bytes", b"\xff\n\\"),
        ("long", &[b'l'; 4000]),
    ] {
        symlink(bytes(target), folder.join(name)).unwrap();
    }
}

fn names(top: &Path) {
    let folder = top.join("names");
    std::fs::create_dir_all(&folder).unwrap();
    let long = [&[0xff; 254][..], b"x"].concat();
    for name in [
        &long[..],
        b"new\nline",
        b"back\\slash",
        b"-dash",
        b"--",
        b"a=b",
        b"per%cent",
        b" blank ",
        b".hidden",
        b"..two",
        b"\x01\x7f\x80",
        b"*",
        b"TRAILER!!!",
    ] {
        file(&folder.join(bytes(name)), name);
        std::fs::create_dir_all(
            folder.join(bytes(&[&name[..name.len().min(250)], b".dir"].concat())),
        )
        .unwrap();
        symlink(
            bytes(&name[..name.len().min(250)]),
            folder.join(bytes(&[&name[..name.len().min(250)], b".ln"].concat())),
        )
        .unwrap();
    }
}

fn owners_and_modes(top: &Path) {
    let folder = top.join("owners");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, uid, gid) in [
        ("beyond-31-bits", 3_000_000_000, 4_294_967_294),
        ("beyond-octal", 0o1000_0000, 0o777_7777),
        ("usual", 1000, 1000),
    ] {
        file(&folder.join(name), name);
        std::fs::create_dir_all(folder.join(format!("{name}.dir"))).unwrap();
        symlink(name, folder.join(format!("{name}.ln"))).unwrap();
        for ending in ["", ".dir", ".ln"] {
            lchown(folder.join(format!("{name}{ending}")), Some(uid), Some(gid)).unwrap();
        }
    }
    for mode in [
        0, 0o777, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777, 0o7000, 0o077,
    ] {
        let plain = file(&folder.join(format!("mode-{mode:o}")), "x");
        lchown(&plain, Some(5), Some(6)).unwrap();
        let inner = folder.join(format!("mode-{mode:o}.dir"));
        std::fs::create_dir_all(&inner).unwrap();
        for path in [plain, inner] {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn sparse(path: &Path, extents: &[(u64, usize)], size: u64) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for (offset, length) in extents {
        file.write_all_at(&vec![7; *length], *offset).unwrap();
    }
    file.sync_all().unwrap();
}

fn holes(folder: &Path) {
    const BLOCK: u64 = 4096;
    std::fs::create_dir_all(folder).unwrap();
    sparse(&folder.join("none"), &[(0, 50_000)], 50_000);
    sparse(
        &folder.join("leading"),
        &[(1 << 20, 5000)],
        (1 << 20) + 5000,
    );
    sparse(&folder.join("trailing"), &[(0, 8192)], 3 << 20);
    sparse(&folder.join("trailing-odd"), &[(0, 8192)], (3 << 20) + 77);
    sparse(
        &folder.join("middle"),
        &[(0, 4096), (1 << 20, 4096)],
        (1 << 20) + 4096,
    );
    sparse(&folder.join("all"), &[], 5 << 20);
    sparse(&folder.join("all-small"), &[], 100);
    sparse(&folder.join("far"), &[(5 << 30, 4096)], 6 << 30);
    sparse(&folder.join("all-far"), &[], 9 << 30);
    let many: Vec<(u64, usize)> = (0..700).map(|index| (index * 4 * BLOCK, 4096)).collect();
    sparse(&folder.join("many"), &many, 700 * 4 * BLOCK);
    // Zeros that are stored are not holes.
    file(&folder.join("zeros"), vec![0; 100_000]);
    let partly = File::create(folder.join("zeros-and-holes")).unwrap();
    partly.set_len(1 << 20).unwrap();
    partly.write_all_at(&[0; 65_536], 65_536).unwrap();
    partly.sync_all().unwrap();
}

fn links(top: &Path) {
    let folder = top.join("links");
    std::fs::create_dir_all(folder.join("a/b")).unwrap();
    let first = file(&folder.join("first"), "of many names");
    for index in 0..NAMES - 1 {
        let place = ["", "a", "a/b"][usize::try_from(index % 3).unwrap()];
        std::fs::hard_link(&first, folder.join(place).join(format!("n{index}"))).unwrap();
    }
    symlink("first", folder.join("symlink")).unwrap();
    node(&folder.join("fifo"), FileType::Fifo, (0, 0), 0o600);
    node(
        &folder.join("device"),
        FileType::CharacterDevice,
        (1, 5),
        0o600,
    );
    for name in ["symlink", "fifo", "device"] {
        std::fs::hard_link(folder.join(name), folder.join("a").join(name)).unwrap();
    }
}

fn access_lists(top: &Path, large_numbers: bool) {
    let folder = top.join("lists");
    std::fs::create_dir_all(&folder).unwrap();
    // Numbers without names on this machine: GNU tar stores only the names where there are some.
    let list = match large_numbers {
        true => "u:51234:rw,u:3000000000:r,g:50077:---,m::rw",
        false => "u:51234:rw,u:2000000000:r,g:50077:---,m::rw",
    };
    for name in ["access", "special"] {
        file(&folder.join(name), "x");
        run("setfacl", &["-m", list, name], &folder);
    }
    let mode = |name: &str, mode: u32| {
        std::fs::set_permissions(folder.join(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("special", 0o6775);
    for (name, lists) in [
        ("default-only", &["-dm", "u:50005:rwx,g:50006:rx"][..]),
        ("both", &["-m", "u:50001:x", "-dm", "g:50002:rwx"]),
        ("sticky", &["-m", "g:51000:rwx"]),
    ] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        for list in lists.chunks(2) {
            run("setfacl", &[list[0], list[1], name], &folder);
        }
    }
    mode("sticky", 0o3770);
    // What is made inside inherits, and must not have more afterwards.
    file(&folder.join("both/inherits"), "x");
    std::fs::create_dir_all(folder.join("default-only/inherits")).unwrap();
}

fn deep(top: &Path) {
    let name = "d".repeat(230);
    let script = format!(
        "for i in $(seq {DEEP_LEVELS}); do mkdir {name}; cd -P {name}; done; echo x >file; ln file second"
    );
    std::fs::create_dir_all(top.join("deep")).unwrap();
    run("sh", &["-ec", &script], &top.join("deep"));
}

/// `cap_net_raw=ep` as the kernel stores it; version 3 with the owner of a namespace.
fn capability(version: u8) -> Vec<u8> {
    let mut value = vec![1, 0, 0, version];
    value.extend_from_slice(&(1u32 << 13).to_le_bytes());
    value.extend_from_slice(&[0; 12]);
    if version == 3 {
        value.extend_from_slice(&1000u32.to_le_bytes());
    }
    value
}
