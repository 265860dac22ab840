//! Trees, archives, disk images and signatures, made by the tools people make them with.

use crate::subject::Work;
use crate::tree::{bytes, set_attribute};
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Codecs and the tools that make them.
pub(crate) const PACKERS: [(&str, &[&str]); 6] = [
    ("", &["cat"]),
    (".gz", &["gzip", "-c"]),
    (".bz2", &["bzip2", "-c"]),
    (".xz", &["xz", "-c", "--block-size=1MiB"]),
    (".zst", &["zstd", "-qc"]),
    (".lz4", &["lz4", "-qc"]),
];

/// Runs a command to success; what it printed.
pub(crate) fn run(program: &str, arguments: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    output.stdout
}

/// Whether a program is there; prints why the test is skipped if not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

/// Writes a file.
pub(crate) fn file(path: &Path, contents: impl AsRef<[u8]>) -> PathBuf {
    let mut file = File::create(path).unwrap();
    file.write_all(contents.as_ref()).unwrap();
    path.into()
}

/// Gives a tree another place.
pub(crate) fn moved(from: &Path, to: &Path) {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    run("mv", &["-T", from, to], Path::new("/"));
}

/// Packs bytes with a tool.
pub(crate) fn packed(data: &[u8], packer: &[&str]) -> Vec<u8> {
    let mut child = Command::new(packer[0])
        .args(&packer[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{packer:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(data).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{packer:?}");
    output.stdout
}

/// A tree that every version of the service carries faithfully.
pub(crate) fn plain_tree(work: &Work) -> PathBuf {
    let top = work.path("plain");
    run("rm", &["-rf", "plain"], &work.path(""));
    std::fs::create_dir_all(top.join("usr/lib")).unwrap();
    std::fs::create_dir_all(top.join("deep/er/and/deeper")).unwrap();
    file(&top.join("usr/lib/os-release"), "ID=test\n");
    file(&top.join("deep/er/and/deeper/file"), vec![b'x'; 300_000]);
    file(&top.join("empty"), "");
    let program = file(&top.join("program"), "#!/bin/sh\n");
    std::fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    std::fs::hard_link(&program, top.join("second")).unwrap();
    symlink("../program", top.join("deep/link")).unwrap();
    std::os::unix::fs::lchown(top.join("deep/link"), Some(5), Some(6)).unwrap();
    std::os::unix::fs::chown(top.join("empty"), Some(3_000_000_000), Some(70_000)).unwrap();
    run("mknod", &["null", "c", "1", "3"], &top);
    let sparse = File::create(top.join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    sparse.write_all_at(&[1; 4096], 1 << 20).unwrap();
    set_attribute(&top.join("empty"), "user.note", b"\x00\x01binary");
    set_attribute(&program, "security.capability", &capability());
    std::fs::set_permissions(top.join("deep/er"), Permissions::from_mode(0o1777)).unwrap();
    // Whole seconds before 1970 only: fractions of them are read in two ways.
    touch(
        &top,
        &[
            (-1_000_000_000, 0),
            (1, 123),
            (981_173_106, 7),
            (5_000_000_000, 999_999_999),
        ],
    );
    top
}

/// What the reference loses or refuses beside that.
pub(crate) fn rich_tree(work: &Work) -> PathBuf {
    let top = plain_tree(work);
    run("mkfifo", &["fifo"], &top);
    file(&top.join("setuid-acl"), "x");
    run("setfacl", &["-m", "u:1234:rw", "setuid-acl"], &top);
    let mode = Permissions::from_mode(0o4775);
    std::fs::set_permissions(top.join("setuid-acl"), mode).unwrap();
    run("setfacl", &["-d", "-m", "g:77:rx", "deep"], &top);
    set_attribute(&top.join("deep"), "trusted.note", b"v");
    file(&top.join(bytes(b"\xff\xfe\n name")), "odd");
    symlink(bytes(b"\x80"), top.join("odd-link")).unwrap();
    file(&top.join("n".repeat(255)), "long");
    let hole = File::create(top.join("hole")).unwrap();
    hole.set_len(5 << 20).unwrap();
    touch(
        &top,
        &[
            (-1_000_000_000, 123_456_789),
            (1, 5),
            (981_173_106, 7),
            (5_000_000_000, 1),
        ],
    );
    top
}

/// Times of all kinds in turn, seconds and nanoseconds; folders after what is in them.
fn touch(top: &Path, kinds: &[(i64, i64)]) {
    let listed = run("find", &[".", "-depth", "-print0"], top);
    let names = listed
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    for ((index, name), (seconds, nanoseconds)) in (0i64..).zip(names).zip(kinds.iter().cycle()) {
        let time = rustix::fs::Timespec {
            tv_sec: seconds + index,
            tv_nsec: *nanoseconds,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        let path = top.join(bytes(name));
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, &path, &times, flags).unwrap();
    }
}

/// `cap_net_raw=ep` as the kernel stores it.
fn capability() -> Vec<u8> {
    let mut value = vec![1, 0, 0, 2];
    value.extend_from_slice(&(1u32 << 13).to_le_bytes());
    value.extend_from_slice(&[0; 12]);
    value
}

/// A tree as an archive, by GNU tar with everything it can keep.
pub(crate) fn archive(tree: &Path) -> Vec<u8> {
    let arguments = [
        "--create",
        "--format=posix",
        "--sparse",
        "--acls",
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "--sort=name",
        "--pax-option=delete=atime,delete=ctime",
        ".",
    ];
    run("tar", &arguments, tree)
}

/// A small archive of the given entries, in order: each a line of a shell that runs `tar`.
pub(crate) fn small_archive(work: &Work, script: &str) -> Vec<u8> {
    let folder = work.path("script");
    std::fs::create_dir_all(&folder).unwrap();
    run("sh", &["-euc", script], &folder);
    std::fs::read(folder.join("out.tar")).unwrap()
}

/// A disk image: an ext4 file system with something in it, most of it empty.
pub(crate) fn disk(work: &Work, name: &str) -> PathBuf {
    let path = work.path(name);
    let file = File::create(&path).unwrap();
    file.set_len(24 << 20).unwrap();
    let shown = path.to_str().unwrap();
    let tree = plain_tree(work);
    let tree = tree.to_str().unwrap();
    run(
        "mke2fs",
        &["-q", "-t", "ext4", "-d", tree, shown],
        Path::new("/"),
    );
    path
}

/// A keyring and its owner.
#[derive(Debug)]
pub(crate) struct Signer {
    home: PathBuf,
}

impl Signer {
    /// Makes a key. `name` must be short: it becomes part of a socket's path.
    pub(crate) fn new(work: &Work, name: &str) -> Self {
        let home = work.path(name);
        std::fs::create_dir_all(&home).unwrap();
        std::fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
        let signer = Self { home };
        let user = format!("{name} <{name}@example.org>");
        signer.gpg(&["--quick-generate-key", &user, "ed25519", "sign", "never"]);
        signer
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let home = self.home.to_str().unwrap();
        let fixed = [
            "--homedir",
            home,
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ];
        run("gpg", &[&fixed, arguments].concat(), &self.home)
    }

    /// The public keys, as a file.
    pub(crate) fn keyring(&self) -> PathBuf {
        let bytes = self.gpg(&["--export"]);
        file(&self.home.join("keyring.pgp"), bytes)
    }

    /// A detached signature.
    pub(crate) fn sign(&self, data: &[u8], is_armored: bool) -> Vec<u8> {
        let path = file(&self.home.join("data"), data);
        let path = path.to_str().unwrap();
        let armor: &[&str] = if is_armored { &["--armor"] } else { &[] };
        self.gpg(&[armor, &["--detach-sign", "--output", "-", path]].concat())
    }
}

impl Signer {
    /// A text with its signature in one file.
    pub(crate) fn clear_sign(&self, text: &[u8]) -> Vec<u8> {
        let path = file(&self.home.join("text"), text);
        self.gpg(&["--clear-sign", "--output", "-", path.to_str().unwrap()])
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let home = self.home.to_str().unwrap();
        run(
            "gpgconf",
            &["--homedir", home, "--kill", "all"],
            Path::new("/"),
        );
    }
}

/// The line of a checksum file.
pub(crate) fn checksum_line(data: &[u8], name: &str) -> String {
    let path = tempfile::NamedTempFile::new().unwrap();
    file(path.path(), data);
    let shown = path.path().to_str().unwrap();
    let output = run("sha256sum", &[shown], Path::new("/"));
    let text = String::from_utf8(output).unwrap();
    format!("{}  {name}\n", &text[..64])
}
