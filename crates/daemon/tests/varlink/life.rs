//! Passed sockets, no bus yet, the end.

use crate::harness::{Bus, Client, Daemon, NAME};
use crate::varlink::socket::{Socket, path, pull};
use futures_core::Stream;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::time::Duration;
use zbus::{MatchRule, MessageStream};

fn ping() -> Value {
    json!({"method": "io.systemd.service.Ping"})
}

/// The same command, with a socket passed to it as the service manager does.
fn passing(command: &Command, listener: UnixListener) -> Command {
    let script =
        "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink exec \"$@\"";
    let mut passing = Command::new("sh");
    passing.args(["-c", script, "sh"]);
    passing.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => passing.env(name, value),
            None => passing.env_remove(name),
        };
    }
    passing.env_remove("LISTEN_FDS");
    passing.stdin(OwnedFd::from(listener));
    passing
}

#[tokio::test]
async fn a_passed_socket_is_served_and_no_other_bound() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let passed = folder.path().join("passed");
    let listener = UnixListener::bind(&passed).unwrap();
    let command = passing(&Daemon::command(folder.path(), &bus), listener);
    let daemon = Daemon::from_parts(command, folder, bus);
    assert!(!path(&daemon).exists());
    let mut socket = Socket::connect(&passed);
    assert_eq!(socket.ask(ping()), json!({}));
    // Workers know nothing of it.
    let replies = socket.all(pull("tell"));
    let said = format!("{replies:?}");
    assert!(said.contains("listen="), "{said}");
    assert!(!said.contains("listen=1"), "{said}");
}

/// A client of a bus, once the service has its name there.
async fn client_of(address: &str) -> Client {
    let client = Client::connect(address).await;
    let rule = MatchRule::builder().member("NameOwnerChanged");
    let rule = rule.add_arg(NAME).build().unwrap();
    let mut changes = MessageStream::for_match_rule(rule, &client.connection, None)
        .await
        .unwrap();
    let bus = zbus::fdo::DBusProxy::new(&client.connection).await.unwrap();
    let owned = bus.name_has_owner(NAME.try_into().unwrap()).await.unwrap();
    if !owned {
        std::future::poll_fn(|context| Pin::new(&mut changes).poll_next(context)).await;
    }
    client
}

#[tokio::test]
async fn it_serves_before_there_is_a_bus_and_then_joins_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut bus) = Bus::start(folder.path()) else {
        return;
    };
    bus.kill();
    let late = format!("unix:path={}/late", folder.path().display());
    bus.address.clone_from(&late);
    let command = Daemon::command(folder.path(), &bus);
    let daemon = Daemon::from_parts(command, folder, bus);
    let mut socket = Socket::open(&daemon);
    let mut held = pull("hold");
    held["more"] = true.into();
    let id = socket.ask(held)["parameters"]["id"].as_u64().unwrap();
    let _bus = Bus::start_at(daemon.folder.path(), &late).unwrap();
    let mut client = client_of(&late).await;
    let reply = client.call("ListTransfers", &()).await.unwrap();
    let listed: Vec<(u32, String, String, String, f64, zbus::OwnedObjectPath)> =
        reply.body().deserialize().unwrap();
    assert_eq!(u64::from(listed[0].0), id);
    daemon.open_gate();
    client.until_removed(listed[0].0).await;
    let mut last = socket.message();
    while last["continues"] == true {
        last = socket.message();
    }
    assert_eq!(last, json!({}));
    // Now polkit could be asked, and a transfer started here is seen there.
    let reply = socket.ask(pull("tell"));
    let id = u32::try_from(reply["parameters"]["id"].as_u64().unwrap()).unwrap();
    assert_eq!(client.lines_and_result(id).await.1, "done");
}

#[tokio::test]
async fn a_second_daemon_leaves_the_socket_to_the_first() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let second = Daemon::command(daemon.folder.path(), &daemon.bus).status();
    assert_eq!(second.unwrap().code(), Some(1));
    assert_eq!(Socket::open(&daemon).ask(ping()), json!({}));
}

#[tokio::test]
async fn the_socket_of_a_daemon_that_was_killed_is_replaced() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    daemon.signal(Signal::KILL);
    daemon.exit();
    let command = || Daemon::command(daemon.folder.path(), &daemon.bus);
    daemon.process = command().spawn().unwrap();
    assert!(daemon.notification().starts_with("READY=1\n"));
    assert_eq!(Socket::open(&daemon).ask(ping()), json!({}));
}

#[tokio::test]
async fn everyone_may_connect_to_the_systems_socket_and_the_user_to_the_users() {
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let Some(daemon) = Daemon::start() else {
        return;
    };
    assert_eq!(mode(&path(&daemon)), 0o666);
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::start(folder.path()).unwrap();
    let mut command = Daemon::command(folder.path(), &bus);
    command
        .arg("--user")
        .env_remove("IMPORTD_VARLINK_SOCKET")
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        .env("XDG_RUNTIME_DIR", folder.path());
    let daemon = Daemon::from_parts(command, folder, bus);
    let path = daemon.folder.path().join("systemd/io.systemd.Import");
    assert_eq!(mode(&path), 0o600);
    let replies = Socket::connect(&path).all(pull("tell"));
    let said = replies[1]["parameters"]["log"]["message"].as_str().unwrap();
    assert!(said.contains(" --user "), "{said}");
}

#[tokio::test]
async fn an_open_connection_keeps_an_idle_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let mut command = Daemon::command(folder.path(), &bus);
    command.env("IMPORTD_IDLE_EXIT_SEC", "1");
    let mut daemon = Daemon::from_parts(command, folder, bus);
    let mut socket = Socket::open(&daemon);
    daemon.silence(Duration::from_secs(2));
    assert_eq!(socket.ask(ping()), json!({}));
    drop(socket);
    assert_eq!(
        daemon.notification(),
        "STOPPING=1\nSTATUS=Shutting down...\n"
    );
    assert!(daemon.exit().success());
}

#[tokio::test]
async fn who_follows_a_transfer_hears_of_its_end_when_the_daemon_is_stopped() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut socket = Socket::open(&daemon);
    let mut call = pull("polite");
    call["more"] = true.into();
    socket.send(&[call]);
    client.until_line("holding").await;
    daemon.signal(Signal::TERM);
    let mut all = Vec::new();
    while let Some(text) = socket.text() {
        all.push(text);
    }
    let cancelled = "{\"error\":\"io.systemd.Import.TransferCancelled\"}";
    assert_eq!(all.last().unwrap(), cancelled, "{all:?}");
    assert!(daemon.exit().success());
}
