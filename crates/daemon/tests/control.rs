//! What the daemon is asked for by signals and by the kernel, and its last words.

use crate::harness::{Bus, Daemon, PATIENCE, has};
use rustix::process::Signal;
use std::process::Command;
use std::time::Instant;

const LOG_CONTROL: &str = "/org/freedesktop/LogControl1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Sends SIGRTMIN+18 with a number.
fn ask(daemon: &Daemon, number: i32) {
    let pid = daemon.process.id().to_string();
    let sent = Command::new("kill")
        .args(["-s", "RTMIN+18", "-q", &number.to_string(), &pid])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits until the daemon, which is kept awake meanwhile, has logged something.
async fn until_logged(daemon: &Daemon, text: &str) {
    let client = daemon.client().await;
    let begin = Instant::now();
    while !daemon.log().contains(text) {
        assert!(begin.elapsed() < PATIENCE, "{text}: {}", daemon.log());
        client.call("ListTransfers", &()).await.unwrap();
    }
}

#[tokio::test]
async fn the_control_signal_changes_the_log_and_tells_figures() {
    if !has("kill") {
        return;
    }
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    client.pull("hold").await;
    ask(&daemon, 0x301);
    until_logged(
        &daemon,
        "<6>Transfers: 1 running of 64, 0 waiting. Memory: ",
    )
    .await;
    ask(&daemon, 0x107);
    until_logged(&daemon, "<6>The log level is debug now.").await;
    ask(&daemon, 0x300);
    until_logged(&daemon, "<7>Gave back ").await;
    ask(&daemon, 0x999);
    until_logged(
        &daemon,
        "<7>The control signal brought 0x999, which says nothing.",
    )
    .await;
    ask(&daemon, 0x203);
    let begin = Instant::now();
    loop {
        let body = ("org.freedesktop.LogControl1", "LogTarget");
        let reply = client.call_on(LOG_CONTROL, PROPERTIES, "Get", &body).await;
        let value: zbus::OwnedVariant = reply.unwrap().body().deserialize().unwrap();
        if <&str>::try_from(&*value) == Ok("null") {
            break;
        }
        assert!(begin.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn memory_pressure_is_heeded() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let fifo = folder.path().join("pressure");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let mut command = Daemon::command(folder.path(), &bus);
    command
        .env("MEMORY_PRESSURE_WATCH", &fifo)
        .env("SYSTEMD_LOG_LEVEL", "debug");
    let daemon = Daemon::from_parts(command, folder, bus);
    crate::harness::write(&fifo, "now");
    until_logged(&daemon, "<7>Gave back ").await;
}

#[tokio::test]
async fn workers_have_default_signals_and_nothing_that_is_the_daemons() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let mut command = Daemon::command(folder.path(), &bus);
    command
        .env("MEMORY_PRESSURE_WATCH", "/dev/null")
        .env("WATCHDOG_USEC", "100000000");
    let daemon = Daemon::from_parts(command, folder, bus);
    let mut client = daemon.client().await;
    let id = client.pull("signals").await;
    let (lines, _) = client.lines_and_result(id).await;
    let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    let [blocked, ignored, others] = texts[..] else {
        panic!("{texts:?}");
    };
    assert_eq!(blocked, format!("SigBlk:\t{}", "0".repeat(16)));
    // Above these are the real-time signals, two of which are the C library's own.
    let ignored = ignored.strip_prefix("SigIgn:\t").unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 0x7fff_ffff, 0);
    assert_eq!(others, "none of the service");
}

#[tokio::test]
async fn the_last_words_are_the_exit_status() {
    let Some(mut daemon) = Daemon::start() else {
        return;
    };
    let second = Daemon::command(daemon.folder.path(), &daemon.bus).status();
    assert_eq!(second.unwrap().code(), Some(1));
    assert_eq!(daemon.notification(), "ERRNO=17\nEXIT_STATUS=1\n");
    daemon.signal(Signal::TERM);
    assert_eq!(
        daemon.notification(),
        "STOPPING=1\nSTATUS=Shutting down...\n"
    );
    assert!(daemon.exit().success());
    assert_eq!(daemon.notification(), "EXIT_STATUS=0\n");
}
