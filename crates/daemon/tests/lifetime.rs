//! The life of the daemon: ready, stopped, killed, started again.

use crate::harness::{Bus, Client, Daemon, Heard, MANAGER, MANAGER_INTERFACE, NAME, PATIENCE};
use futures_core::Stream;
use rustix::process::Signal;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::process::{Command, Output};
use std::time::Duration;
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_systemd-importd"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn help_and_version_succeed_and_nonsense_fails_with_one() {
    for arguments in [["--help"], ["-h"]] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0));
        for option in ["--system", "--user", "--bus-introspect"] {
            assert!(text(&output.stdout).contains(option), "{option}");
        }
    }
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(text(&version.stdout).starts_with("systemd 262 (importd "));
    for arguments in [["--nope"], ["positional"], ["--bus-introspect=/nope"]] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn without_its_bus_a_users_daemon_fails_and_says_which() {
    let output = Command::new(env!("CARGO_BIN_EXE_systemd-importd"))
        .arg("--user")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .env("IMPORTD_VARLINK_SOCKET", "")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = "Failed to connect to the session bus: ";
    assert!(
        text(&output.stderr).contains(message),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn an_address_of_a_bus_that_is_none_is_a_failure() {
    let output = Command::new(env!("CARGO_BIN_EXE_systemd-importd"))
        .env("DBUS_SYSTEM_BUS_ADDRESS", "nonsense")
        .env("IMPORTD_VARLINK_SOCKET", "")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = "Failed to connect to the system bus: ";
    assert!(
        text(&output.stderr).contains(message),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn a_second_daemon_fails_since_the_name_is_taken() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let status = Daemon::command(daemon.folder.path(), &daemon.bus)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let line = "<3>The name org.freedesktop.import1 is taken on the bus";
    assert!(daemon.log().contains(line), "{}", daemon.log());
    daemon
        .client()
        .await
        .call("ListTransfers", &())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_name_is_owned_when_the_daemon_is_ready() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    // Does not start anything: there is no service file on this bus.
    daemon
        .client()
        .await
        .call("ListTransfers", &())
        .await
        .unwrap();
}

#[tokio::test]
async fn transfer_numbers_go_on_after_a_restart() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    for expected in 1..=2 {
        let id = client.pull("tell").await;
        assert_eq!(id, expected);
        client.until_removed(id).await;
    }
    daemon.restart();
    assert_eq!(client.pull("tell").await, 3);
}

#[tokio::test]
async fn stopping_ends_the_workers_politely_and_tells_everyone() {
    for signal in [Signal::TERM, Signal::INT] {
        let Some(mut daemon) = Daemon::start() else {
            return;
        };
        let mut client = daemon.client().await;
        let polite = client.pull("polite").await;
        client.until_line("holding").await;
        daemon.signal(signal);
        assert_eq!(
            daemon.notification(),
            "STOPPING=1\nSTATUS=Shutting down...\n"
        );
        daemon.until_aborted();
        let (lines, result) = client.lines_and_result(polite).await;
        assert_eq!(lines, [(29, "Transfer aborted.".to_owned())]);
        assert_eq!(result, "canceled");
        assert_eq!(daemon.exit().code(), Some(0));
    }
}

#[tokio::test]
async fn while_stopping_nothing_is_started_and_a_second_signal_kills() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("stubborn").await;
    client.until_line("holding").await;
    daemon.signal(Signal::TERM);
    assert_eq!(
        daemon.notification(),
        "STOPPING=1\nSTATUS=Shutting down...\n"
    );
    let body = ("http://h/x", "tell", "no", false);
    let refused = client.call("PullTar", &body).await.unwrap_err();
    assert_eq!(refused.0, "System.Error.ESHUTDOWN");
    daemon.signal(Signal::TERM);
    assert_eq!(client.signal().await, Heard::Removed(id, "canceled".into()));
    assert_eq!(daemon.exit().code(), Some(0));
}

#[tokio::test]
async fn calls_that_came_before_the_end_are_answered() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let clients = [daemon.client().await, daemon.client().await];
    daemon.signal(Signal::STOP);
    let mut answers = Vec::new();
    for client in &clients {
        answers.push(cancel_nothing(client).await);
    }
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::CONT);
    for answers in &mut answers {
        for _ in 0..CALLS {
            let next = std::future::poll_fn(|context| Pin::new(&mut *answers).poll_next(context));
            let answer = tokio::time::timeout(PATIENCE, next).await;
            let answer = answer.expect("no answer").unwrap().unwrap();
            let text: String = answer.body().deserialize().unwrap();
            assert_eq!(text, "No transfer by id 77");
        }
    }
    assert_eq!(daemon.exit().code(), Some(0));
}

/// Calls of two clients: together more than the daemon's queue holds, and each less than the bus
/// allows one client.
const CALLS: usize = 100;

/// Makes calls, and returns when the bus has handed them on; their answers are errors.
async fn cancel_nothing(client: &Client) -> MessageStream {
    let rule = MatchRule::builder().msg_type(Type::Error).build().unwrap();
    let answers = MessageStream::for_match_rule(rule, &client.connection, NonZeroUsize::new(CALLS))
        .await
        .unwrap();
    for _ in 0..CALLS {
        let call = Message::method_call(MANAGER, "CancelTransfer")
            .destination(NAME)
            .interface(MANAGER_INTERFACE)
            .build(&77u32)
            .unwrap();
        client.connection.send(&call).await.unwrap();
    }
    let bus = zbus::fdo::DBusProxy::new(&client.connection).await.unwrap();
    bus.get_id().await.unwrap();
    answers
}

#[tokio::test]
async fn workers_of_a_killed_daemon_end_themselves() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    client.pull("polite").await;
    client.until_line("holding").await;
    daemon.signal(Signal::KILL);
    daemon.exit();
    daemon.until_aborted();
}

#[tokio::test]
async fn without_the_bus_the_daemon_ends_its_workers_and_fails() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    client.pull("polite").await;
    client.until_line("holding").await;
    daemon.bus.kill();
    daemon.until_aborted();
    assert_eq!(daemon.exit().code(), Some(1));
    assert!(
        daemon
            .log()
            .contains("<3>The connection to the bus is lost\n")
    );
}

#[tokio::test]
async fn the_user_scope_is_served_on_the_session_bus() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let mut command = Daemon::command(folder.path(), &bus);
    command
        .arg("--user")
        .env_remove("DBUS_SYSTEM_BUS_ADDRESS")
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        .env("XDG_STATE_HOME", folder.path().join("state"));
    std::fs::create_dir_all(folder.path().join("state/machines/tree")).unwrap();
    let daemon = Daemon::from_parts(command, folder, bus);
    let mut client = Client::connect(&daemon.bus.address).await;
    let id = client.pull("tell").await;
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(result, "done");
    assert!(
        lines[0]
            .1
            .starts_with("systemd-pull raw --user --verify no "),
        "{lines:?}"
    );
    let images = crate::lists::images(&client, "").await;
    let names: Vec<_> = images.iter().map(|image| image.1.as_str()).collect();
    assert_eq!(names, ["tree"]);
}

/// A daemon that exits after a second of rest.
fn resting(folder: tempfile::TempDir, bus: Bus, variables: &[(&str, &str)]) -> Daemon {
    let mut command = Daemon::command(folder.path(), &bus);
    command.env("IMPORTD_IDLE_EXIT_SEC", "1");
    command.envs(variables.iter().copied());
    Daemon::from_parts(command, folder, bus)
}

#[tokio::test]
async fn with_nothing_to_do_it_exits_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let mut daemon = resting(folder, bus, &[]);
    assert_eq!(
        daemon.notification(),
        "STOPPING=1\nSTATUS=Shutting down...\n"
    );
    assert!(daemon.exit().success());
}

#[tokio::test]
async fn a_transfer_keeps_it_and_the_watchdog_is_no_work() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let mut daemon = resting(folder, bus, &[("WATCHDOG_USEC", "400000")]);
    let client = daemon.client().await;
    let id = client.pull("hold").await;
    // More than a second passes between so many signs of life.
    for _ in 0..8 {
        assert_eq!(daemon.notification(), "WATCHDOG=1\n");
    }
    client.call("CancelTransfer", &id).await.unwrap();
    let mut ticks = 0;
    loop {
        match daemon.notification().as_str() {
            "WATCHDOG=1\n" => ticks += 1,
            other => break assert_eq!(other, "STOPPING=1\nSTATUS=Shutting down...\n"),
        }
    }
    assert!(ticks >= 3, "{ticks}");
    assert!(daemon.exit().success());
}

#[tokio::test]
async fn who_calls_while_it_leaves_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let mut daemon = resting(folder, bus, &[]);
    let mut client = daemon.client().await;
    // Stopped, it finds the call in its queue together with the end of its rest.
    daemon.signal(Signal::STOP);
    let sent = Message::method_call(MANAGER, "PullRaw")
        .destination(NAME)
        .interface(MANAGER_INTERFACE)
        .build(&("http://server/tell.raw", "tell", "no", false))
        .unwrap();
    client.connection.send(&sent).await.unwrap();
    daemon.silence(Duration::from_millis(1200));
    daemon.signal(Signal::CONT);
    let (_, result) = client.lines_and_result(1).await;
    assert_eq!(result, "done");
    let mut said = Vec::new();
    while said.last().map(String::as_str) != Some("STOPPING=1\nSTATUS=Shutting down...\n") {
        said.push(daemon.notification());
    }
    assert!(daemon.exit().success());
}
