//! What the service refuses at once, and what fails later: one clear reason each.

use super::service::Service;
use crate::make::{Signer, archive, checksum_line, file, plain_tree};
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};
use std::fs::File;
use std::os::fd::AsFd;
use zbus::Fd;

const INVALID: &str = "org.freedesktop.DBus.Error.InvalidArgs";

#[tokio::test]
async fn arguments_that_cannot_be_are_refused_at_once() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let client = service.client().await;
    let url = "http://127.0.0.1:1/x";
    // What we add to it.
    let no_url = match is_ours() {
        true => "URL 'ftp://h/x' is invalid: it must begin with http://, https:// or file:/",
        false => "URL 'ftp://h/x' is invalid",
    };
    let table = [
        (
            (url, "a", "Machine", "no", 0u64),
            "Image class 'Machine' not known",
        ),
        ((url, "a", "machine", "no", 8), "Flags 0x8 invalid"),
        (
            (url, "a/b", "machine", "no", 0),
            "Local image name a/b is invalid",
        ),
        (
            (url, ".#a", "machine", "no", 0),
            "Local image name .#a is invalid",
        ),
        (("ftp://h/x", "a", "machine", "no", 0), no_url),
        (
            (url, "a", "machine", "maybe", 0),
            "Unknown verification mode maybe",
        ),
    ];
    for (body, text) in table {
        for method in ["PullTarEx", "PullRawEx"] {
            let error = client.call(method, &body).await.unwrap_err();
            assert_eq!(error, (INVALID.into(), text.into()), "{method}");
        }
    }
    if is_ours() {
        // The reference hands it to its worker, which reads it as an option.
        let body = (url, "--verify=no", "machine", "signature", 0u64);
        let error = client.call("PullRawEx", &body).await.unwrap_err();
        assert_eq!(error.0, INVALID);
    }
    let device = File::open("/dev/null").unwrap();
    let body = (Fd::from(device.as_fd()), "a", false, false);
    let error = client.call("ImportTar", &body).await.unwrap_err();
    assert_eq!(error, (INVALID.into(), "Invalid argument".into()));
    let body = (Fd::from(device.as_fd()), "a", false, false);
    let error = client.call("ImportFileSystem", &body).await.unwrap_err();
    assert_eq!(error.0, "System.Error.ENOTDIR");
    let error = client.call("CancelTransfer", &77u32).await.unwrap_err();
    assert_eq!(error.0, "org.freedesktop.import1.NoSuchTransfer");
    assert_eq!(work.images(), [""; 0]);
}

#[tokio::test]
async fn images_of_oci_that_cannot_be_are_refused_at_once() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let client = service.client().await;
    for (body, text) in [
        (("A", "a/b", "x", 8u64), "Image class 'x' not known"),
        (("A", "a/b", "sysext", 4), "Flags 0x4 invalid"),
        (("A", "a/b", "sysext", 3), "Reference 'A' is invalid"),
        (
            ("h/a:1", "a/b", "sysext", 3),
            "Local image name a/b is invalid",
        ),
    ] {
        let error = client.call("PullOci", &body).await.unwrap_err();
        assert_eq!(error, (INVALID.into(), text.into()), "{body:?}");
    }
    assert_eq!(work.images(), [""; 0]);
}

#[tokio::test]
async fn pulls_that_fail_say_why_and_leave_nothing() {
    let Some(work) = Work::new() else { return };
    let signer = Signer::new(&work, "s");
    let Some(service) = Service::start_with(&work, &signer.keyring()) else {
        return;
    };
    let mut client = service.client().await;
    let server = Server::start();
    server.put("/d.raw", Answer::ok("contents"));
    server.put("/bad.raw", Answer::ok("contents"));
    server.put(
        "/SHA256SUMS",
        Answer::ok(checksum_line(b"other", "bad.raw")),
    );
    server.put("/text.tar", Answer::ok("this is no archive\n".repeat(100)));
    let cases = [
        ("PullRaw", "/missing.raw", "no", "404"),
        ("PullRaw", "/d.raw", "checksum", "d.raw"),
        ("PullRaw", "/bad.raw", "checksum", "bad.raw is not what"),
        ("PullRaw", "/bad.raw", "signature", "No signature"),
        ("PullTar", "/text.tar", "no", "Not an archive"),
    ];
    for (method, path, verify, word) in cases {
        let body = (server.url(path), "x", verify, false);
        let (result, why) = client.end(method, &body).await;
        assert_eq!(result, "failed", "{path}");
        assert!(
            !is_ours() || why.contains(word),
            "{path}: no '{word}' in: {why}"
        );
        assert_eq!(work.images(), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn imports_and_exports_that_fail_say_why_and_leave_nothing() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let data = archive(&plain_tree(&work));
    let whole = file(&work.path("t.tar"), &data);
    let cut = file(&work.path("cut.tar"), &data[..data.len() / 2]);
    std::fs::create_dir_all(work.image("taken")).unwrap();
    for (path, name, word) in [(&cut, "x", "cut off"), (&whole, "taken", "already exists")] {
        let source = File::open(path).unwrap();
        let body = (Fd::from(source.as_fd()), name, false, false);
        let (result, why) = client.end("ImportTar", &body).await;
        assert_eq!(result, "failed", "{name}");
        assert!(!is_ours() || why.contains(word), "no '{word}' in: {why}");
    }
    let out = File::create(work.path("out")).unwrap();
    let body = ("nothing", Fd::from(out.as_fd()), "");
    let (result, why) = client.end("ExportTar", &body).await;
    assert_eq!(result, "failed");
    assert!(!is_ours() || why.contains("nothing"), "{why}");
    // A descriptor that cannot be written to is the worker's to find out.
    let read_only = File::open(&whole).unwrap();
    let body = ("taken", Fd::from(read_only.as_fd()), "");
    assert_eq!(client.end("ExportTar", &body).await.0, "failed");
    assert_eq!(work.images(), ["taken"]);
}

#[tokio::test]
async fn the_same_pull_is_not_started_twice() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let server = Server::start();
    let stalled = Answer::ok(vec![b'x'; 9000]).fault(crate::server::Fault::StallAfter(100));
    server.put("/d.raw", stalled);
    let url = server.url("/d.raw");
    let id = client
        .start("PullRaw", &(url.as_str(), "d", "no", false))
        .await;
    let again = client
        .call("PullRaw", &(url.as_str(), "e", "no", true))
        .await;
    let expected = format!("Transfer for {url} already in progress.");
    let name = "org.freedesktop.import1.TransferInProgress";
    assert_eq!(again.unwrap_err(), (name.to_owned(), expected));
    client.call("CancelTransfer", &id).await.unwrap();
    client.until_removed(id).await;
}
