//! An end at any time: nothing is seen before it is complete, and what came need not come again.

use super::image::{Blob, Image, LAYER, blob_path, pull, reference};
use super::merged::merged;
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, is_ours};
use crate::tarball::Tarball;
use rustix::process::{Pid, Signal};
use serde_json::json;
use std::io::Read;

/// Bytes of each layer; they cannot be packed, and are not.
const LAYER_BYTES: u64 = 24 << 20;
/// What a worker that is killed loses of each layer at most, in bytes: what came after the last mark,
/// the pieces that waited, and what was on its way.
const LOST_MAX: u64 = 12 << 20;
const LAYERS: usize = 4;

fn noise(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let source = std::fs::File::open("/dev/urandom").unwrap();
    source.take(length).read_to_end(&mut bytes).unwrap();
    bytes
}

fn image() -> Image {
    let layer = |number: usize| {
        let contents = noise(LAYER_BYTES);
        Tarball::new()
            .file(format!("file{number}"), &contents)
            .end()
    };
    let layers = (0..LAYERS).map(|number| Blob::new(layer(number), LAYER));
    Image::of(layers.collect(), &json!({"config": {"Cmd": ["/x"]}}))
}

fn serve(image: &Image, server: &Server, fault: Fault) {
    image.serve(server, "img");
    for blob in &image.layers {
        let answer = Answer::ok(blob.bytes.clone()).etag(&format!("\"{}\"", blob.digest));
        server.put(&blob_path("img", blob), answer.fault(fault));
    }
}

fn served(image: &Image, server: &Server) -> u64 {
    let seen = server.seen();
    let blobs = image.layers.iter();
    blobs
        .map(|blob| seen.bytes_of(&blob_path("img", blob)))
        .sum()
}

/// What may be seen while an image is not complete: layers, and nothing else.
fn assert_incomplete(work: &Work) {
    for name in work.images() {
        let is_layer = name.starts_with(".oci-sha256:");
        assert!(is_layer || name.starts_with(".#"), "{name}");
    }
}

#[test]
fn after_a_kill_only_what_is_missing_comes() {
    if !is_ours() {
        println!("skipped: the reference begins anew");
        return;
    }
    let image = image();
    let total: u64 = image
        .layers
        .iter()
        .map(|blob| blob.bytes.len() as u64)
        .sum();
    for (round, signal) in [Signal::KILL, Signal::TERM, Signal::KILL]
        .into_iter()
        .enumerate()
    {
        let Some(work) = Work::new() else { return };
        let server = Server::start();
        let enough = total * (round as u64 + 1) / 4;
        serve(
            &image,
            &server,
            Fault::Drip {
                bytes: 256 << 10,
                every: std::time::Duration::from_millis(25),
            },
        );
        let (mut child, socket) = pull(&work, &server).arg(reference("img")).start();
        server.wait(|seen| seen.bytes.values().sum::<u64>() > enough);
        rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap();
        drop(socket);
        assert_incomplete(&work);
        let before = served(&image, &server);
        serve(&image, &server, Fault::None);
        pull(&work, &server).arg(reference("img")).succeed();
        let all = served(&image, &server);
        let most = total + LOST_MAX * LAYERS as u64;
        let shown = format!("round {round}: {all} of {total}, {before} before");
        assert!(all <= most, "{shown}");
        let tree = merged(&work, "img");
        assert_eq!(
            tree.keys().filter(|path| path.contains("file")).count(),
            LAYERS
        );
        assert!(work.image("img.nspawn").exists());
        assert!(!work.images().iter().any(|name| name.starts_with(".#")));
    }
}

#[test]
fn a_failed_layer_leaves_those_that_are_complete() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let image = image();
    serve(&image, &server, Fault::None);
    let last = blob_path("img", &image.layers[LAYERS - 1]);
    server.put(&last, Answer::status(403, "no"));
    pull(&work, &server).arg(reference("img")).fail_somehow();
    assert_incomplete(&work);
    serve(&image, &server, Fault::None);
    pull(&work, &server).arg(reference("img")).succeed();
    let tree = merged(&work, "img");
    assert_eq!(
        tree.keys().filter(|path| path.contains("file")).count(),
        LAYERS
    );
}
