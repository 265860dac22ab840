//! Every method that starts a transfer, and what is heard of the transfer.

use crate::harness::{Client, Daemon, Heard, has, transfer};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use zbus::{DynamicType, Fd};

/// Starts a transfer and returns the lines of its worker, prefix and all, when it has succeeded.
pub(crate) async fn told<B>(client: &mut Client, method: &str, body: &B) -> Vec<String>
where
    B: serde::Serialize + DynamicType,
{
    let reply = client.call(method, body).await.unwrap();
    let (id, path): (u32, zbus::OwnedObjectPath) = reply.body().deserialize().unwrap();
    assert_eq!(path.as_str(), transfer(id));
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(result, "done", "{method}: {lines:?}");
    lines
        .into_iter()
        .map(|(priority, text)| format!("<{priority}>{text}"))
        .collect()
}

fn file_with(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

#[tokio::test]
async fn imports_of_streams_run_their_worker_with_the_callers_file() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    for (method, verb) in [("ImportTar", "tar"), ("ImportRaw", "raw")] {
        let file = file_with("skipped, read");
        let mut at_offset = file.try_clone().unwrap();
        at_offset.seek(std::io::SeekFrom::Start(9)).unwrap();
        let body = (Fd::from(file.as_fd()), "tell", true, true);
        let lines = told(&mut client, method, &body).await;
        let line = format!("<30>systemd-import {verb} --system --force --read-only -- - tell");
        assert_eq!(lines[0], line);
        assert_eq!(lines.last().unwrap(), "<6>read read");
        let file = file_with("x");
        let body = (Fd::from(file.as_fd()), "tell", "sysext", 2u64);
        let lines = told(&mut client, &format!("{method}Ex"), &body).await;
        let line =
            format!("<30>systemd-import {verb} --system --class sysext --read-only -- - tell");
        assert_eq!(lines[0], line);
    }
}

#[tokio::test]
async fn imports_take_pipes_and_sockets_and_leave_them_blocking() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let (pipe, mut pipe_end) = std::io::pipe().unwrap();
    let (socket, mut socket_end) = std::os::unix::net::UnixStream::pair().unwrap();
    pipe_end.write_all(b"through a pipe").unwrap();
    socket_end.write_all(b"through a socket").unwrap();
    drop((pipe_end, socket_end));
    for (fd, what) in [
        (OwnedFd::from(pipe), "pipe"),
        (OwnedFd::from(socket), "socket"),
    ] {
        let body = (Fd::from(fd.as_fd()), "tell", false, false);
        let lines = told(&mut client, "ImportTar", &body).await;
        assert_eq!(lines.last().unwrap(), &format!("<6>read through a {what}"));
        let flags = rustix::fs::fcntl_getfl(&fd).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "{what}");
    }
}

#[tokio::test]
async fn imports_of_folders_run_their_worker_in_the_callers_folder() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let place = tempfile::tempdir().unwrap();
    File::create(place.path().join("inside")).unwrap();
    let folder = File::open(place.path()).unwrap();
    let body = (Fd::from(folder.as_fd()), "tell", false, false);
    let lines = told(&mut client, "ImportFileSystem", &body).await;
    assert_eq!(lines[0], "<30>systemd-import-fs run --system -- - tell");
    assert_eq!(lines.last().unwrap(), "<6>folder with inside");
    let body = (Fd::from(folder.as_fd()), "tell", "confext", 3u64);
    let lines = told(&mut client, "ImportFileSystemEx", &body).await;
    let line = "<30>systemd-import-fs run --system --class confext --force --read-only -- - tell";
    assert_eq!(lines[0], line);
}

#[tokio::test]
async fn exports_write_to_the_callers_file_and_may_append() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("out");
    for (method, verb) in [("ExportTar", "tar"), ("ExportRaw", "raw")] {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let body = ("tell", Fd::from(file.as_fd()), "");
        let lines = told(&mut client, method, &body).await;
        assert_eq!(
            lines[0],
            format!("<30>systemd-export {verb} --system -- tell")
        );
        let body = ("tell", "portable", Fd::from(file.as_fd()), "zstd", 0u64);
        let lines = told(&mut client, &format!("{method}Ex"), &body).await;
        let line =
            format!("<30>systemd-export {verb} --system --class portable --format zstd -- tell");
        assert_eq!(lines[0], line);
    }
    let mut written = String::new();
    File::open(&path)
        .unwrap()
        .read_to_string(&mut written)
        .unwrap();
    assert_eq!(written, "bytes of the image".repeat(4));
}

#[tokio::test]
async fn pulls_run_their_worker_with_nothing_on_its_input() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let url = "http://server/x";
    for (method, verb) in [("PullTar", "tar"), ("PullRaw", "raw")] {
        let lines = told(&mut client, method, &(url, "tell", "checksum", true)).await;
        let line = format!(
            "<30>systemd-pull {verb} --system --verify checksum --keep-download=no --force -- \
             {url} tell"
        );
        assert_eq!(lines[0], line);
        assert_eq!(lines.last().unwrap(), "<6>stdin is /dev/null");
        let body = (url, "tell", "machine", "", 7u64);
        let lines = told(&mut client, &format!("{method}Ex"), &body).await;
        let line = format!(
            "<30>systemd-pull {verb} --system --verify signature --keep-download=yes --force \
             --read-only -- {url} tell"
        );
        assert_eq!(lines[0], line);
    }
}

#[tokio::test]
async fn workers_get_the_documented_environment() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let lines = told(&mut client, "PullTar", &("http://h/x", "tell", "no", false)).await;
    let line = "<31>target=console-prefixed level=info exec=own watchdog= listen=";
    assert_eq!(lines[1], line);
}

#[tokio::test]
async fn the_transfer_is_announced_before_the_reply_and_its_end_comes_last() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let body = ("http://h/x", "tell", "no", false);
    let reply = client.call("PullTar", &body).await.unwrap();
    let new = client.message().await;
    assert_eq!(Heard::from(&new), Heard::New(1));
    assert!(new.recv_position() < reply.recv_position());
    let line = client.message().await;
    assert!(matches!(Heard::from(&line), Heard::Line(1, 30, _)));
    assert!(reply.recv_position() < line.recv_position());
    let heard = client.until_removed(1).await;
    let last_line = Heard::Line(1, 6, "stdin is /dev/null".into());
    let [.., before, all_of_it, _end] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!((before, all_of_it), (&last_line, &Heard::Progress(1, 1.0)));
}

#[tokio::test]
async fn lines_of_all_sorts_arrive_and_are_logged() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("talk").await;
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(result, "done");
    let zeros = |count| "0".repeat(count);
    let expected = [
        (29, "a notice".to_owned()),
        (6, "plain".to_owned()),
        (27, "bad \u{fffd} byte".to_owned()),
        (28, zeros(16380)),
        (28, format!("{}7", zeros(20_000 - 16380 - 1))),
        (30, "no line end".to_owned()),
    ];
    assert_eq!(lines, expected);
    let log = daemon.log();
    for line in [
        "<5>(transfer1) a notice\n",
        "<6>(transfer1) plain\n",
        "<3>(transfer1) bad \u{fffd} byte\n",
    ] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
}

#[tokio::test]
async fn a_failing_worker_is_told_as_such() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("fail").await;
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(lines, [(27, "It went wrong.".to_owned())]);
    assert_eq!(result, "failed");
    let line = "<3>(transfer1) Transfer process failed with exit code 3.\n";
    assert!(daemon.log().contains(line), "{}", daemon.log());
}

#[tokio::test]
async fn progress_is_believed_from_the_worker_only_and_told_when_it_changes() {
    if !has("python3") {
        return;
    }
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("report").await;
    let heard = client.until_removed(id).await;
    let progress = [0.0, 0.17, 0.95, 1.0].map(|fraction| Heard::Progress(id, fraction));
    let mut expected = vec![Heard::New(id)];
    expected.extend(progress);
    expected.push(Heard::Removed(id, "done".into()));
    assert_eq!(heard, expected);
    assert!(
        daemon
            .log()
            .contains("Got notification datagram from unexpected peer")
    );
}

#[tokio::test]
async fn a_worker_ends_when_its_main_process_ends() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("parent").await;
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(
        (lines, result.as_str()),
        (vec![(30, "leaving".to_owned())], "done")
    );
}

#[tokio::test]
async fn a_missing_worker_program_fails_the_call_and_makes_no_transfer() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    std::fs::remove_file(daemon.folder.path().join("workers/systemd-pull")).unwrap();
    let body = ("http://h/x", "tell", "no", false);
    let (name, text) = client.call("PullTar", &body).await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.FileNotFound");
    assert!(
        text.starts_with("Failed to start ") && text.contains("systemd-pull"),
        "{text}"
    );
    // The first thing heard is the next transfer.
    let file = file_with("x");
    let id = client.import(&file, "tell").await;
    assert_eq!(client.signal().await, Heard::New(id));
}
