//! Folders, trees, and programs that are run on them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with an image root in it, gone at the end.
pub(crate) struct Place(tempfile::TempDir);

impl Drop for Place {
    /// Layers are immutable.
    fn drop(&mut self) {
        let place = importd_host::dir::Dir::open(self.0.path()).unwrap();
        importd_host::tree::remove(&place, "images".as_ref()).unwrap_or(());
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("images")).unwrap();
        Self(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The names in the image root, hidden ones too.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("images")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Runs the exporter on an image of the root.
    pub(crate) fn export(&self, arguments: &[&str]) -> Output {
        self.export_in(&[], arguments)
    }

    pub(crate) fn export_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_systemd-export"));
        command
            .arg("oci")
            .args(arguments)
            .arg(format!("--image-root={}", self.text("images")))
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("NOTIFY_SOCKET")
            .envs(environment.iter().copied())
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The same, which must work.
    #[track_caller]
    pub(crate) fn exported(&self, arguments: &[&str]) {
        succeeded(&self.export(arguments));
    }
}

#[track_caller]
pub(crate) fn succeeded(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[track_caller]
pub(crate) fn refused(output: &Output, text: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(text), "{said}");
}

/// Runs a program that must work; `None`, with a line, if it is not there.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    match Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
    {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {text}");
            Some(output.stdout)
        }
        Err(error) => {
            println!("skipped: {program} cannot be run: {error}");
            None
        }
    }
}

pub(crate) fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: only root can make files of others");
    }
    is_root
}

/// A tree with a bit of everything that a layer can hold.
pub(crate) fn tree(top: &Path) {
    for folder in ["etc", "usr/bin", "empty", "var/with space", "deep/a/b/c"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    put(&top.join("etc/os-release"), b"ID=test\n");
    put(&top.join("usr/bin/large"), &vec![7; 3 << 20]);
    put(&top.join("var/with space/\u{e4}"), b"umlaut");
    put(&top.join("empty-file"), b"");
    put(&top.join("deep/a/b/c/d"), &[0; 5000]);
    fs::hard_link(top.join("etc/os-release"), top.join("usr/os-release")).unwrap();
    symlink("usr/bin", top.join("bin")).unwrap();
    symlink("/nonexistent", top.join("dangling")).unwrap();
    let mode = |path: &str, mode| {
        fs::set_permissions(top.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("usr/bin/large", 0o4755);
    mode("empty", 0o1777);
    mode("etc/os-release", 0o640);
    // Holes are written as zeros.
    let sparse = fs::File::create(top.join("sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(top.join("bin"), Some(5), Some(6)).unwrap();
        std::os::unix::fs::chown(top.join("deep/a"), Some(1000), Some(100)).unwrap();
    }
}

pub(crate) fn put(path: &Path, contents: &[u8]) {
    use std::io::Write;
    fs::File::create(path).unwrap().write_all(contents).unwrap();
}

/// What a tree is: names, kinds, modes, owners, times, links, and the digests of all contents.
pub(crate) fn described(top: &Path) -> String {
    let output = Command::new("sh")
        .args(["-c", include_str!("list.sh")])
        .env("LC_ALL", "C.UTF-8")
        .current_dir(top)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Unpacks the image of a layout with umoci; `None` where it is not there.
#[track_caller]
pub(crate) fn unpacked(layout: &Path, tag: &str, bundle: &Path) -> Option<PathBuf> {
    let image = format!("{}:{tag}", layout.display());
    let bundle_text = bundle.to_str().unwrap();
    run("umoci", &["unpack", "--image", &image, bundle_text])?;
    Some(bundle.join("rootfs"))
}
