//! `io.importd.Import`.

use crate::harness::Daemon;
use crate::varlink::socket::{Socket, client};
use importd_varlink::client::Error;
use importd_varlink::message::Call;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

fn call(method: &str) -> Call {
    Call::new(format!("io.importd.Import.{method}"))
        .with("class", "machine")
        .with("type", "tar")
}

/// The error of a call: its name without the interface, and what it says.
fn refused(
    daemon: &Daemon,
    call: &Call,
    descriptors: &[std::os::fd::BorrowedFd<'_>],
) -> (String, Value) {
    match client(daemon).call(call, descriptors) {
        Err(Error::Service { name, parameters }) => {
            let name = name.rsplit('.').next().unwrap().to_owned();
            (name, parameters.into())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_import_reads_the_descriptor_of_the_call() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(b"bytes").unwrap();
    drop(write);
    let mut client = client(&daemon);
    let call = call("Import").with("local", "tell").with("force", true);
    let replies = client.call_more(&call, &[read.as_fd()]).unwrap();
    let replies: Vec<Value> = replies.map(|it| it.unwrap().parameters.into()).collect();
    let lines: Vec<_> = replies
        .iter()
        .filter_map(|it| it["log"]["message"].as_str())
        .collect();
    assert!(
        lines[0].starts_with("systemd-import tar --system --force"),
        "{lines:?}"
    );
    assert!(lines.contains(&"read bytes"), "{lines:?}");
}

#[tokio::test]
async fn an_export_writes_to_it() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let (mut read, write) = std::io::pipe().unwrap();
    let mut client = client(&daemon);
    let call = call("Export").with("local", "tell").with("format", "xz");
    let id = client.call(&call, &[write.as_fd()]).unwrap();
    assert!(id.parameters["id"].is_u64());
    drop(write);
    let mut bytes = String::new();
    read.read_to_string(&mut bytes).unwrap();
    assert_eq!(bytes, "bytes of the image");
}

#[tokio::test]
async fn descriptors_have_to_be_what_the_call_takes() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let (pipe, _write) = std::io::pipe().unwrap();
    let device = File::open("/dev/null").unwrap();
    let folder = File::open(daemon.folder.path()).unwrap();
    let import = call("Import").with("local", "x");
    let of_folder = import.clone().with("type", "fs");
    for (call, descriptors, reason) in [
        (
            &import,
            vec![],
            "The call needs exactly one file descriptor",
        ),
        (
            &import,
            vec![pipe.as_fd(), pipe.as_fd()],
            "The call needs exactly one file descriptor",
        ),
        (&import, vec![device.as_fd()], "Invalid argument"),
        (&import, vec![folder.as_fd()], "Invalid argument"),
        (&of_folder, vec![pipe.as_fd()], "Not a directory"),
        (
            &call("Export").with("local", "x"),
            vec![device.as_fd()],
            "Invalid argument",
        ),
    ] {
        let (name, parameters) = refused(&daemon, call, &descriptors);
        assert_eq!(
            (name.as_str(), &parameters),
            ("InvalidDescriptor", &json!({"reason": reason}))
        );
    }
    // More than any call takes ends the connection.
    let many = client(&daemon).call(&import, &[pipe.as_fd(); 5]);
    assert!(matches!(many, Err(Error::Closed)), "{many:?}");
    // A call that takes none does without.
    let ping = Call::new("io.systemd.service.Ping");
    client(&daemon).call(&ping, &[pipe.as_fd()]).unwrap();
}

#[tokio::test]
async fn a_transfer_is_cancelled_and_says_so() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut bus = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let pull = json!({"method": "io.importd.Import.Pull", "more": true, "parameters": {
        "remote": "http://server/polite.raw", "type": "raw", "class": "machine"}});
    let id = socket.ask(pull)["parameters"]["id"].clone();
    bus.until_line("holding").await;
    let cancel = |id: Value| Call::new("io.importd.Import.Cancel").with("id", id);
    client(&daemon).call(&cancel(id), &[]).unwrap();
    let mut last = socket.message();
    while last["continues"] == true {
        last = socket.message();
    }
    assert_eq!(
        last,
        json!({"error": "io.importd.Import.TransferCancelled"})
    );
    let (name, parameters) = refused(&daemon, &cancel(99.into()), &[]);
    assert_eq!(name, "NoSuchTransfer");
    assert_eq!(parameters["reason"], "No transfer by id 99");
}

#[tokio::test]
async fn figures_come_on_the_way_and_the_kind_of_failure_at_the_end() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut bus = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let pull = json!({"method": "io.importd.Import.Pull", "more": true, "parameters": {
        "remote": "http://server/figures.raw", "type": "raw", "class": "machine"}});
    socket.send(&[pull]);
    bus.until_line("holding").await;
    daemon.open_gate();
    let mut figures = Vec::new();
    let last = loop {
        let reply = socket.message();
        if reply["continues"] != true {
            break reply;
        }
        figures.extend(reply["parameters"].get("figures").cloned());
    };
    assert_eq!(figures[0]["state"], "running");
    // At most ten a second, of three hundred.
    assert!(figures.len() < 100, "{}", figures.len());
    let told = json!({"kind": "corrupt", "reason": "The digest is wrong"});
    assert_eq!(last["parameters"], told);
}

#[tokio::test]
async fn a_failure_says_why() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    let pull = json!({"method": "io.importd.Import.Pull", "parameters": {
        "remote": "http://server/fail.raw", "type": "raw", "class": "machine"}});
    let last = socket.all(pull).pop().unwrap();
    assert_eq!(last["error"], "io.importd.Import.TransferFailed");
    assert_eq!(last["parameters"]["reason"], "It went wrong.");
}

#[tokio::test]
async fn transfers_are_listed_with_their_figures() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut bus = daemon.client().await;
    let id = bus.pull("hold").await;
    bus.until_line("holding").await;
    let mut socket = Socket::open(&daemon);
    let list = "io.importd.Import.ListTransfers";
    let replies = socket.all(json!({"method": list}));
    let transfer = &replies[0]["parameters"];
    assert_eq!(transfer["id"], id);
    assert_eq!(transfer["progress"], Value::Null);
    assert_eq!(transfer["owner"], 0);
    assert_eq!(transfer["figures"]["state"], "running");
    assert!(transfer["figures"]["started"].as_u64().unwrap() > 1 << 50);
    let none = socket.all(json!({"method": list, "parameters": {"class": "confext"}}));
    assert_eq!(none, [json!({"error": "io.importd.Import.NoTransfers"})]);
}

#[tokio::test]
async fn images_are_listed_one_a_reply() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    let list = "io.importd.Import.ListImages";
    let replies = socket.all(json!({"method": list, "parameters": {"class": "machine"}}));
    let host = replies
        .iter()
        .find(|reply| reply["parameters"]["name"] == ".host")
        .unwrap();
    assert_eq!(host["parameters"]["path"], "/");
    let name = "org.varlink.service.InvalidParameter";
    let refused = socket.all(json!({"method": list, "parameters": {"class": "x"}}));
    assert_eq!(
        refused,
        [json!({"error": name, "parameters": {"parameter": "class"}})]
    );
}

#[tokio::test]
async fn an_oci_image_is_pulled_with_all_that_can_be_said_of_it() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut socket = Socket::open(&daemon);
    let pull = json!({"method": "io.importd.Import.PullOci", "more": true, "parameters": {
        "reference": "server:5000/foo", "local": "tell", "class": "confext", "force": true,
        "readOnly": true, "architecture": "arm64", "flat": true, "reset": true,
        "imageRoot": "/run/confexts"}});
    let replies = socket.all(pull);
    assert_eq!(
        replies[1]["parameters"]["log"]["message"],
        "systemd-pull oci --system --class confext --force --read-only --arch arm64 --flat --reset \
         --image-root /run/confexts -- server:5000/foo tell"
    );
    assert_eq!(replies.last().unwrap().get("error"), None);
}

#[tokio::test]
async fn images_of_oci_come_and_go_by_descriptors_and_references() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(b"layers").unwrap();
    drop(write);
    let started = |method: &str| {
        let call = Call::new(format!("io.importd.Import.{method}"));
        call.with("class", "machine").with("local", "tell")
    };
    let lines = |call: &Call, fds: &[std::os::fd::BorrowedFd<'_>]| -> Vec<String> {
        let mut client = client(&daemon);
        let replies = client.call_more(call, fds).unwrap();
        let replies = replies.map(|it| Value::from(it.unwrap().parameters));
        let lines = replies.filter_map(|it| it["log"]["message"].as_str().map(str::to_owned));
        lines.collect()
    };
    let call = started("ImportOci").with("tag", "a").with("flat", true);
    let told = lines(&call, &[read.as_fd()]);
    assert_eq!(
        told[0],
        "systemd-import oci --system --flat --tag a -- - tell"
    );
    assert!(told.contains(&"read layers".to_owned()), "{told:?}");
    let (mut read, write) = std::io::pipe().unwrap();
    let call = started("ExportOci").with("format", "gzip").with("tag", "t");
    let told = lines(&call, &[write.as_fd()]);
    assert_eq!(
        told[0],
        "systemd-export oci --system --format gzip --tag t -- tell"
    );
    drop(write);
    let mut bytes = String::new();
    read.read_to_string(&mut bytes).unwrap();
    assert_eq!(bytes, "bytes of the image");
    let call = started("PushOci").with("reference", "h:1/tell");
    assert_eq!(
        lines(&call, &[])[0],
        "systemd-pull push --system -- tell h:1/tell"
    );
    let call = started("PushOci")
        .with("reference", "h:1/tell")
        .with("tag", "t");
    assert_eq!(refused(&daemon, &call, &[]).1["parameter"], "tag");
    let call = started("ImportOci");
    assert_eq!(refused(&daemon, &call, &[]).0, "InvalidDescriptor");
}

#[tokio::test]
async fn parameters_of_an_oci_image_are_checked_and_named() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    for (name, value) in [
        ("reference", json!("A")),
        ("reference", Value::Null),
        ("local", json!("-")),
        ("local", json!("")),
        ("class", json!("x")),
        ("force", json!(1)),
        ("architecture", json!("--help")),
        ("flat", json!("no")),
        ("reset", json!(true)),
        ("imageRoot", json!("x")),
        ("verify", json!("no")),
    ] {
        let call = Call::new("io.importd.Import.PullOci");
        let call = call.with("reference", "debian").with("class", "machine");
        let (error, parameters) = refused(&daemon, &call.with(name, value), &[]);
        assert_eq!(error, "InvalidParameter", "{name}");
        assert_eq!(parameters["parameter"], name);
    }
}
