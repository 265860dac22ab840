//! The trees of images, beside those that umoci unpacks.

use super::image::{Image, pull, reference};
use super::merged::merged;
use crate::make::{has, run};
use crate::server::Server;
use crate::subject::{Work, is_ours};
use crate::tarball::Tarball;
use crate::tree::{Table, assert_equal, describe};
use serde_json::json;
use std::path::Path;

/// Makes the archives of layers, the lowest first: each script changes the tree in `.`, and what it
/// changed becomes a layer by umoci.
const SCRIPTS: &[&str] = &[
    "mkdir -p usr/lib usr/bin etc opt/app/data tmp var/x
     chmod 1777 tmp; ln -s usr/lib lib; echo base > etc/base; echo gone > etc/gone
     echo one > opt/app/data/one; echo two > opt/app/data/two; echo deep > usr/lib/deep
     ln usr/lib/deep usr/bin/deep; setfattr -n user.note -v something etc/base
     chown 1000:2000 opt/app; chmod 2750 opt/app; mknod etc/fifo p; touch -d 2001-02-03 opt/app usr/lib",
    "rm etc/gone; rm -r opt/app/data; mkdir opt/app/data; echo new > opt/app/data/three
     echo more >> usr/lib/deep; chmod 4755 usr/bin/deep; echo x > tmp/x",
    "rm -r var/x; echo file > var/x; echo again > etc/gone; rm etc/fifo; mkdir etc/fifo; echo in > etc/fifo/in",
];

/// An image that umoci made of the scripts, as a layout folder.
fn layout(work: &Work, scripts: &[&str]) -> std::path::PathBuf {
    let top = work.path("");
    let umoci = |arguments: &[&str]| run("umoci", arguments, &top);
    umoci(&["init", "--layout", "layout"]);
    umoci(&["new", "--image", "layout:latest"]);
    umoci(&["unpack", "--image", "layout:latest", "bundle"]);
    for script in scripts {
        run("sh", &["-euc", script], &work.path("bundle/rootfs"));
        umoci(&[
            "repack",
            "--refresh-bundle",
            "--image",
            "layout:latest",
            "bundle",
        ]);
    }
    umoci(&["unpack", "--image", "layout:latest", "judge"]);
    work.path("layout")
}

/// The image of a layout folder.
fn read(layout: &Path) -> Image {
    let blob = |named: &serde_json::Value| {
        let digest = named["digest"].as_str().unwrap().replace(':', "/");
        let bytes = std::fs::read(layout.join("blobs").join(digest)).unwrap();
        super::image::Blob::new(bytes, named["mediaType"].as_str().unwrap())
    };
    let index = std::fs::read(layout.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    let latest = manifests
        .iter()
        .find(|named| named["annotations"]["org.opencontainers.image.ref.name"] == "latest");
    let manifest = blob(latest.unwrap());
    let document: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    Image {
        layers: document["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(blob)
            .collect(),
        config: blob(&document["config"]),
        manifest,
    }
}

/// Unpacks an image with umoci.
fn judged(work: &Work, image: &Image) -> Table {
    let layout = work.path("own");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    for blob in image.layers.iter().chain([&image.config, &image.manifest]) {
        crate::make::file(&blobs.join(&blob.digest[7..]), &blob.bytes);
    }
    crate::make::file(
        &layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    let mut named = image.manifest.descriptor();
    named["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({"schemaVersion": 2, "manifests": [named]});
    crate::make::file(&layout.join("index.json"), index.to_string());
    let top = work.path("");
    run("umoci", &["unpack", "--image", "own:latest", "judge"], &top);
    describe(&work.path("judge/rootfs"))
}

#[test]
fn a_merged_tree_is_that_of_umoci() {
    if !is_ours() {
        println!("skipped: the reference shows what layers remove");
        return;
    }
    let Some(work) = Work::new() else { return };
    if !has("umoci") {
        return;
    }
    let image = read(&layout(&work, SCRIPTS));
    assert_eq!(image.layers.len(), SCRIPTS.len());
    let server = Server::start();
    image.serve(&server, "img");
    pull(&work, &server).arg(reference("img")).succeed();
    // No layer says when the top was changed.
    let known = |mut table: Table| {
        table.get_mut("\"\"").unwrap().remove("time");
        table
    };
    let expected = known(describe(&work.path("judge/rootfs")));
    assert_equal(&expected, &known(merged(&work, "img")));
    let flat = pull(&work, &server).arg("--flat");
    flat.arg(reference("img")).arg("flat").succeed();
    assert_equal(&expected, &known(describe(&work.image("flat"))));
}

#[test]
fn what_a_layer_does_not_list_is_as_below() {
    if !is_ours() {
        println!("skipped: the reference makes such folders anew");
        return;
    }
    let Some(work) = Work::new() else { return };
    if !has("umoci") {
        return;
    }
    use crate::tarball::Header;
    let folder = |name: &str, mode: &[u8]| Header::new(b'5', name).field((100, 8), mode);
    let lower = Tarball::new()
        .raw(folder("./", b"0000750\0"), b"")
        .raw(folder("tmp/", b"0001777\0"), b"")
        .raw(folder("usr/", b"0000755\0"), b"")
        .raw(folder("usr/lib/", b"0000711\0"), b"")
        .symlink("lib", "usr/lib")
        .symlink("abs", "/usr/lib")
        .file("usr/lib/target", b"linked")
        .file("usr/lib/gone", b"soon");
    let middle = Tarball::new()
        .file("tmp/file", b"in a folder of all")
        .file("lib/through", b"through a link")
        .file("abs/too", b"through a link that begins at the top")
        .hard_link("usr/name", "usr/lib/target");
    let upper = Tarball::new()
        .file("usr/lib/.wh.gone", b"")
        .file("tmp/.wh..wh..opq", b"")
        .file("tmp/new", b"alone");
    let archives = [lower, middle, upper].map(Tarball::end);
    let image = Image::new(&archives, &json!({}));
    let server = Server::start();
    image.serve(&server, "img");
    pull(&work, &server).arg(reference("img")).succeed();
    let expected = judged(&work, &image);
    assert_equal(&expected, &merged(&work, "img"));
    let flat = pull(&work, &server).arg("--flat");
    flat.arg(reference("img")).arg("flat").succeed();
    assert_equal(&expected, &describe(&work.image("flat")));
}
