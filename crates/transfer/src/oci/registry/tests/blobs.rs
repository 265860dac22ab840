//! Blobs: resumed, shared, out of several registries.

use super::server::{Answer, Asked, Bench, Server, data, descriptor, fetch, read_blob};
use crate::error::Error;
use crate::oci::fetch::{Coming, Fetch};
use crate::oci::image::Layer;
use crate::oci::source::Source;
use crate::sink::tree::Limits;
use crate::stage::batch::Queue;
use crate::stage::chunks::Chunks;
use crate::stage::digest::{Digest, Wanted};
use importd_api::failure::Kind;
use importd_formats::oci::MediaType;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The first byte of what is asked for, if that is a rest.
fn first_byte(asked: &Asked) -> Option<usize> {
    let range = asked.header("range")?.strip_prefix("bytes=")?;
    range.strip_suffix('-')?.parse().ok()
}

/// All bytes, or the rest of them.
fn ranged(asked: &Asked, bytes: &[u8]) -> Answer {
    match first_byte(asked) {
        None => Answer::new(200, bytes),
        Some(first) => {
            let last = bytes.len() - 1;
            let range = format!("bytes {first}-{last}/{}", bytes.len());
            Answer::new(206, &bytes[first..]).with("Content-Range", range)
        }
    }
}

#[test]
fn a_blob_goes_on_where_it_broke_even_if_another_storage_host_calls_it_otherwise() {
    let bytes = data(300_000);
    let blob = descriptor(&bytes, MediaType::Layer);
    let count = AtomicUsize::new(0);
    let sent = bytes.clone();
    let registry = Server::start(move |asked| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let mut answer = ranged(asked, &sent).with("ETag", format!("\"{number}\""));
        answer.cut = (number == 0).then_some(100_000);
        answer
    });
    let bench = Bench::new(&registry, &[]);
    let image = bench.open("test/a", None).unwrap();
    assert!(fetch(&image, &blob).unwrap() == bytes);
    let asked = registry.asked();
    assert_eq!(first_byte(&asked[1]), Some(100_000));
    assert_eq!(asked[1].header("if-range"), None);
}

#[test]
fn another_registry_gives_the_rest() {
    let bytes = data(300_000);
    let blob = descriptor(&bytes, MediaType::Layer);
    let count = AtomicUsize::new(0);
    let sent = bytes.clone();
    let mirror = Server::start(move |asked| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer {
            cut: Some(100_000),
            ..ranged(asked, &sent)
        },
        _ => Answer::new(404, ""),
    });
    let sent = bytes.clone();
    let registry = Server::start(move |asked| ranged(asked, &sent));
    let bench = Bench::new(&registry, &[&mirror]);
    let image = bench.open("test/a", None).unwrap();
    assert!(fetch(&image, &blob).unwrap() == bytes);
    assert_eq!(first_byte(&registry.asked()[0]), Some(100_000));
}

#[test]
fn a_blob_of_another_size_is_refused_before_its_bytes() {
    let bytes = data(1000);
    let mut blob = descriptor(&bytes, MediaType::Layer);
    let registry = Server::start(move |_| Answer::new(200, bytes.clone()));
    let bench = Bench::new(&registry, &[]);
    let image = bench.open("test/a", None).unwrap();
    for size in [999, 1001] {
        blob.size = size;
        assert_eq!(image.blob(&blob).unwrap_err().kind, Kind::Corrupt);
    }
}

/// Reads so many bytes of a blob, as a pull does, and ends it with a broken network.
fn begin(bench: &Bench, reference: &str, blob: &importd_formats::oci::Descriptor, bytes: usize) {
    let store = bench.store();
    let image = bench.open(reference, Some(&store)).unwrap();
    let blob = image.blob(blob).unwrap();
    let (mut digest, pending) = Digest::followed(
        blob.body,
        Wanted::default(),
        Queue::ONE_OF_MANY,
        blob.follower,
    )
    .unwrap();
    let mut read = 0;
    while read < bytes {
        read += digest.chunk().unwrap().len();
    }
    drop(digest);
    pending.finish().unwrap_err();
    (blob.end)(&Err(Error::new(Kind::Io, "The network is gone")));
}

#[test]
fn a_blob_goes_on_in_another_process_and_from_another_server() {
    let bytes = data(12 << 20);
    let blob = descriptor(&bytes, MediaType::Layer);
    let server = |bytes: Vec<u8>| Server::start(move |asked| ranged(asked, &bytes));
    let (one, other) = (server(bytes.clone()), server(bytes.clone()));
    let bench = Bench::new(&one, &[]);
    begin(&bench, "test/a", &blob, 6 << 20);
    // The same blob of another image, elsewhere.
    let elsewhere = Bench::new(&other, &[]);
    let store = bench.store();
    let image = elsewhere.open("test/other/name", Some(&store)).unwrap();
    let mut again = image.blob(&blob).unwrap();
    assert!(again.resumed >= 6 << 20, "{}", again.resumed);
    assert!(read_blob(&mut again).unwrap() == bytes);
    (again.end)(&Ok(()));
    assert_eq!(
        first_byte(&other.asked()[0]).map(|it| it >= 6 << 20),
        Some(true)
    );
    // Nothing is kept of what is complete.
    let mut third = image.blob(&blob).unwrap();
    assert_eq!(third.resumed, 0);
    assert!(read_blob(&mut third).unwrap() == bytes);
}

#[test]
fn bytes_that_turn_out_to_be_wrong_are_not_kept() {
    let bytes = data(12 << 20);
    let blob = descriptor(&bytes, MediaType::Layer);
    let mut wrong = bytes.clone();
    wrong[5] ^= 1;
    let mirror = Server::start(move |asked| ranged(asked, &wrong));
    let sent = bytes.clone();
    let registry = Server::start(move |asked| ranged(asked, &sent));
    let bench = Bench::new(&registry, &[&mirror]);
    begin(&bench, "test/a", &blob, 6 << 20);
    let store = bench.store();
    let image = bench.open("test/a", Some(&store)).unwrap();
    let first = image.blob(&blob).unwrap();
    assert!(first.resumed > 0);
    assert!((first.end)(&Err(Error::new(
        Kind::Corrupt,
        "The digest is another one"
    ))));
    // From the registry itself, from the first byte on.
    let mut second = image.blob(&blob).unwrap();
    assert_eq!((second.resumed, registry.lines().len()), (0, 1));
    assert!(read_blob(&mut second).unwrap() == bytes);
}

#[test]
fn who_wants_a_blob_that_another_one_downloads_waits_for_it() {
    let bytes = data(8 << 20);
    let blob = descriptor(&bytes, MediaType::Layer);
    let sent = bytes.clone();
    let registry = Server::start(move |asked| ranged(asked, &sent));
    let bench = Bench::new(&registry, &[]);
    let store = bench.store();
    let image = bench.open("test/a", Some(&store)).unwrap();
    let first = image.blob(&blob).unwrap();
    let (mut digest, pending) = Digest::followed(
        first.body,
        Wanted::default(),
        Queue::ONE_OF_MANY,
        first.follower,
    )
    .unwrap();
    let waits = bench.folder.path().join("cache");
    let is_waiting = || {
        let entries = std::fs::read_dir(&waits).unwrap();
        let mut names = entries.map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_string_lossy().ends_with(".wait"))
    };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let mut second = image.blob(&blob).unwrap();
            (second.resumed, read_blob(&mut second).unwrap())
        });
        while !is_waiting() {
            std::thread::yield_now();
        }
        while !digest.chunk().unwrap().is_empty() {}
        pending.finish().unwrap();
        (first.end)(&Ok(()));
        let (resumed, read) = second.join().unwrap();
        assert_eq!(resumed, (8 << 20) - 1);
        assert!(read == bytes);
    });
    // The last byte shows that the registry still gives it to this caller.
    let asked = registry.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(first_byte(&asked[1]), Some((8 << 20) - 1));
}

#[test]
fn a_layer_that_a_mirror_has_wrong_comes_from_the_registry() {
    let bytes = data(300_000);
    let layer = Layer {
        blob: descriptor(&bytes, MediaType::Layer),
        plain: None,
    };
    let mut wrong = bytes.clone();
    wrong[299_999] ^= 1;
    let mirror = Server::start(move |asked| ranged(asked, &wrong));
    let sent = bytes.clone();
    let registry = Server::start(move |asked| ranged(asked, &sent));
    let bench = Bench::new(&registry, &[&mirror]);
    let image = bench.open("test/a", None).unwrap();
    let fetch = Fetch {
        source: &image,
        limits: Limits::default(),
        context: &bench.context,
    };
    let unpack = |_, mut coming: Coming| {
        let mut unpacked = Vec::new();
        let read = coming.archive.read_to_end(&mut unpacked);
        read.map(|_| unpacked)
            .map_err(|error| Error::io("Failed to read", error))
    };
    let mut count = 0;
    let made = fetch.several(&[(0, &layer)], unpack, |_, arrived| {
        arrived.finish(|unpacked, _| {
            count += 1;
            assert!(unpacked == bytes);
            Ok(())
        })
    });
    made.unwrap();
    let asked = (mirror.lines().len(), registry.lines().len());
    assert_eq!((count, asked), (1, (1, 1)));
}
