//! Trees become images that others read.

use crate::place::{Place, described, is_root, put, refused, run, succeeded, tree, unpacked};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_tree_comes_out_as_it_went_in() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    tree(&place.path("images/base"));
    for format in ["gzip", "zstd", "uncompressed"] {
        let layout = place.text(format);
        place.exported(&["base", &layout, &format!("--format={format}")]);
        let names: Vec<_> = fs::read_dir(&layout).unwrap().flatten().collect();
        assert_eq!(names.len(), 3, "{names:?}");
        // The installed umoci may be older than layers of zstd.
        if format == "zstd" {
            continue;
        }
        let bundle = place.path(&format!("bundle-{format}"));
        let Some(root) = unpacked(Path::new(&layout), "base", &bundle) else {
            return;
        };
        let (ours, theirs) = (described(&place.path("images/base")), described(&root));
        assert_eq!(theirs, ours);
    }
}

#[test]
fn skopeo_reads_folders_and_archives() {
    let place = Place::new();
    tree(&place.path("images/base"));
    let settings = [
        "--tag=some/name:1",
        "--arch=arm64",
        "--entrypoint=/bin/init",
        "--cmd=[\"-x\", \"a b\"]",
        "--env=A=1",
        "--env=B=c d",
        "--run-as=1000:100",
        "--workdir=/srv",
    ];
    let [layout, archive] = ["layout", "image.tar"].map(|name| place.text(name));
    for target in [&layout, &archive] {
        let arguments = [&["base", target.as_str()], &settings[..]].concat();
        let output = place.export_in(&[("SOURCE_DATE_EPOCH", "86400")], &arguments);
        succeeded(&output);
    }
    for from in [
        format!("oci:{layout}:some/name:1"),
        format!("oci-archive:{archive}:some/name:1"),
    ] {
        let place_of_copy = Place::new();
        let to = format!("dir:{}", place_of_copy.text("copy"));
        let copy = [
            "copy",
            "--quiet",
            "--insecure-policy",
            "--override-arch=arm64",
        ];
        let arguments = [&copy[..], &[&from, &to]].concat();
        if run("skopeo", &arguments).is_none() {
            return;
        }
        let inspect = ["inspect", "--config", "--override-arch=arm64", &from];
        let config = json(&run("skopeo", &inspect).unwrap());
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["created"], "1970-01-02T00:00:00Z");
        let start = &config["config"];
        assert_eq!(start["Entrypoint"], serde_json::json!(["/bin/init"]));
        assert_eq!(start["Cmd"], serde_json::json!(["-x", "a b"]));
        assert_eq!(start["Env"], serde_json::json!(["A=1", "B=c d"]));
        assert_eq!(
            (&start["User"], &start["WorkingDir"]),
            (&"1000:100".into(), &"/srv".into())
        );
        assert_eq!(config["history"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let place = Place::new();
    tree(&place.path("images/base"));
    for format in ["gzip", "zstd"] {
        let format = format!("--format={format}");
        let mut archives = Vec::new();
        for (number, environment) in [
            [("TZ", "UTC"), ("LC_ALL", "C")],
            [("TZ", "Asia/Tokyo"), ("LC_ALL", "de_DE.UTF-8")],
        ]
        .iter()
        .enumerate()
        {
            let path = place.text(&format!("{number}.tar"));
            succeeded(&place.export_in(environment, &["base", &path, &format]));
            archives.push(fs::read(path).unwrap());
        }
        assert!(archives[0] == archives[1]);
        // To a pipe, with another umask.
        let exporter = env!("CARGO_BIN_EXE_systemd-export");
        let script = format!(
            "umask 077; exec {exporter} oci base - --image-root={} {format}",
            place.text("images")
        );
        let piped = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        succeeded(&piped);
        assert!(piped.stdout == archives[0]);
    }
}

#[test]
fn a_layout_keeps_its_other_images() {
    let place = Place::new();
    let layout = place.text("layout");
    let index = || json(&fs::read(place.path("layout/index.json")).unwrap());
    for (name, contents) in [("one", "1"), ("two", "2"), ("one", "3")] {
        let folder = place.path("images").join(name);
        fs::create_dir_all(&folder).unwrap();
        put(&folder.join("file"), contents.as_bytes());
        place.exported(&[name, &layout, "--format=uncompressed"]);
    }
    let listed = index();
    let names: Vec<_> = listed["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["annotations"]["org.opencontainers.image.ref.name"].clone())
        .collect();
    assert_eq!(names, ["two", "one"]);
    // Nothing hidden is left, and blobs are what their names say.
    let blobs = place.path("layout/blobs/sha256");
    let mut count = 0;
    for blob in fs::read_dir(&blobs).unwrap().flatten() {
        let name = blob.file_name().into_string().unwrap();
        let sum = run("sha256sum", &[blob.path().to_str().unwrap()]).unwrap();
        assert!(String::from_utf8(sum).unwrap().starts_with(&name));
        count += 1;
    }
    assert_eq!(count, 9);
    // What killed exports left goes with the next one.
    let left = [
        "layout/.#importd.blob.0123456789abcdef",
        "layout/blobs/sha256/.#importd.blob.0123456789abcdef",
    ];
    for name in left {
        put(&place.path(name), b"half");
    }
    let unfinished = place.path(".#importd.new.0123456789abcdef");
    fs::create_dir_all(unfinished.join("blobs/sha256")).unwrap();
    place.exported(&["one", &layout, "--format=uncompressed"]);
    place.exported(&["one", &place.text("new")]);
    assert!(!unfinished.exists());
    assert!(left.iter().all(|name| !place.path(name).exists()));
    // What is no layout is left alone.
    fs::create_dir_all(place.path("other")).unwrap();
    put(&place.path("other/file"), b"x");
    let output = place.export(&["one", &place.text("other")]);
    refused(&output, "is a folder, but no layout of images");
    assert_eq!(fs::read_dir(place.path("other")).unwrap().count(), 1);
}

#[test]
fn what_no_layer_can_say_is_refused() {
    let place = Place::new();
    fs::create_dir_all(place.path("images/base")).unwrap();
    put(&place.path("images/base/.wh.x"), b"");
    put(&place.path("images/disk.raw"), b"disk");
    let layout = place.text("layout");
    refused(&place.export(&["base", &layout]), "taken for a marker");
    assert!(!place.path("layout").exists());
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 1);
    refused(&place.export(&["disk", &layout]), "Not a directory");
    refused(&place.export(&["none", &layout]), "not found");
    for (option, text) in [
        ("--format=xz", "Layers are packed with gzip"),
        ("--tag=a b", "--tag="),
        ("--output-format=qcow2", "Unknown form of an image"),
        ("--env=x", "NAME=VALUE"),
    ] {
        refused(&place.export(&["base", &layout, option]), text);
    }
    let packed = place.text("x.tar.gz");
    refused(&place.export(&["base", &packed]), "packed twice");
}
