//! Images of OCI: each method, and what its worker is told.

use crate::harness::{Client, Daemon, MANAGER, transfer};
use crate::transfers::told;
use rustix::fs::{Mode, OFlags};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use zbus::{DynamicType, Fd, Variant};

const OWN: &str = "io.importd.Manager1";

type Options = HashMap<&'static str, Variant<'static>>;

fn options<const N: usize>(given: [(&'static str, Variant<'static>); N]) -> Options {
    HashMap::from(given)
}

/// Starts a transfer by a method of our own and returns the lines of its worker when it has succeeded.
async fn told_own<B>(client: &mut Client, method: &str, body: &B) -> Vec<String>
where
    B: serde::Serialize + DynamicType,
{
    let reply = client.call_on(MANAGER, OWN, method, body).await.unwrap();
    let (id, path): (u32, zbus::OwnedObjectPath) = reply.body().deserialize().unwrap();
    assert_eq!(path.as_str(), transfer(id));
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(result, "done", "{method}: {lines:?}");
    lines.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn oci_images_are_pulled_by_reference_and_listed_with_it() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let body = ("server:5000/a/tell:1", "", "machine", 0u64);
    let lines = told(&mut client, "PullOci", &body).await;
    assert_eq!(
        lines.first().map(String::as_str),
        Some("<30>systemd-pull oci --system -- server:5000/a/tell:1")
    );
    let body = ("server:5000/foo", "tell", "portable", 3u64);
    let lines = told(&mut client, "PullOci", &body).await;
    assert_eq!(
        lines[0],
        "<30>systemd-pull oci --system --class portable --force --read-only -- server:5000/foo \
         tell"
    );
    let body = ("server/foo:1", "hold", "machine", 0u64);
    let reply = client.call("PullOci", &body).await.unwrap();
    let (id, _): (u32, zbus::OwnedObjectPath) = reply.body().deserialize().unwrap();
    client.until_line("holding").await;
    let property = async |name: &str| {
        let body = ("org.freedesktop.import1.Transfer", name);
        let interface = "org.freedesktop.DBus.Properties";
        let reply = client.call_on(&transfer(id), interface, "Get", &body).await;
        let value: zbus::OwnedVariant = reply.unwrap().body().deserialize().unwrap();
        String::try_from(value).unwrap()
    };
    assert_eq!(property("Type").await, "pull-oci");
    assert_eq!(property("Remote").await, "server/foo:1");
    assert_eq!(property("Local").await, "hold");
    assert_eq!(property("Verify").await, "");
    // Neither the same reference nor the same name a second time.
    for body in [
        ("server/foo:1", "other", "sysext", 0u64),
        ("server/bar", "hold", "machine", 0),
    ] {
        let (name, _) = client.call("PullOci", &body).await.unwrap_err();
        assert_eq!(name, "org.freedesktop.import1.TransferInProgress");
    }
    daemon.open_gate();
    client.until_removed(id).await;
}

#[tokio::test]
async fn our_own_methods_tell_the_worker_what_an_image_becomes() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let all = options([
        ("force", true.into()),
        ("architecture", "arm/v7".into()),
        ("flat", true.into()),
        ("reset", true.into()),
    ]);
    let body = ("server/foo", "tell", "machine", all);
    let lines = told_own(&mut client, "PullOci", &body).await;
    assert_eq!(
        lines[0],
        "systemd-pull oci --system --force --arch arm/v7 --flat --reset -- server/foo tell"
    );
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(b"layers").unwrap();
    drop(write);
    let given = options([("tag", "a:1".into()), ("readOnly", true.into())]);
    let body = (Fd::from(read.as_fd()), "tell", "portable", given);
    let lines = told_own(&mut client, "ImportOci", &body).await;
    assert_eq!(
        lines[0],
        "systemd-import oci --system --class portable --read-only --tag a:1 -- - tell"
    );
    assert_eq!(lines.last().unwrap(), "read layers");
    let (mut read, write) = std::io::pipe().unwrap();
    let given = options([("format", "zstd".into()), ("tag", "b".into())]);
    let body = ("tell", "machine", Fd::from(write.as_fd()), given);
    let lines = told_own(&mut client, "ExportOci", &body).await;
    assert_eq!(
        lines[0],
        "systemd-export oci --system --format zstd --tag b -- tell"
    );
    drop(write);
    let mut bytes = String::new();
    read.read_to_string(&mut bytes).unwrap();
    assert_eq!(bytes, "bytes of the image");
    let given = options([("architecture", "arm64".into())]);
    let body = ("held", "server:1/a/tell:2", "machine", given);
    let lines = told_own(&mut client, "PushOci", &body).await;
    // The stand-in goes by the last part of the last argument.
    assert_eq!(
        lines[0],
        "systemd-pull push --system --arch arm64 -- held server:1/a/tell:2"
    );
}

#[tokio::test]
async fn an_image_of_oci_may_be_a_folder_and_the_rest_is_checked() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let open =
        |path: &std::path::Path, flags| rustix::fs::open(path, flags, Mode::empty()).unwrap();
    let folder = open(daemon.folder.path(), OFlags::RDONLY | OFlags::DIRECTORY);
    let device = open("/dev/null".as_ref(), OFlags::RDONLY);
    let refused = async |fd: &std::os::fd::OwnedFd, name: &str, given: Options| {
        let body = (Fd::from(fd.as_fd()), name, "machine", given);
        let answer = client.call_on(MANAGER, OWN, "ImportOci", &body).await;
        answer.map(|_| ()).map_err(|(_, text)| text)
    };
    assert_eq!(refused(&folder, "folder", options([])).await, Ok(()));
    let told = refused(&device, "x", options([])).await;
    assert_eq!(told, Err("Invalid argument".into()));
    let told = refused(&folder, "-", options([])).await;
    assert_eq!(told, Err("Local image name - is invalid".into()));
    for (name, value) in [
        ("tag", Variant::from("-x")),
        ("format", "zstd".into()),
        ("flat", 1u32.into()),
    ] {
        let told = refused(&folder, "y", options([(name, value)])).await;
        assert!(told.is_err(), "{name}");
    }
    let body = ("x", "A", "machine", options([]));
    let error = client.call_on(MANAGER, OWN, "PushOci", &body).await;
    assert_eq!(error.unwrap_err().1, "Reference 'A' is invalid");
    let body = ("x", "a", "machine", options([("tag", "a".into())]));
    let error = client.call_on(MANAGER, OWN, "PushOci", &body).await;
    assert!(error.unwrap_err().1.contains("'tag' is not known"));
}
