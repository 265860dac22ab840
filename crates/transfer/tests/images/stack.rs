//! Stacks of layers become images, and others see in them what overlayfs shows.

use crate::place::{Place, described, is_root, put, refused, run, tree, unpacked};
use importd_host::attributes;
use importd_host::dir::Dir;
use rustix::fs::{FileType, Mode};
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

const LOWER: &str = ".oci-sha256:0000000000000000000000000000000000000000000000000000000000000000";
const MIDDLE: &str = ".oci-sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn whiteout(path: &Path) {
    let mode = Mode::from_raw_mode(0);
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::CharacterDevice, mode, 0).unwrap();
}

fn mark(path: &Path, name: &str, value: &[u8]) {
    let folder = Dir::open(path).unwrap();
    attributes::set(folder.as_fd(), OsStr::new(name), value).unwrap();
}

/// A stack of two layers, with changes on top of them.
pub(crate) fn stack(place: &Place) {
    let images = place.path("images");
    tree(&images.join(LOWER));
    let middle = images.join(MIDDLE);
    for folder in ["etc", "var", "new"] {
        fs::create_dir_all(middle.join(folder)).unwrap();
    }
    put(&middle.join("new/file"), b"of the middle");
    whiteout(&middle.join("deep"));
    whiteout(&middle.join("dangling"));
    mark(&middle.join("var"), "trusted.overlay.opaque", b"y");
    put(&middle.join("var/only"), b"this is left");
    let stack = images.join("s.mstack");
    fs::create_dir_all(stack.join("rw/data/etc")).unwrap();
    fs::create_dir_all(stack.join("rw/work")).unwrap();
    symlink(format!("../{LOWER}"), stack.join("layer@0")).unwrap();
    symlink(format!("../{MIDDLE}"), stack.join("layer@1")).unwrap();
    whiteout(&stack.join("rw/data/sparse"));
    // Overlayfs shares one inode for many of them.
    fs::hard_link(
        stack.join("rw/data/sparse"),
        stack.join("rw/data/empty-file"),
    )
    .unwrap();
    put(&stack.join("rw/data/etc/added"), b"on top");
}

/// What overlayfs shows of the stack; `None`, with a line, where it cannot be mounted.
fn shown(place: &Place) -> Option<String> {
    let images = place.path("images");
    // Escaped for the options of mount(8): a colon divides the layers.
    let layer = |name: &str| images.join(name).display().to_string().replace(':', "\\:");
    let options = format!(
        "lowerdir={}:{}:{}",
        images.join("s.mstack/rw/data").display(),
        layer(MIDDLE),
        layer(LOWER)
    );
    let merged = place.path("merged");
    fs::create_dir_all(&merged).unwrap();
    let script =
        "mount -t overlay overlay -o \"$1\" \"$2\" || exit 77; cd \"$2\"; shift 2; exec \"$@\"";
    let list = include_str!("list.sh");
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh", &options])
        .arg(&merged)
        .args(["sh", "-c", list])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        let why = String::from_utf8_lossy(&output.stderr);
        println!("skipped: overlayfs cannot be mounted here: {why}");
        return None;
    }
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn others_see_what_overlayfs_shows() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    stack(&place);
    put(
        &place.path("images/s.oci-config"),
        br#"{"architecture":"s390x","os":"linux","config":{"Cmd":["/x"]},"rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    let layout = place.text("layout");
    place.exported(&["s", &layout]);
    let Some(root) = unpacked(Path::new(&layout), "s", &place.path("bundle")) else {
        return;
    };
    let Some(shown) = shown(&place) else { return };
    assert_eq!(described(&root), shown);
    let config = ["inspect", "--config", "--override-arch=s390x"];
    let from = format!("oci:{layout}:s");
    if let Some(config) = run("skopeo", &[&config[..], &[&from]].concat()) {
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 3);
        assert_eq!(config["history"].as_array().unwrap().len(), 3);
        assert_eq!(config["config"]["Cmd"], serde_json::json!(["/x"]));
    }
}

#[test]
fn markers_that_the_reference_left_are_markers() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    stack(&place);
    // Its layers have what the archive has.
    let middle = place.path("images").join(MIDDLE);
    put(&middle.join(".wh.usr"), b"");
    // Where no devices can be made, overlayfs takes an attribute.
    put(&middle.join("etc/os-release"), b"");
    let attribute = "trusted.overlay.whiteout";
    let etc = Dir::open(&middle.join("etc")).unwrap();
    attributes::set_at(&etc, "os-release".as_ref(), attribute.as_ref(), b"y").unwrap();
    let layout = place.text("layout");
    place.exported(&["s", &layout]);
    let Some(root) = unpacked(Path::new(&layout), "s", &place.path("bundle")) else {
        return;
    };
    assert!(!root.join("usr").exists());
    assert!(!root.join(".wh.usr").exists());
    assert!(root.join("etc/added").exists() && !root.join("etc/os-release").exists());
    assert!(root.join("new/file").exists());
}

#[test]
fn what_is_no_layer_is_refused() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    stack(&place);
    let at = |name: &str| place.path("images/s.mstack").join(name);
    let archive = place.text("x.tar");
    let export = || place.export(&["s", &archive]);
    for (target, text) in [
        ("/etc", "not beside the stack"),
        ("../../outside", "no link to a folder beside"),
        ("../disk.raw", "no link to a folder beside"),
        ("..", "not beside the stack"),
        ("../..", "Invalid argument"),
    ] {
        symlink(target, at("layer@2")).unwrap();
        refused(&export(), text);
        fs::remove_file(at("layer@2")).unwrap();
    }
    put(&at("layer@2.raw"), b"disk");
    refused(&export(), "is a disk image");
    fs::remove_file(at("layer@2.raw")).unwrap();
    fs::create_dir_all(at("root")).unwrap();
    refused(&export(), "a root of its own");
    fs::remove_dir(at("root")).unwrap();
    mark(&at("rw/data/etc"), "trusted.overlay.redirect", b"/usr");
    refused(&export(), "moved by overlayfs");
    assert!(!place.path("x.tar").exists());
}
