//! What callers can make the daemon hold.

use crate::embedded;
use crate::harness::{Bus, Daemon, MANAGER, MANAGER_INTERFACE, NAME, PATIENCE, refusal};
use importd_daemon::bus::lists::LISTS_MAX;
use rustix::process::Resource;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use tokio::sync::mpsc;
use zbus::Message;
use zbus::message::Flags;

/// A runtime whose one thread for work that blocks is busy until `gate` ends.
fn busy_runtime(gate: Receiver<()>) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.spawn_blocking(move || gate.recv().map_or((), drop));
    runtime
}

fn list_without_reply() -> Message {
    Message::method_call(MANAGER, "ListImages")
        .destination(NAME)
        .interface(MANAGER_INTERFACE)
        .with_flags(Flags::NO_REPLY_EXPECTED)
        .build(&("", 0u64))
        .unwrap()
}

#[test]
fn lists_of_images_are_made_for_a_few_callers_at_once_who_wait_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let (open, gate) = channel();
    busy_runtime(gate).block_on(async {
        let settings = embedded::settings(folder.path(), &bus);
        let client = embedded::start(settings, &bus).await;
        for _ in 0..LISTS_MAX {
            let call = list_without_reply();
            client.connection.send(&call).await.unwrap();
        }
        let (answered, mut answers) = mpsc::unbounded_channel();
        for _ in 0..=LISTS_MAX {
            let (connection, answered) = (client.connection.clone(), answered.clone());
            tokio::spawn(async move {
                let (interface, body) = (Some(MANAGER_INTERFACE), ("", 0u64));
                let call =
                    connection.call_method(Some(NAME), MANAGER, interface, "ListImages", &body);
                answered.send(call.await).unwrap();
            });
        }
        let mut next = async || {
            let answer = tokio::time::timeout(PATIENCE, answers.recv()).await;
            answer.expect("no answer").unwrap()
        };
        let (name, text) = refusal(next().await.unwrap_err());
        assert_eq!(name, "org.freedesktop.DBus.Error.LimitsExceeded");
        assert_eq!(text, "Too many lists of images are being made");
        drop(open);
        for _ in 0..LISTS_MAX {
            next().await.unwrap();
        }
        client.call("ListImages", &("", 0u64)).await.unwrap();
    });
}

#[tokio::test]
async fn with_few_descriptors_the_queue_is_short_and_the_bus_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let daemon = Daemon::from_parts(with_open_files("-n 420", &folder, &bus), folder, bus);
    let client = daemon.client().await;
    let file = tempfile::tempfile().unwrap();
    // Six run with three descriptors each, and of twenty that are left for transfers two remain.
    for n in 1..=8 {
        client.import(&file, &format!("hold{n}")).await;
    }
    for _ in 0..3 {
        let fd = zbus::Fd::from(file.as_fd());
        let refused = client.call("ImportRaw", &(fd, "more", false, false)).await;
        let (name, text) = refused.unwrap_err();
        assert_eq!(name, "System.Error.E2BIG");
        let expected = "Too many transfers: 6 are running and 2 waiting; try again later";
        assert_eq!(text, expected);
    }
    client.call("ListTransfers", &()).await.unwrap();
}

/// The command of the daemon, under what `ulimit` sets.
fn with_open_files(limit: &str, folder: &tempfile::TempDir, bus: &Bus) -> Command {
    let own = Daemon::command(folder.path(), bus);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit {limit}; exec \"$0\"")])
        .arg(own.get_program());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[tokio::test]
async fn the_daemon_raises_its_limit_of_open_files_and_workers_keep_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let command = with_open_files("-Sn 200", &folder, &bus);
    let daemon = Daemon::from_parts(command, folder, bus);
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.process.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    assert_eq!(soft.parse().ok(), hard, "{limits}");
    let mut client = daemon.client().await;
    let id = client.pull("limits").await;
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(lines, [(30, "open files 200".to_owned())]);
    assert_eq!(result, "done");
}
