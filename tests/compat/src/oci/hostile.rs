//! Registries that mean harm: nothing of an image is seen, and nothing outside is touched.

use super::image::{
    Blob, CONFIG, INDEX, Image, LAYER, MANIFEST, blob_path, manifest_path, pull, reference,
};
use crate::make::packed;
use crate::server::{Answer, Fault, Server};
use crate::subject::{Outcome, Work, is_ours};
use crate::tarball::Tarball;
use serde_json::json;

fn archive(name: &str) -> Vec<u8> {
    let folder = Tarball::new().folder("usr/");
    folder.file(format!("usr/{name}"), name.as_bytes()).end()
}

fn image() -> Image {
    Image::new(&[archive("a"), archive("b")], &json!({"Cmd": ["/x"]}))
}

/// Pulls an image that must be refused; nothing may be there under its name, or hidden.
fn refused(work: &Work, server: &Server) -> Outcome {
    let run = pull(work, server).arg(reference("img"));
    let outcome = run.fail_somehow();
    let left: Vec<_> = work
        .images()
        .into_iter()
        .filter(|name| !name.starts_with(".oci-sha256:"))
        .collect();
    // The reference leaves what it has not finished.
    if is_ours() {
        assert!(left.is_empty(), "{left:?}: {}", outcome.stderr);
    } else {
        assert!(!left.iter().any(|name| name.starts_with("img")), "{left:?}");
    }
    outcome
}

#[test]
fn bytes_that_are_not_what_their_digest_says_are_refused() {
    let server = Server::start();
    let image = image();
    let all = image.layers.iter().chain([&image.config]);
    for (number, blob) in all.enumerate() {
        // Layers of the tries before are not asked for again.
        let Some(work) = Work::new() else { return };
        let bytes = &blob.bytes;
        let flipped = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            bytes
        };
        let other = packed(&archive("other"), &["gzip", "-nc"]);
        let longer = [&bytes[..], b"more"].concat();
        let wrong = [
            flipped(bytes.len() / 2),
            flipped(bytes.len() - 1),
            bytes[..bytes.len() - 1].to_vec(),
            longer,
            other,
            Vec::new(),
        ];
        for (which, bytes) in wrong.into_iter().enumerate() {
            image.serve(&server, "img");
            server.put(&blob_path("img", blob), Answer::ok(bytes));
            let outcome = refused(&work, &server);
            assert!(
                outcome.stderr.contains(&blob.digest[7..]) || !is_ours(),
                "{number} {which}: {}",
                outcome.stderr
            );
        }
    }
    let Some(work) = Work::new() else { return };
    image.serve(&server, "img");
    pull(&work, &server).arg(reference("img")).succeed();
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_refused() {
    if !is_ours() {
        println!("skipped: the reference does not look at that");
        return;
    }
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let layer = Blob::new(packed(&archive("a"), &["gzip", "-nc"]), LAYER);
    let other = super::image::digest(&archive("b"));
    let config = json!({"rootfs": {"type": "layers", "diff_ids": [other]}});
    Image::of(vec![layer], &config).serve(&server, "img");
    let outcome = refused(&work, &server);
    assert!(
        outcome.stderr.contains("configuration"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn documents_that_say_two_things_are_refused() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let image = image();
    image.serve(&server, "img");
    let text = String::from_utf8(image.manifest.bytes.clone()).unwrap();
    let mut cases = vec![
        (text.clone(), INDEX),
        (
            json!({"schemaVersion": 2, "manifests": []}).to_string(),
            MANIFEST,
        ),
        (
            text.replace("\"schemaVersion\":2", "\"schemaVersion\":3"),
            MANIFEST,
        ),
        ("[]".into(), MANIFEST),
        (text[..text.len() - 1].into(), MANIFEST),
        ("{".repeat(100_000), MANIFEST),
    ];
    if is_ours() {
        let both = text.replacen('{', "{\"manifests\":[],", 1);
        let twice = text.replacen('{', "{\"layers\":[],", 1);
        let upper = text.replace(
            &image.layers[0].digest[7..],
            &image.layers[0].digest[7..].to_uppercase(),
        );
        let parent = text.replace(&image.layers[0].digest, "sha256:../../../../etc/passwd");
        let more = format!("{text} {text}");
        cases.extend([both, twice, upper, parent, more].map(|text| (text, MANIFEST)));
        cases.push((text.clone(), CONFIG));
        // The reference crashes.
        cases.push((String::new(), MANIFEST));
    }
    for (text, kind) in cases {
        let answer = Answer::ok(text.clone()).header("Content-Type", kind);
        server.put(&manifest_path("img", "latest"), answer);
        let outcome = refused(&work, &server);
        let line = outcome.stderr.lines().last().unwrap_or_default();
        assert!(line.len() < 2000, "{line}");
    }
    assert!(work.images().is_empty());
}

#[test]
fn what_never_ends_is_left_off() {
    if !is_ours() {
        println!("skipped: the reference reads on");
        return;
    }
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let image = image();
    for path in [
        manifest_path("img", "latest"),
        blob_path("img", &image.config),
        blob_path("img", &image.layers[1]),
    ] {
        image.serve(&server, "img");
        let endless = Answer::ok(vec![b' '; 1 << 16]).fault(Fault::Endless);
        let kind = if path.contains("manifests") {
            MANIFEST
        } else {
            "application/octet-stream"
        };
        server.put(&path, endless.header("Content-Type", kind));
        refused(&work, &server);
        let seen = server.seen().bytes_of(&path);
        assert!(seen < 64 << 20, "{path}: {seen}");
    }
    // What is said to be large is not asked for.
    let size = json!(5_000_000_000u64);
    let config = image
        .clone()
        .with_manifest(|it| it["config"]["size"] = size);
    config.serve(&server, "img");
    let before = server.seen().asked(&blob_path("img", &image.config));
    let outcome = refused(&work, &server);
    assert_eq!(
        server.seen().asked(&blob_path("img", &image.config)),
        before
    );
    assert!(
        outcome.stderr.contains("config") || outcome.stderr.contains("blob"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn no_layer_reaches_out_of_its_tree() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let outside = work.path("outside");
    std::fs::create_dir_all(&outside).unwrap();
    crate::make::file(&outside.join("victim"), "whole");
    let shown = outside.to_str().unwrap();
    let below = Tarball::new()
        .symlink("out", shown)
        .symlink("up", "../../../../../../..")
        .end();
    for upper in [
        Tarball::new().file("out/victim", b"broken"),
        Tarball::new().file("out/new", b"broken"),
        Tarball::new().file("out/.wh.victim", b""),
        Tarball::new().file("out/.wh..wh..opq", b""),
        Tarball::new().hard_link("name", "out/victim"),
        Tarball::new().hard_link("name", &shown[1..]).file("x", b""),
        Tarball::new().file("../escaped", b"broken"),
        Tarball::new().file("a/../../escaped", b"broken"),
        Tarball::new().file(".wh...", b""),
        Tarball::new().file("up/escaped", b"broken"),
        Tarball::new().folder("out").file("out/victim", b"broken"),
    ] {
        let image = Image::new(&[below.clone(), upper.end()], &json!({}));
        image.serve(&server, "img");
        for option in ["--read-only", "--flat"] {
            if option == "--flat" && !is_ours() {
                continue;
            }
            let run = pull(&work, &server).args(["--force", option]);
            let status = run.arg(reference("img")).outcome().status;
            assert!(status < 2);
            let left: Vec<_> = std::fs::read_dir(&outside).unwrap().collect();
            assert_eq!(left.len(), 1);
            let victim = std::fs::read(outside.join("victim")).unwrap();
            assert_eq!(victim, b"whole");
            assert!(!work.path("escaped").exists() && !work.image("escaped").exists());
        }
    }
}

#[test]
fn overlay_attributes_and_whiteouts_of_an_archive_are_not_taken() {
    if !is_ours() {
        println!("skipped: the reference takes them");
        return;
    }
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let secret = Tarball::new().folder("etc/").file("etc/secret", b"s").end();
    let redirect = Tarball::new()
        .pax(
            b'x',
            &[
                ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
                ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ],
        )
        .folder("open/")
        .pax(
            b'x',
            &[
                ("SCHILY.xattr.user.overlay.opaque", b"y"),
                ("SCHILY.xattr.user.kept", b"yes"),
            ],
        )
        .folder("etc/")
        .end();
    let image = Image::new(&[secret, redirect], &json!({}));
    image.serve(&server, "img");
    pull(&work, &server).arg(reference("img")).succeed();
    let tree = super::merged::merged(&work, "img");
    assert!(tree.keys().any(|path| path.contains("etc/secret")));
    assert!(!tree.keys().any(|path| path.contains("open/secret")));
    for layer in super::merged::layers(&work.image("img.mstack")) {
        for folder in ["etc", "open"] {
            let path = layer.join(folder);
            if path.exists() {
                let names = crate::tree::attributes(&path);
                assert!(
                    !names.keys().any(|name| name.contains("overlay")),
                    "{names:?}"
                );
            }
        }
    }
}
