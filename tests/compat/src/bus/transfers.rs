//! Every method that starts a transfer, to its end.

use super::images::Row;
use super::service::{Client, Heard, MANAGER, Service, transfer};
use crate::make::{archive, checksum_line, disk, file, moved, packed, plain_tree, run};
use crate::server::{Answer, Fault, Server};
use crate::subject::{Work, is_ours};
use crate::tree::assert_same;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use zbus::{Fd, Variant};

const TRANSFER_INTERFACE: &str = "org.freedesktop.import1.Transfer";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

fn fd(file: &File) -> Fd<'_> {
    Fd::from(file.as_fd())
}

fn open(path: &Path) -> File {
    File::open(path).unwrap()
}

fn assert_done(heard: &[Heard]) {
    assert!(matches!(heard.first(), Some(Heard::New(_))), "{heard:?}");
    let is_done = matches!(heard.last(), Some(Heard::Removed(_, result)) if result == "done");
    assert!(is_done, "{heard:?}");
}

#[tokio::test]
async fn imports_read_the_callers_descriptor() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let tree = plain_tree(&work);
    let data = archive(&tree);
    let tar = open(&file(&work.path("t.tar.xz"), packed(&data, &["xz", "-c"])));
    let body = (fd(&tar), "t", false, false);
    let heard = client.run("ImportTar", &body).await;
    assert_done(&heard);
    assert_same(&tree, &work.image("t"));
    let lines: Vec<&str> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Line(_, 30, text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    for expected in [
        "Operating on image directory '/var/lib/machines'.",
        "Operation completed successfully.",
        "Exiting.",
    ] {
        assert!(lines.contains(&expected), "{expected}: {lines:?}");
    }
    let image = disk(&work, "disk.img");
    let raw = open(&image);
    let body = (fd(&raw), "d", "machine", 3u64);
    assert_done(&client.run("ImportRawEx", &body).await);
    assert!(std::fs::read(work.image("d.raw")).unwrap() == std::fs::read(&image).unwrap());
    let mode = std::fs::metadata(work.image("d.raw")).unwrap();
    assert!(mode.permissions().readonly());
    let folder = open(&tree);
    let body = (fd(&folder), "f", false, false);
    assert_done(&client.run("ImportFileSystem", &body).await);
    if is_ours() {
        // The reference's copy has no holes and a new top folder.
        assert_same(&tree, &work.image("f"));
    }
    assert_eq!(work.images(), ["d.raw", "f", "t"]);
}

#[tokio::test]
async fn exports_write_to_the_callers_descriptor() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let tree = plain_tree(&work);
    let image = disk(&work, "disk.img");
    moved(&tree, &work.image("t"));
    std::fs::copy(&image, work.image("d.raw")).unwrap();
    for (format, unpacker) in [
        ("", "cat"),
        ("gzip", "gzip"),
        ("xz", "xz"),
        ("zstd", "zstd"),
        ("bzip2", "bzip2"),
    ] {
        for (method, name) in [("ExportTarEx", "t"), ("ExportRawEx", "d")] {
            let path = work.path("out");
            let out = File::create(&path).unwrap();
            let body = (name, "machine", fd(&out), format, 0u64);
            assert_done(&client.run(method, &body).await);
            let packer: &[&str] = if unpacker == "cat" { &[] } else { &["-dc"] };
            let command = [&[unpacker], packer].concat();
            let data = packed(&std::fs::read(&path).unwrap(), &command);
            if name == "d" {
                assert!(data == std::fs::read(&image).unwrap(), "{format}");
            } else {
                unpacks_to(&work, &data, &work.image("t"));
            }
        }
    }
}

/// What GNU tar makes of an archive is that tree.
fn unpacks_to(work: &Work, data: &[u8], tree: &Path) {
    let path = file(&work.path("unpack.tar"), data);
    let target = work.path("unpacked");
    run("rm", &["-rf", "unpacked"], &work.path(""));
    std::fs::create_dir_all(&target).unwrap();
    let options = ["--extract", "--acls", "--xattrs", "--xattrs-include=*"];
    let paths = ["--file", path.to_str().unwrap()];
    run("tar", &[&options[..], &paths].concat(), &target);
    assert_same(tree, &target);
}

#[tokio::test]
async fn pulls_fetch_verify_and_keep() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let server = Server::start();
    let tree = plain_tree(&work);
    let tar = packed(&archive(&tree), &["zstd", "-qc"]);
    let raw = std::fs::read(disk(&work, "disk.img")).unwrap();
    let sums = [
        checksum_line(&tar, "t.tar.zst"),
        checksum_line(&raw, "d.raw"),
    ]
    .concat();
    server.put("/SHA256SUMS", Answer::ok(sums));
    server.put("/t.tar.zst", Answer::ok(tar));
    server.put("/d.raw", Answer::ok(raw.clone()));
    let body = (server.url("/t.tar.zst"), "t", "checksum", false);
    assert_done(&client.run("PullTar", &body).await);
    assert_same(&tree, &work.image("t"));
    // Without a name the worker derives one.
    let body = (server.url("/d.raw"), "", "machine", "checksum", 4u64);
    assert_done(&client.run("PullRawEx", &body).await);
    assert!(std::fs::read(work.image("d.raw")).unwrap() == raw);
    let kept = work
        .images()
        .iter()
        .filter(|name| name.starts_with(".raw-"))
        .count();
    assert_eq!(kept, 1, "{:?}", work.images());
}

#[tokio::test]
async fn a_running_transfer_is_listed_and_can_be_cancelled() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let mut client = service.client().await;
    let server = Server::start();
    let stalled = Answer::ok(vec![b'x'; 100_000]).fault(Fault::StallAfter(50_000));
    server.put("/d.raw", stalled);
    for by_object in [false, true] {
        let url = server.url("/d.raw");
        let body = (url.as_str(), "d", "machine", "no", 0u64);
        let id = client.start("PullRawEx", &body).await;
        let downloading = format!("Downloading 97.6K for {url}.");
        while !matches!(client.signal().await, Heard::Line(_, _, text) if text == downloading) {}
        assert_listed(&client, id, &url).await;
        match by_object {
            false => client.call("CancelTransfer", &id).await.map(drop),
            true => client
                .call_on(&transfer(id), TRANSFER_INTERFACE, "Cancel", &())
                .await
                .map(drop),
        }
        .unwrap();
        let heard = client.until_removed(id).await;
        assert_eq!(heard.last(), Some(&Heard::Removed(id, "canceled".into())));
        assert_eq!(work.images(), [""; 0]);
        let error = client.call("CancelTransfer", &id).await.unwrap_err();
        assert_eq!(error.0, "org.freedesktop.import1.NoSuchTransfer");
        assert_eq!(error.1, format!("No transfer by id {id}"));
    }
}

async fn assert_listed(client: &Client, id: u32, url: &str) {
    let reply = client.call("ListTransfersEx", &("", 0u64)).await.unwrap();
    type Row = (
        u32,
        String,
        String,
        String,
        String,
        f64,
        zbus::OwnedObjectPath,
    );
    let rows: Vec<Row> = reply.body().deserialize().unwrap();
    let [(row_id, kind, remote, local, class, progress, path)] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!((*row_id, kind.as_str()), (id, "pull-raw"));
    assert_eq!((remote.as_str(), local.as_str()), (url, "d"));
    assert_eq!(
        (class.as_str(), path.as_str()),
        ("machine", transfer(id).as_str())
    );
    assert!(*progress <= 1.0, "{progress}");
    for (property, value) in [
        ("Remote", url),
        ("Local", "d"),
        ("Type", "pull-raw"),
        ("Verify", "no"),
    ] {
        let body = (TRANSFER_INTERFACE, property);
        let reply = client
            .call_on(path.as_str(), PROPERTIES, "Get", &body)
            .await;
        let body = reply.unwrap().body();
        let found: Variant<'_> = body.deserialize().unwrap();
        assert_eq!(found, Variant::from(value), "{property}");
    }
}

#[tokio::test]
async fn images_are_listed() {
    let Some(work) = Work::new() else { return };
    let Some(service) = Service::start(&work) else {
        return;
    };
    let client = service.client().await;
    std::fs::create_dir_all(work.image("tree")).unwrap();
    file(&work.image("disk.raw"), vec![b'x'; 8192]);
    file(&work.image("plain"), "no image");
    let reply = client.call("ListImages", &("machine", 0u64)).await.unwrap();
    let rows: Vec<Row> = reply.body().deserialize().unwrap();
    let mut found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.0.as_str(),
                row.1.as_str(),
                row.2.as_str(),
                row.3.as_str(),
            )
        })
        .collect();
    found.sort_unstable();
    let expected = [
        ("machine", ".host", "directory", "/"),
        ("machine", "disk", "raw", "/var/lib/machines/disk.raw"),
        ("machine", "tree", "directory", "/var/lib/machines/tree"),
    ];
    assert_eq!(found, expected);
    let disk = rows.iter().find(|row| row.1 == "disk").unwrap();
    assert_eq!((disk.7, disk.9), (8192, 8192));
    assert_eq!(MANAGER, "/org/freedesktop/import1");
}
