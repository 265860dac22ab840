//! Transfers that wait for a place.

use crate::harness::{Bus, Daemon, Heard, MANAGER, has, transfer};
use crate::polkit::{Polkit, as_nobody};
use rustix::process::Signal;
use std::sync::Arc;

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A daemon with this configuration.
fn configured(text: &str) -> Option<Daemon> {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::start(folder.path())?;
    crate::harness::write(&folder.path().join("importd.conf"), text);
    let mut command = Daemon::command(folder.path(), &bus);
    command.env("IMPORTD_CONFIG_DIRECTORY", folder.path());
    Some(Daemon::from_parts(command, folder, bus))
}

async fn state(client: &crate::harness::Client, id: u32) -> String {
    let body = ("io.importd.Transfer1", "State");
    let reply = client
        .call_on(&transfer(id), PROPERTIES, "Get", &body)
        .await;
    let value: zbus::OwnedVariant = reply.unwrap().body().deserialize().unwrap();
    <&str>::try_from(&*value).unwrap().to_owned()
}

#[tokio::test]
async fn what_waits_is_announced_listed_and_runs_when_there_is_a_place() {
    let Some(daemon) = configured("[Service]\nMaxTransfers=1\n") else {
        return;
    };
    let mut client = daemon.client().await;
    let first = client.pull("hold").await;
    client.until_line("holding").await;
    let (reader, writer) = std::io::pipe().unwrap();
    let second = client.import(&reader, "tell").await;
    drop(reader);
    assert_eq!(client.signal().await, Heard::New(second));
    let line = "Waiting for another transfer to end.".to_owned();
    assert_eq!(client.signal().await, Heard::Line(second, 30, line));
    assert_eq!(state(&client, first).await, "running");
    assert_eq!(state(&client, second).await, "queued");
    let listed = client.call("ListTransfers", &()).await.unwrap();
    type Row = (u32, String, String, String, f64, zbus::OwnedObjectPath);
    let listed: Vec<Row> = listed.body().deserialize().unwrap();
    let names: Vec<_> = listed.iter().map(|row| row.3.as_str()).collect();
    assert_eq!(names, ["hold", "tell"]);
    std::io::Write::write_all(&mut &writer, b"the caller's bytes").unwrap();
    drop(writer);
    daemon.open_gate();
    assert_eq!(client.lines_and_result(first).await.1, "done");
    let (lines, result) = client.lines_and_result(second).await;
    assert_eq!(result, "done");
    let last = lines.last().unwrap();
    assert_eq!(last.1, "read the caller's bytes");
}

#[tokio::test]
async fn what_waits_can_be_cancelled_and_its_descriptor_is_closed() {
    let Some(daemon) = configured("[Service]\nMaxTransfers=1\nMaxQueued=1\n") else {
        return;
    };
    let mut client = daemon.client().await;
    client.pull("hold").await;
    client.until_line("holding").await;
    let (reader, writer) = std::io::pipe().unwrap();
    let second = client.import(&reader, "tell").await;
    drop(reader);
    let body = ("http://server/x.raw", "x", "no", false);
    let refused = client.call("PullRaw", &body).await.unwrap_err();
    assert_eq!(refused.0, "System.Error.E2BIG");
    let text = "Too many transfers: 1 are running and 1 waiting; try again later";
    assert_eq!(refused.1, text);
    client.call("CancelTransfer", &second).await.unwrap();
    let (_, result) = client.lines_and_result(second).await;
    assert_eq!(result, "canceled");
    let error = std::io::Write::write(&mut &writer, b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    let gone = client.call("CancelTransfer", &second).await.unwrap_err();
    assert_eq!(gone.0, "org.freedesktop.import1.NoSuchTransfer");
    let third = client.pull("polite").await;
    assert_eq!(state(&client, third).await, "queued");
}

#[tokio::test]
async fn the_end_of_the_daemon_ends_what_waits() {
    let Some(mut daemon) = configured("[Service]\nMaxTransfers=1\n") else {
        return;
    };
    let mut client = daemon.client().await;
    let first = client.pull("polite").await;
    client.until_line("holding").await;
    let second = client.pull("tell").await;
    daemon.signal(Signal::TERM);
    let mut ended = Vec::new();
    while ended.len() < 2 {
        if let Heard::Removed(id, result) = client.signal().await {
            ended.push((id, result));
        }
    }
    let canceled = || "canceled".to_owned();
    assert_eq!(ended, [(second, canceled()), (first, canceled())]);
    assert_eq!(daemon.exit().code(), Some(0));
}

#[tokio::test]
async fn a_reload_reads_the_limits_again_and_ends_nothing() {
    let Some(daemon) = configured("[Service]\nMaxTransfers=2\n") else {
        return;
    };
    let mut client = daemon.client().await;
    let first = client.pull("hold").await;
    client.until_line("holding").await;
    let second = client.pull("polite").await;
    client.until_line("holding").await;
    let reload = |text: &str| {
        crate::harness::write(&daemon.folder.path().join("importd.conf"), text);
        daemon.signal(Signal::HUP);
        let said = daemon.notification();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "RELOADING=1");
        let time = lines[1].strip_prefix("MONOTONIC_USEC=").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
        assert_eq!(lines[2], "STATUS=Reloading configuration...");
        let ready = "READY=1\nSTATUS=Processing requests...\n";
        assert_eq!(daemon.notification(), ready);
    };
    reload("[Service]\nMaxTransfers=1\n");
    for id in [first, second] {
        assert_eq!(state(&client, id).await, "running");
    }
    let third = client.pull("tell").await;
    assert_eq!(state(&client, third).await, "queued");
    reload("[Service]\nMaxTransfers=3\n");
    assert_eq!(client.lines_and_result(third).await.1, "done");
    let body = ("io.importd.Manager1", "MaxTransfers");
    let reply = client.call_on(MANAGER, PROPERTIES, "Get", &body).await;
    let value: zbus::OwnedVariant = reply.unwrap().body().deserialize().unwrap();
    assert_eq!(u32::try_from(&*value).unwrap(), 3);
}

/// What dbus-send is told.
const PULL: &[&str] = &[
    "string:http://server/tell-other.raw",
    "string:tell-other",
    "string:no",
    "boolean:false",
];

#[tokio::test]
async fn five_hundred_of_one_user_do_not_stand_before_the_first_of_another() {
    if !has("setpriv") || !has("dbus-send") {
        return;
    }
    let Some(daemon) = configured("[Service]\nMaxTransfers=1\n") else {
        return;
    };
    let polkit = Polkit::start(&daemon).await;
    polkit.answer(&[(true, false)]);
    let mut client = daemon.client().await;
    client.pull("hold").await;
    client.until_line("holding").await;
    let file = tempfile::tempfile().unwrap();
    for n in 0..500 {
        client.import(&file, &format!("tell{n}")).await;
    }
    let daemon = Arc::new(daemon);
    let said = as_nobody(&daemon, MANAGER, "Manager.PullRaw", PULL).await;
    assert!(said.contains("uint32 502"), "{said}");
    daemon.open_gate();
    let heard = client.until_removed(502).await;
    let ended: Vec<&Heard> = heard
        .iter()
        .filter(|heard| matches!(heard, Heard::Removed(..)))
        .collect();
    assert_eq!(ended.len(), 2, "{ended:?}");
}
