//! The table of errors: every condition, its name and its text.

use crate::harness::{Client, Daemon, MANAGER, MANAGER_INTERFACE, TRANSFER_INTERFACE, transfer};
use rustix::fs::{Mode, OFlags};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use zbus::{DynamicType, Fd, Variant};

const INVALID: &str = "org.freedesktop.DBus.Error.InvalidArgs";
const IN_PROGRESS: &str = "org.freedesktop.import1.TransferInProgress";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

async fn refused<B>(client: &Client, method: &str, body: &B) -> (String, String)
where
    B: serde::Serialize + DynamicType,
{
    client.call(method, body).await.expect_err(method)
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[tokio::test]
async fn classes_flags_and_names() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let url = "http://h/x";
    for (body, text) in [
        ((url, "a", "", "no", 0u64), "Image class '' not known"),
        (
            (url, "a", "Machine", "no", 8),
            "Image class 'Machine' not known",
        ),
        ((url, "a", "machine", "no", 8), "Flags 0x8 invalid"),
        (
            (url, "a", "machine", "no", 0x8000_0000_0000_00ff),
            "Flags 0x80000000000000ff invalid",
        ),
        (
            ("ftp://h/x", "a/b", "machine", "no", 0),
            "URL 'ftp://h/x' is invalid: it must begin with http://, https:// or file:/",
        ),
        (
            ("", "a", "machine", "no", 0),
            "URL '' is invalid: it must begin with http://, https:// or file:/",
        ),
        (
            (url, "a/b", "machine", "maybe", 0),
            "Local image name a/b is invalid",
        ),
        (
            (url, "a\u{1b}[31m", "machine", "no", 0),
            "Local image name a\\x1b[31m is invalid",
        ),
        (
            (url, "--verify=no", "machine", "signature", 0),
            "Local image name --verify=no is invalid",
        ),
        (
            (url, ".#a", "machine", "no", 0),
            "Local image name .#a is invalid",
        ),
        (
            (url, "a", "machine", "maybe", 0),
            "Unknown verification mode maybe",
        ),
    ] {
        for method in ["PullTarEx", "PullRawEx"] {
            assert_eq!(refused(&client, method, &body).await, pair(INVALID, text));
        }
    }
    let listed = ("x", 9u64);
    for method in ["ListTransfersEx", "ListImages"] {
        let error = pair(INVALID, "Image class 'x' not known");
        assert_eq!(refused(&client, method, &listed).await, error);
        let error = pair(INVALID, "Flags 0x9 invalid");
        assert_eq!(refused(&client, method, &("", 9u64)).await, error);
    }
}

#[tokio::test]
async fn oci_images_are_checked_by_class_flags_reference_and_name() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    for (body, text) in [
        (("A", "-", "x", 4u64), "Image class 'x' not known"),
        (("A", "-", "machine", 4), "Flags 0x4 invalid"),
        (("A", "-", "machine", 3), "Reference 'A' is invalid"),
        (
            ("http://h/a", "", "machine", 0),
            "Reference 'http://h/a' is invalid",
        ),
        (
            ("--help\u{1b}", "", "machine", 0),
            "Reference '--help\\x1b' is invalid",
        ),
        (("a", "-", "machine", 3), "Local image name - is invalid"),
    ] {
        let error = refused(&client, "PullOci", &body).await;
        assert_eq!(error, pair(INVALID, text));
    }
}

#[tokio::test]
async fn options_of_our_own_methods_are_known_and_of_their_type() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let call = async |options: &[(&str, Variant<'static>)]| {
        let options: HashMap<_, _> = options.iter().cloned().collect();
        let body = ("a", "tell", "machine", options);
        let own = "io.importd.Manager1";
        let answer = client.call_on(MANAGER, own, "PullOci", &body).await;
        answer.expect_err("it was started")
    };
    let what = "is not known, or has the wrong type";
    for (name, value) in [("Force", Variant::from(true)), ("force", "yes".into())] {
        let text = format!("Option '{name}' {what}");
        assert_eq!(call(&[(name, value)]).await, pair(INVALID, &text));
    }
    let error = call(&[("architecture", "--help".into())]).await;
    assert_eq!(error.0, INVALID);
    let error = call(&[("reset", true.into())]).await;
    assert_eq!(error, pair(INVALID, "The option reset needs force"));
}

#[tokio::test]
async fn descriptors() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let path = daemon.folder.path().join("file");
    File::create(&path).unwrap();
    let open = |path: &std::path::Path, flags| -> OwnedFd {
        rustix::fs::open(path, flags, Mode::empty()).unwrap()
    };
    let kind = pair(INVALID, "Invalid argument");
    let flags = pair("System.Error.EREMOTEIO", "Remote I/O error");
    let no_folder = pair("System.Error.ENOTDIR", "Not a directory");
    let folder = open(daemon.folder.path(), OFlags::RDONLY);
    let device = open("/dev/null".as_ref(), OFlags::RDWR);
    let path_only = open(&path, OFlags::PATH);
    let waitless = open(&path, OFlags::RDWR | OFlags::NONBLOCK);
    let appending = open(&path, OFlags::RDWR | OFlags::APPEND);
    let file = open(&path, OFlags::RDWR);
    for (fd, method, error) in [
        (&folder, "ImportTar", &kind),
        (&device, "ImportRaw", &kind),
        (&path_only, "ImportTar", &flags),
        (&waitless, "ImportRaw", &flags),
        (&appending, "ImportRaw", &flags),
        (&file, "ImportFileSystem", &no_folder),
        (&device, "ImportFileSystem", &no_folder),
        (&waitless, "ImportFileSystem", &flags),
    ] {
        // The descriptor is looked at before the name.
        let body = (Fd::from(fd.as_fd()), "a/b", false, false);
        assert_eq!(&refused(&client, method, &body).await, error, "{method}");
    }
    let name = pair(INVALID, "Local image name a/b is invalid");
    let format = pair(INVALID, "Unknown format: rar");
    for (fd, image, error) in [
        (&device, "a", &kind),
        (&folder, "a", &kind),
        (&path_only, "a", &flags),
        (&waitless, "a", &flags),
        (&device, "a/b", &name),
        (&file, "a", &format),
    ] {
        for method in ["ExportTar", "ExportRaw"] {
            let body = (image, Fd::from(fd.as_fd()), "rar");
            assert_eq!(&refused(&client, method, &body).await, error, "{method}");
        }
    }
}

#[tokio::test]
async fn transfers_that_are_in_the_way() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    client.pull("hold").await;
    let url = "http://server/hold.raw";
    let again = refused(&client, "PullRawEx", &(url, "other", "sysext", "no", 0u64)).await;
    let text = "Transfer for http://server/hold.raw already in progress.";
    assert_eq!(again, pair(IN_PROGRESS, text));
    let same = refused(&client, "PullTar", &("http://h/x", "hold", "no", true)).await;
    let text = "Transfer for image 'hold' of class 'machine' already in progress.";
    assert_eq!(same, pair(IN_PROGRESS, text));
    // Neither the class nor the method is the same.
    let body = (url, "hold", "sysext", "no", 0u64);
    client.call("PullTarEx", &body).await.unwrap();
}

#[tokio::test]
async fn the_sixty_fifth_transfer_waits() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    for n in 1..=65 {
        client.pull(&format!("hold{n}")).await;
    }
    let list = client.call("ListTransfers", &()).await.unwrap();
    let list: Vec<(u32, String, String, String, f64, zbus::OwnedObjectPath)> =
        list.body().deserialize().unwrap();
    assert_eq!(list.len(), 65);
}

#[tokio::test]
async fn transfers_that_are_not_there() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let error = refused(&client, "CancelTransfer", &0u32).await;
    assert_eq!(error, pair(INVALID, "Invalid transfer id"));
    let error = refused(&client, "CancelTransfer", &7u32).await;
    let text = "No transfer by id 7";
    assert_eq!(error, pair("org.freedesktop.import1.NoSuchTransfer", text));
    for path in [transfer(7), transfer(0), format!("{MANAGER}/nothing")] {
        let error = client
            .call_on(&path, TRANSFER_INTERFACE, "Cancel", &())
            .await;
        let text = format!("Unknown object '{path}'.");
        let expected = pair("org.freedesktop.DBus.Error.UnknownObject", &text);
        assert_eq!(error.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn calls_that_fit_nothing() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let error = refused(&client, "PullTar", &("http://h/x", "a")).await;
    let text = "Invalid arguments 'ss' to call org.freedesktop.import1.Manager.PullTar(), \
                expecting 'sssb'.";
    assert_eq!(error, pair(INVALID, text));
    let unknown = "org.freedesktop.DBus.Error.UnknownMethod";
    let error = refused(&client, "Nope", &()).await;
    let text = "Unknown method Nope or interface org.freedesktop.import1.Manager.";
    assert_eq!(error, pair(unknown, text));
    let error = client
        .call_on(MANAGER, "org.x.Y", "ListTransfers", &())
        .await;
    let text = "Unknown method ListTransfers or interface org.x.Y.";
    assert_eq!(error.unwrap_err(), pair(unknown, text));
}

#[tokio::test]
async fn properties_that_are_not_there_or_not_writable() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let id = client.pull("hold").await;
    let path = transfer(id);
    let unknown = "org.freedesktop.DBus.Error.UnknownProperty";
    for (interface, property) in [(TRANSFER_INTERFACE, "Nope"), ("org.x.Y", "Id")] {
        let error = client
            .call_on(&path, PROPERTIES, "Get", &(interface, property))
            .await;
        let text = format!("Unknown interface {interface} or property {property}.");
        assert_eq!(error.unwrap_err(), pair(unknown, &text));
    }
    let body = (TRANSFER_INTERFACE, "Id", Variant::from(3u32));
    let error = client.call_on(&path, PROPERTIES, "Set", &body).await;
    let name = "org.freedesktop.DBus.Error.PropertyReadOnly";
    assert_eq!(
        error.unwrap_err(),
        pair(name, "Property 'Id' is not writable.")
    );
    let error = client
        .call_on(&path, PROPERTIES, "GetAll", &"org.x.Y")
        .await;
    let name = "org.freedesktop.DBus.Error.UnknownInterface";
    assert_eq!(
        error.unwrap_err(),
        pair(name, "Unknown interface 'org.x.Y'.")
    );
    let own = client
        .call_on(MANAGER, PROPERTIES, "GetAll", &MANAGER_INTERFACE)
        .await
        .unwrap();
    let own: std::collections::HashMap<String, zbus::OwnedVariant> =
        own.body().deserialize().unwrap();
    assert!(own.is_empty());
}

#[tokio::test]
async fn descriptors_that_no_argument_stands_for() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let file = tempfile::tempfile().unwrap();
    let value = Variant::from(Fd::from(file.as_fd()));
    let body = (MANAGER_INTERFACE, "Nope", value);
    let error = client.call_on(MANAGER, PROPERTIES, "Set", &body).await;
    let text = "Invalid number of file descriptors, 1, with a call to \
                org.freedesktop.DBus.Properties.Set(), expecting 0.";
    assert_eq!(error.unwrap_err(), pair(INVALID, text));
}

#[tokio::test]
async fn long_texts_are_not_repeated_whole() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let long = "x".repeat(1 << 20);
    let long = long.as_str();
    let url = "http://h/x";
    let file = tempfile::tempfile().unwrap();
    let fd = || Fd::from(file.as_fd());
    let path = format!("{MANAGER}/{long}");
    let errors = [
        refused(&client, "PullTarEx", &(url, "a", long, "no", 0u64)).await,
        refused(&client, "PullTarEx", &(url, long, "machine", "no", 0u64)).await,
        refused(&client, "PullTar", &(url, "a", long, false)).await,
        refused(&client, "PullTar", &(long, "a", "no", false)).await,
        refused(&client, "ExportTar", &("a", fd(), long)).await,
        refused(&client, "ListImages", &(long, 0u64)).await,
        refused(&client, "ListTransfersEx", &(long, 0u64)).await,
        client
            .call_on(MANAGER, PROPERTIES, "GetAll", &long)
            .await
            .unwrap_err(),
        client
            .call_on(MANAGER, PROPERTIES, "Get", &(long, long))
            .await
            .unwrap_err(),
        client
            .call_on(&path, MANAGER_INTERFACE, "ListTransfers", &())
            .await
            .unwrap_err(),
    ];
    for (name, text) in errors {
        let beginning: String = text.chars().take(80).collect();
        assert!(text.contains("xxxx"), "{name}: {beginning}");
        assert!(text.len() < 3000, "{name}: {beginning}");
    }
}
