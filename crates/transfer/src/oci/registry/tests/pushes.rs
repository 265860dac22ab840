//! Uploads.

use super::server::{Answer, Bench, Server, data, descriptor};
use crate::error::Result;
use crate::oci::hash::sha256;
use crate::oci::registry::place::Purpose;
use importd_api::failure::Kind;
use importd_formats::oci::MediaType;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

fn pushing(registry: &Server) -> Bench {
    Bench {
        purpose: Purpose::Push,
        ..Bench::new(registry, &[])
    }
}

fn opener(bytes: &[u8]) -> impl Fn() -> Result<Box<dyn Read + Send>> {
    let bytes = bytes.to_vec();
    move || Ok(Box::new(Cursor::new(bytes.clone())))
}

#[test]
fn a_blob_is_asked_for_uploaded_and_named() {
    let bytes = data(3 << 20);
    let blob = descriptor(&bytes, MediaType::Layer);
    let giver = Server::start(|_| Answer::new(200, "{\"token\":\"t\"}"));
    let given = giver.clone();
    let said = blob.digest.to_string();
    let registry = Server::start(move |asked| match asked.method.as_str() {
        _ if asked.header("authorization").is_none() => {
            let value = format!(
                "Bearer realm=\"http://{}/t\",scope=\"repository:a:pull\"",
                given.address
            );
            Answer::new(401, "").with("WWW-Authenticate", value)
        }
        "HEAD" => Answer::new(404, ""),
        "POST" => Answer::new(202, "").with("Location", "/session?state=x"),
        _ => Answer::new(201, "").with("Docker-Content-Digest", said.clone()),
    });
    let bench = pushing(&registry);
    let image = bench.open("test/a:t", None).unwrap();
    assert!(!image.has_blob(&blob.digest).unwrap());
    image.upload(&blob, &opener(&bytes)).unwrap();
    // Not for what the first question needed, but for all of it.
    assert!(giver.lines()[0].ends_with("scope=repository%3Aa%3Apull%2Cpush"));
    assert_eq!(giver.lines().len(), 1);
    let asked = registry.asked();
    let put = asked.last().unwrap();
    let digest = blob.digest.to_string().replace(':', "%3A");
    assert_eq!(put.path, format!("/session?state=x&digest={digest}"));
    assert_eq!(put.header("content-length"), Some("3145728"));
    assert!(put.body == bytes);
    let document = br#"{"schemaVersion":2}"#;
    let error = image.put_manifest(document, "a/b", Some("t")).unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
}

#[test]
fn a_manifest_is_put_under_a_tag_or_its_digest() {
    let registry = Server::start(|_| Answer::new(201, ""));
    let bench = pushing(&registry);
    let image = bench.open("test/a", None).unwrap();
    let digest = image.put_manifest(b"{}", "a/b", Some("t")).unwrap();
    assert_eq!(digest, sha256(b"{}"));
    image.put_manifest(b"{}", "a/b", None).unwrap();
    let lines = registry.lines();
    assert_eq!(lines[0], "PUT /v2/a/manifests/t");
    assert_eq!(lines[1], format!("PUT /v2/a/manifests/{digest}"));
    let asked = &registry.asked()[0];
    assert_eq!(
        (asked.body.as_slice(), asked.header("content-type")),
        (&b"{}"[..], Some("a/b"))
    );
}

#[test]
fn an_upload_that_fails_is_begun_anew_and_a_refused_one_is_not() {
    let bytes = data(1 << 20);
    let blob = descriptor(&bytes, MediaType::Layer);
    let count = AtomicUsize::new(0);
    let registry = Server::start(move |asked| match asked.method.as_str() {
        "POST" => Answer::new(202, "").with("Location", "/session"),
        _ => match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::new(503, "").with("Retry-After", "0"),
            1 => Answer::new(201, ""),
            _ => Answer::new(403, ""),
        },
    });
    let bench = pushing(&registry);
    let image = bench.open("test/a", None).unwrap();
    image.upload(&blob, &opener(&bytes)).unwrap();
    let methods: Vec<String> = registry.asked().into_iter().map(|it| it.method).collect();
    assert_eq!(methods, ["POST", "PUT", "POST", "PUT"]);
    let error = image.upload(&blob, &opener(&bytes)).unwrap_err();
    assert!(error.doing.contains("403"), "{error}");
}

#[test]
fn bytes_go_to_the_storage_host_of_a_session_without_the_token() {
    let bytes = data(1000);
    let blob = descriptor(&bytes, MediaType::Layer);
    let storage = Server::start(|_| Answer::new(201, ""));
    let location = format!("http://{}/up", storage.address);
    let registry = Server::start(move |asked| match asked.header("authorization") {
        None => Answer::new(401, "").with("WWW-Authenticate", "Basic"),
        Some(_) => Answer::new(202, "").with("Location", location.clone()),
    });
    let bench = pushing(&registry).logged_in(&registry, "{\"auth\":\"dTpzZWNyZXQ=\"}");
    let image = bench.open("test/a", None).unwrap();
    image.upload(&blob, &opener(&bytes)).unwrap();
    assert!(storage.asked()[0].header("authorization").is_none());
    assert!(storage.asked()[0].body == bytes);
}

#[test]
fn a_blob_that_is_shorter_than_it_is_said_to_be_is_no_upload() {
    let bytes = data(1 << 20);
    let registry = Server::start(move |asked| match asked.method.as_str() {
        "POST" => Answer::new(202, "").with("Location", "/session"),
        _ => Answer::new(201, ""),
    });
    let bench = Bench {
        settings: crate::source::settings::Settings {
            retries: 0,
            ..crate::source::settings::Settings::default()
        },
        ..pushing(&registry)
    };
    let image = bench.open("test/a", None).unwrap();
    let blob = descriptor(&bytes, MediaType::Layer);
    image.upload(&blob, &opener(&bytes[1..])).unwrap_err();
}
