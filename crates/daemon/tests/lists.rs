//! The lists of transfers and images.

use crate::harness::{Client, Daemon, TRANSFER_INTERFACE, transfer};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use zbus::{Fd, OwnedObjectPath};

type Transfer = (u32, String, String, String, f64, OwnedObjectPath);
type TransferEx = (u32, String, String, String, String, f64, OwnedObjectPath);
pub(crate) type Image = (
    String,
    String,
    String,
    String,
    bool,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
);

/// The images of a class.
pub(crate) async fn images(client: &Client, class: &str) -> Vec<Image> {
    let reply = client.call("ListImages", &(class, 0u64)).await.unwrap();
    reply.body().deserialize().unwrap()
}

/// Starts a pull of class sysext without a name, and an import of class machine.
async fn start_two(client: &Client) {
    let url = "https://user:secret@server/hold.raw";
    let body = (url, "", "sysext", "", 0u64);
    client.call("PullRawEx", &body).await.unwrap();
    let file = tempfile::tempfile().unwrap();
    client.import(&file, "hold-import").await;
}

fn path(id: u32) -> OwnedObjectPath {
    OwnedObjectPath::try_from(transfer(id)).unwrap()
}

#[tokio::test]
async fn running_transfers_are_listed_with_what_they_do() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let list = async || -> Vec<Transfer> {
        let reply = client.call("ListTransfers", &()).await.unwrap();
        reply.body().deserialize().unwrap()
    };
    assert_eq!(list().await, []);
    start_two(&client).await;
    let row = |id, kind: &str, remote: &str, local: &str| {
        let (kind, remote, local) = (kind.to_owned(), remote.to_owned(), local.to_owned());
        (id, kind, remote, local, -f64::MAX, path(id))
    };
    let expected = [
        row(1, "pull-raw", "https://server/hold.raw", ""),
        row(2, "import-raw", "", "hold-import"),
    ];
    assert_eq!(list().await, expected);
}

#[tokio::test]
async fn running_transfers_are_listed_by_class() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    start_two(&client).await;
    let row = |id, texts: [&str; 4]| -> TransferEx {
        let [kind, remote, local, class] = texts.map(str::to_owned);
        (id, kind, remote, local, class, -f64::MAX, path(id))
    };
    let pull = row(1, ["pull-raw", "https://server/hold.raw", "", "sysext"]);
    let import = row(2, ["import-raw", "", "hold-import", "machine"]);
    for (class, expected) in [
        ("", vec![pull.clone(), import.clone()]),
        ("sysext", vec![pull]),
        ("machine", vec![import]),
        ("portable", vec![]),
    ] {
        let reply = client
            .call("ListTransfersEx", &(class, 0u64))
            .await
            .unwrap();
        let listed: Vec<TransferEx> = reply.body().deserialize().unwrap();
        assert_eq!(listed, expected, "{class}");
    }
}

#[tokio::test]
async fn properties_tell_what_a_transfer_does() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let id = client.pull("hold").await;
    let path = transfer(id);
    let properties = "org.freedesktop.DBus.Properties";
    // Without a name all interfaces are meant: the original's first, ours behind.
    for (interface, count) in [("", 17), (TRANSFER_INTERFACE, 6)] {
        let reply = client
            .call_on(&path, properties, "GetAll", &interface)
            .await
            .unwrap();
        let body = reply.body();
        let all: HashMap<String, zbus::OwnedVariant> = body.deserialize().unwrap();
        assert_eq!(all.len(), count);
        let bytes = String::from_utf8_lossy(body.data().bytes()).into_owned();
        let names = ["Id", "Local", "Remote", "Type", "Verify", "Progress"];
        let places = names.map(|name| bytes.find(&format!("{name}\0")).expect(name));
        assert!(places.is_sorted(), "{places:?}");
    }
    for (name, value) in [
        ("Local", "hold"),
        ("Remote", "http://server/hold.raw"),
        ("Type", "pull-raw"),
        ("Verify", "no"),
    ] {
        let body = (TRANSFER_INTERFACE, name);
        let reply = client
            .call_on(&path, properties, "Get", &body)
            .await
            .unwrap();
        let got: zbus::OwnedVariant = reply.body().deserialize().unwrap();
        assert_eq!(String::try_from(got).unwrap(), value, "{name}");
    }
    let get = async |name| -> zbus::OwnedVariant {
        let body = (TRANSFER_INTERFACE, name);
        let reply = client
            .call_on(&path, properties, "Get", &body)
            .await
            .unwrap();
        reply.body().deserialize().unwrap()
    };
    assert_eq!(u32::try_from(get("Id").await).unwrap(), id);
    let progress = f64::try_from(get("Progress").await).unwrap();
    assert_eq!(progress.to_bits(), (-f64::MAX).to_bits());
}

#[tokio::test]
async fn imports_show_neither_remote_nor_verification() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let folder = File::open(daemon.folder.path()).unwrap();
    let body = (Fd::from(folder.as_fd()), "hold", false, false);
    client.call("ImportFileSystem", &body).await.unwrap();
    for (name, value) in [("Remote", ""), ("Verify", ""), ("Type", "import-fs")] {
        let body = (TRANSFER_INTERFACE, name);
        let properties = "org.freedesktop.DBus.Properties";
        let reply = client
            .call_on(&transfer(1), properties, "Get", &body)
            .await
            .unwrap();
        let got: zbus::OwnedVariant = reply.body().deserialize().unwrap();
        assert_eq!(String::try_from(got).unwrap(), value, "{name}");
    }
}

#[tokio::test]
async fn what_was_left_to_the_service_shows_as_empty_or_as_the_default() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let url = "http://server/hold.tar";
    for (number, method, body, kind) in [
        (1, "PullTar", (url, "", "", false), "pull-tar"),
        (2, "PullRaw", (url, "hold2", "checksum", false), "pull-raw"),
    ] {
        client.call(method, &body).await.unwrap();
        let verify = if body.2.is_empty() {
            "signature"
        } else {
            body.2
        };
        for (name, value) in [
            ("Local", body.1),
            ("Remote", url),
            ("Type", kind),
            ("Verify", verify),
        ] {
            let body = (TRANSFER_INTERFACE, name);
            let properties = "org.freedesktop.DBus.Properties";
            let reply = client
                .call_on(&transfer(number), properties, "Get", &body)
                .await
                .unwrap();
            let got: zbus::OwnedVariant = reply.body().deserialize().unwrap();
            assert_eq!(String::try_from(got).unwrap(), value, "{method} {name}");
        }
    }
}

#[tokio::test]
async fn the_machine_itself_is_the_one_image_that_is_always_there() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    for class in ["", "machine"] {
        let images = images(&client, class).await;
        let host = images.iter().find(|image| image.1 == ".host").unwrap();
        assert_eq!((host.0.as_str(), host.3.as_str()), ("machine", "/"));
        assert_eq!(
            (host.7, host.8, host.9, host.10),
            (u64::MAX, u64::MAX, u64::MAX, u64::MAX)
        );
    }
    let sysext = images(&client, "sysext").await;
    assert!(sysext.iter().all(|image| image.0 == "sysext"));
}
