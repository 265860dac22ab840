//! What is there after a pull: layers, a stack, settings.

use super::image::{Blob, CONFIG, INDEX, Image, LAYER, digest, manifest_path, pull, reference};
use super::merged::layers;
use crate::server::{Answer, Fault, Ranges, Server};
use crate::subject::{Work, is_ours};
use crate::tarball::Tarball;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

fn two_layers() -> Vec<Vec<u8>> {
    let lower = Tarball::new().folder("usr/").file("usr/one", b"1");
    let upper = Tarball::new().folder("usr/").file("usr/two", b"2");
    vec![lower.end(), upper.end()]
}

fn image() -> Image {
    let start = json!({
        "Entrypoint": ["/usr/bin/run"], "Cmd": ["-x", "two words"], "Env": ["A=b"],
        "WorkingDir": "/srv", "StopSignal": "SIGQUIT",
    });
    Image::new(&two_layers(), &start)
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_image_becomes_a_stack_with_settings() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let image = image();
    image.serve(&server, "some/img");
    pull(&work, &server).arg(reference("some/img")).succeed();
    let is_layer = |name: &String| name.starts_with(".oci-sha256:");
    let (kept, others): (Vec<_>, Vec<_>) = work.images().into_iter().partition(is_layer);
    assert_eq!(others, ["img.mstack", "img.nspawn", "img.oci-config"]);
    assert_eq!(kept.len(), 2);
    // Ours are called otherwise if they took something from those below.
    let mut named = image
        .layers
        .iter()
        .map(|blob| format!(".oci-{}", blob.digest));
    assert!(is_ours() || named.all(|name| kept.contains(&name)));
    let stack = work.image("img.mstack");
    let folders = layers(&stack);
    assert_eq!(folders.len(), 2);
    assert!(folders[0].join("usr/one").exists() && folders[1].join("usr/two").exists());
    assert!(stack.join("rw").is_dir());
    assert_eq!(mode(&stack), 0o755);
    for name in ["img.nspawn", "img.oci-config"] {
        assert_eq!(mode(&work.image(name)), 0o640, "{name}");
    }
    let config = std::fs::read(work.image("img.oci-config")).unwrap();
    assert_eq!(config, image.config.bytes);
    let settings = std::fs::read_to_string(work.image("img.nspawn")).unwrap();
    for line in [
        "[Exec]",
        "Boot=no",
        "KillSignal=QUIT",
        "WorkingDirectory=/srv",
        "Parameters=/usr/bin/run -x \"two words\"",
    ] {
        assert!(
            settings.lines().any(|other| other == line),
            "{line}: {settings}"
        );
    }
}

#[test]
fn layers_that_are_here_are_not_fetched() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    image().serve(&server, "one");
    pull(&work, &server).arg(reference("one")).succeed();
    let other = Image::new(
        &[
            two_layers(),
            vec![Tarball::new().folder("usr/").file("usr/three", b"3").end()],
        ]
        .concat(),
        &json!({}),
    );
    other.serve(&server, "two");
    pull(&work, &server).arg(reference("two")).succeed();
    for (number, blob) in other.layers.iter().enumerate() {
        let asked =
            ["one", "two"].map(|name| server.seen().asked(&super::image::blob_path(name, blob)));
        assert_eq!(asked.iter().sum::<usize>(), 1, "layer {number}");
    }
}

#[test]
fn a_read_only_image_has_no_place_for_changes() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    image().serve(&server, "img");
    let run = pull(&work, &server).arg("--read-only");
    run.arg(reference("img")).arg("local").succeed();
    assert!(!work.image("local.mstack/rw").exists());
    assert_eq!(layers(&work.image("local.mstack")).len(), 2);
}

#[test]
fn a_name_that_is_taken_is_refused_unless_it_may_be_replaced() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    image().serve(&server, "img");
    let again = || pull(&work, &server).arg(reference("img"));
    again().succeed();
    let before = work.images();
    let stack = work.image("img.mstack");
    crate::make::file(&stack.join("rw/kept"), "changes");
    again().fail(rustix::io::Errno::EXIST);
    assert_eq!(work.images(), before);
    again().arg("--force").succeed();
    assert_eq!(work.images(), before);
    // The reference throws it away.
    assert_eq!(stack.join("rw/kept").exists(), is_ours());
    if is_ours() {
        again().args(["--force", "--reset"]).succeed();
        assert!(!stack.join("rw/kept").exists() && stack.join("rw").is_dir());
    }
}

#[test]
fn of_an_index_the_image_of_this_machine_is_taken() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let image = image();
    image.serve(&server, "img");
    let of = |architecture: &str, blob: &Blob| {
        let mut named = blob.descriptor();
        named["platform"] = json!({"os": "linux", "architecture": architecture});
        named
    };
    let foreign = Blob::new("{}", super::image::MANIFEST);
    let native = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        of("s390y", &foreign), of(native, &image.manifest),
    ]});
    let answer = Answer::ok(index.to_string()).header("Content-Type", INDEX);
    server.put(&manifest_path("img", "v1"), answer);
    pull(&work, &server)
        .arg(format!("{}:v1", reference("img")))
        .succeed();
    assert_eq!(layers(&work.image("img.mstack")).len(), 2);
}

#[test]
fn an_image_without_settings_has_no_files_of_them() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let layer = Blob::new(
        crate::make::packed(&two_layers()[0], &["gzip", "-nc"]),
        LAYER,
    );
    let image = Image::of(vec![layer], &json!({}));
    image.serve(&server, "bare");
    pull(&work, &server).arg(reference("bare")).succeed();
    assert!(!work.image("bare.nspawn").exists() && !work.image("bare.oci-config").exists());
    assert!(work.image("bare.mstack").is_dir());
    assert_eq!(image.config.digest, digest(b"{}"));
    assert_eq!(image.config.media_type, CONFIG);
}

#[test]
fn a_large_layer_comes_over_several_connections() {
    if !is_ours() {
        println!("skipped: the reference has one for each layer");
        return;
    }
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let contents: Vec<u8> = (0..20u32 << 18).flat_map(u32::to_le_bytes).collect();
    let layer = Blob::new(Tarball::new().file("large", &contents).end(), LAYER);
    let image = Image::of(vec![layer], &json!({}));
    let path = super::image::blob_path("img", &image.layers[0]);
    let bytes = image.layers[0].bytes.len() as u64;
    for (option, ranges) in [
        ("--connections=2", Ranges::Honoured),
        ("--connections=1", Ranges::Honoured),
        ("--connections=4", Ranges::Ignored),
        ("--connections=4", Ranges::OtherStart),
    ] {
        image.serve(&server, "img");
        let answer = Answer::ok(image.layers[0].bytes.clone()).ranges(ranges);
        server.put(&path, answer.fault(Fault::Rate(40 << 20)));
        let before = (server.seen().asked(&path), server.seen().bytes_of(&path));
        let run = pull(&work, &server).args([option, "--force", "--flat"]);
        run.arg(reference("img")).succeed();
        let asked = server.seen().asked(&path) - before.0;
        assert_eq!(asked > 1, option != "--connections=1", "{option}: {asked}");
        if ranges == Ranges::Honoured {
            let served = server.seen().bytes_of(&path) - before.1;
            assert!(served <= bytes + bytes / 4, "{option}: {served} of {bytes}");
        }
        let found = std::fs::read(work.image("img/large")).unwrap();
        assert!(found == contents, "{option} {ranges:?}");
    }
}
