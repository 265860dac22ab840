//! Who may do what: first the refusal, then the grant.

use crate::harness::{Daemon, MANAGER, NAME, has, transfer};
use std::process::Command;

/// Calls a method as somebody without privileges; what dbus-send prints.
pub(crate) fn call_as_nobody(
    daemon: &Daemon,
    path: &str,
    member: &str,
    arguments: &[&str],
) -> String {
    let output = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "dbus-send",
        ])
        .arg(format!("--bus={}", daemon.bus.address))
        .args([
            "--print-reply=literal",
            &format!("--dest={NAME}"),
            path,
            member,
        ])
        .args(arguments)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    String::from_utf8(printed).unwrap()
}

#[tokio::test]
async fn only_root_starts_and_cancels() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    if !has("setpriv") || !has("dbus-send") {
        return;
    }
    let client = daemon.client().await;
    let id = client.pull("hold").await;
    let number = format!("uint32:{id}");
    let path = transfer(id);
    let pull = [
        "string:not a URL",
        "string:a/b",
        "string:no",
        "boolean:false",
    ];
    let oci = ["string:x", "string:", "string:machine", "uint64:0"];
    let (download, cancel) = ("downloading an image", "cancelling a transfer");
    for (path, member, arguments, what) in [
        (MANAGER, "Manager.PullTar", &pull[..], download),
        (MANAGER, "Manager.PullRaw", &pull[..], download),
        (MANAGER, "Manager.PullOci", &oci[..], download),
        (MANAGER, "Manager.CancelTransfer", &["uint32:0"][..], cancel),
        (
            MANAGER,
            "Manager.CancelTransfer",
            &[number.as_str()][..],
            cancel,
        ),
        (path.as_str(), "Transfer.Cancel", &[][..], cancel),
    ] {
        let name = format!("org.freedesktop.import1.{member}");
        let printed = call_as_nobody(&daemon, path, &name, arguments);
        let expected = format!(
            "Error org.freedesktop.DBus.Error.AccessDenied: Access denied: {what} needs root \
             privileges; polkit, which could grant it, cannot be asked: "
        );
        assert!(printed.starts_with(&expected), "{member}: {printed}");
    }
    // It runs still.
    client.call("CancelTransfer", &id).await.unwrap();
}

#[tokio::test]
async fn everybody_may_look() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    if !has("setpriv") || !has("dbus-send") {
        return;
    }
    let client = daemon.client().await;
    let id = client.pull("hold").await;
    let properties = "org.freedesktop.DBus.Properties.Get";
    let of = ["string:org.freedesktop.import1.Transfer", "string:Local"];
    assert!(call_as_nobody(&daemon, &transfer(id), properties, &of).contains("hold"));
    let list = "org.freedesktop.import1.Manager.ListTransfers";
    assert!(call_as_nobody(&daemon, MANAGER, list, &[]).contains("hold"));
    let list = "org.freedesktop.import1.Manager.ListImages";
    let machine = ["string:machine", "uint64:0"];
    assert!(call_as_nobody(&daemon, MANAGER, list, &machine).contains(".host"));
    let introspect = "org.freedesktop.DBus.Introspectable.Introspect";
    assert!(call_as_nobody(&daemon, MANAGER, introspect, &[]).contains("ImportTarEx"));
}
