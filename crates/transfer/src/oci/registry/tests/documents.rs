//! Indexes, manifests and configurations.

use super::server::{Answer, Bench, Server, descriptor, fetch, put};
use crate::oci::hash::sha256;
use crate::oci::source::Source;
use importd_api::failure::Kind;
use importd_formats::oci::MediaType;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers everything with these bytes.
fn constant(body: &'static [u8]) -> Server {
    Server::start(move |_| Answer::new(200, body))
}

#[test]
fn a_document_that_is_asked_for_by_its_digest_has_it() {
    let registry = constant(b"{}");
    let bench = Bench::new(&registry, &[]);
    let good = sha256(b"{}");
    let top = bench.open(&format!("test/a@{good}"), None).unwrap().top();
    assert_eq!(top.unwrap().bytes, b"{}");
    assert_eq!(registry.lines(), [format!("GET /v2/a/manifests/{good}")]);
    let other = sha256(b"[]");
    let top = bench
        .open(&format!("test/a:t@{other}"), None)
        .unwrap()
        .top();
    assert_eq!(top.unwrap_err().kind, Kind::Corrupt);
}

#[test]
fn a_document_must_have_the_digest_that_the_registry_says() {
    let said = sha256(b"[]").to_string();
    let registry =
        Server::start(move |_| Answer::new(200, "{}").with("Docker-Content-Digest", said.clone()));
    let bench = Bench::new(&registry, &[]);
    let error = bench.open("test/a", None).unwrap().top().unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
}

#[test]
fn documents_have_their_size_and_digest() {
    let registry = constant(b"{ }");
    let bench = Bench::new(&registry, &[]);
    let image = bench.open("test/a", None).unwrap();
    let good = descriptor(b"{ }", MediaType::Manifest);
    assert_eq!(image.document(&good, 100).unwrap(), b"{ }");
    let config = descriptor(b"{ }", MediaType::Config);
    assert_eq!(image.document(&config, 100).unwrap(), b"{ }");
    let lines = registry.lines();
    assert_eq!(lines[0], format!("GET /v2/a/manifests/{}", good.digest));
    assert_eq!(lines[1], format!("GET /v2/a/blobs/{}", good.digest));

    let other = descriptor(b"[ ]", MediaType::Config);
    let mut long = good.clone();
    long.size = 4;
    let mut short = good.clone();
    short.size = 2;
    for (descriptor, limit, kind) in [
        (&other, 100, Kind::Corrupt),
        (&long, 100, Kind::Corrupt),
        (&short, 100, Kind::Corrupt),
        (&good, 2, Kind::TooLarge),
    ] {
        assert_eq!(image.document(descriptor, limit).unwrap_err().kind, kind);
    }
}

#[test]
fn a_document_that_stands_in_its_descriptor_is_proven_and_not_asked_for() {
    let registry = constant(b"");
    let bench = Bench::new(&registry, &[]);
    let image = bench.open("test/a", None).unwrap();
    let mut config = descriptor(b"{}", MediaType::Config);
    config.data = Some(b"{}".to_vec());
    assert_eq!(image.document(&config, 100).unwrap(), b"{}");
    config.data = Some(b"[]".to_vec());
    assert_eq!(
        image.document(&config, 100).unwrap_err().kind,
        Kind::Corrupt
    );
    assert!(registry.lines().is_empty());
}

#[test]
fn endless_documents_end() {
    let length = (4 << 20) + 1;
    let announced = Server::start(move |_| Answer::new(200, vec![b' '; length]));
    let endless = Server::start(move |_| {
        // By chunks, so that nothing is announced.
        let chunk = [
            b"100000\r\n".to_vec(),
            vec![b' '; 1 << 20],
            b"\r\n".to_vec(),
        ]
        .concat();
        let mut answer = Answer::new(200, chunk.repeat(6));
        answer.headers.push(("Content-Length", String::new()));
        answer.headers.clear();
        answer.with("Transfer-Encoding", "chunked")
    });
    for server in [announced, endless] {
        let bench = Bench::new(&server, &[]);
        let error = bench.open("test/a", None).unwrap().top().unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge, "{error}");
    }
}

#[test]
fn an_image_that_is_not_there_is_named() {
    let registry = Server::start(|_| Answer::new(404, ""));
    let bench = Bench::new(&registry, &[]);
    let error = bench.open("test/a:t", None).unwrap().top().unwrap_err();
    assert_eq!(error.kind, Kind::HttpNotFound);
    assert!(error.doing.contains("test/a:t"), "{error}");
}

#[test]
fn a_busy_registry_is_asked_again_when_it_wants() {
    let count = AtomicUsize::new(0);
    let registry = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::new(429, "").with("Retry-After", "0"),
        1 => Answer::new(503, "").with("Retry-After", "0"),
        _ => Answer::new(200, "{}"),
    });
    let bench = Bench::new(&registry, &[]);
    bench.open("test/a", None).unwrap().top().unwrap();
    assert_eq!(registry.lines().len(), 3);
}

#[test]
fn mirrors_come_first_for_what_has_a_digest_and_never_for_tags() {
    let (registry, mirror) = (constant(b"{}"), constant(b"{}"));
    let bench = Bench::new(&registry, &[&mirror]);
    let image = bench.open("test/a", None).unwrap();
    image.top().unwrap();
    assert_eq!((registry.lines().len(), mirror.lines().len()), (1, 0));
    let manifest = descriptor(b"{}", MediaType::Manifest);
    image.document(&manifest, 100).unwrap();
    assert_eq!((registry.lines().len(), mirror.lines().len()), (1, 1));
    let pinned = bench.open(&format!("test/a@{}", manifest.digest), None);
    pinned.unwrap().top().unwrap();
    assert_eq!((registry.lines().len(), mirror.lines().len()), (1, 2));
}

#[test]
fn mirrors_that_have_nothing_or_something_else_are_passed_over() {
    let good = descriptor(b"{}", MediaType::Config);
    let absent = Server::start(|_| Answer::new(404, ""));
    let longer = constant(b"{    }");
    let wrong = constant(b"[]");
    let registry = constant(b"{}");
    let bench = Bench::new(&registry, &[&absent, &longer, &wrong]);
    let image = bench.open("test/a", None).unwrap();
    assert_eq!(image.document(&good, 100).unwrap(), b"{}");
    for server in [&absent, &longer, &wrong, &registry] {
        assert_eq!(server.lines().len(), 1);
    }
    // One of them was wrong: they are not asked any more.
    image.document(&good, 100).unwrap();
    assert_eq!((absent.lines().len(), registry.lines().len()), (1, 2));
}

#[test]
fn a_mirror_that_does_not_answer_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (address, counted) = (listener.local_addr().unwrap(), Arc::clone(&count));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let registry = constant(b"{}");
    let bench = Bench::new(&registry, &[]);
    let text = format!(
        "{{\"defaultProtocol\":\"http\",\"overrideRegistry\":\"{}\",\"mirrors\":[\"{address}\"]}}",
        registry.address
    );
    put(
        &bench.folder.path().join("registry.test.oci-registry"),
        &text,
    );
    let image = bench.open("test/a", None).unwrap();
    let config = descriptor(b"{}", MediaType::Config);
    image.document(&config, 100).unwrap();
    let asked = count.load(Ordering::SeqCst);
    image.document(&config, 100).unwrap();
    fetch(&image, &config).unwrap();
    assert_eq!(
        (count.load(Ordering::SeqCst), registry.lines().len()),
        (asked, 3)
    );
}

#[test]
fn a_registry_can_be_a_folder() {
    let registry = constant(b"");
    let bench = Bench::new(&registry, &[]);
    let folder = bench.folder.path().join("v2/a");
    for name in ["manifests", "blobs"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    put(&folder.join("manifests/latest"), "{}");
    let config = descriptor(b"{ }", MediaType::Config);
    let name = format!("blobs/{}", config.digest);
    put(&folder.join(name), "{ }");
    let text = format!(
        "{{\"defaultProtocol\":\"file\",\"overrideRegistry\":\"{}\"}}",
        bench.folder.path().display()
    );
    let path = bench.folder.path().join("registry.test.oci-registry");
    put(&path, &text);
    let image = bench.open("test/a", None).unwrap();
    let top = image.top().unwrap();
    assert_eq!((top.bytes.as_slice(), top.sent_as), (&b"{}"[..], None));
    assert_eq!(image.document(&config, 100).unwrap(), b"{ }");
    assert_eq!(fetch(&image, &config).unwrap(), b"{ }");
    let absent = bench.open("test/a:t", None).unwrap().top().unwrap_err();
    assert_eq!(absent.kind, Kind::NotFound);
}
