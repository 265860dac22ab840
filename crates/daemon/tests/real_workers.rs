//! The daemon with the real workers: what callers' descriptors go through.
//!
//! In the user scope, so that images are made in a folder of the test's own.

use crate::harness::{Bus, Client, Daemon, Heard, transfer};
use crate::process::{children, descriptors, until};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use zbus::Fd;

/// Bytes of a small image: more than a pipe holds, so that both ends have to work.
const IMAGE_BYTES: usize = 300_000;

/// The folder of the real workers, which are built beside the daemon.
fn workers() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_systemd-importd")).parent()?;
    let programs = ["systemd-import", "systemd-export"].map(|name| folder.join(name));
    if programs.iter().all(|program| program.exists()) {
        return Some(folder.to_owned());
    }
    println!("skipped: the workers are not built");
    None
}

fn start() -> Option<Daemon> {
    let workers = workers()?;
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::start(folder.path())?;
    let mut command = Daemon::command(folder.path(), &bus);
    command
        .arg("--user")
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        .env("XDG_STATE_HOME", folder.path().join("state"))
        .env("IMPORTD_WORKER_DIRECTORY", workers);
    Some(Daemon::from_parts(command, folder, bus))
}

fn contents(seed: usize) -> Vec<u8> {
    (0..IMAGE_BYTES)
        .map(|at| u8::try_from((at / 7 + at * seed) % 251).unwrap())
        .collect()
}

fn image(daemon: &Daemon, name: &str) -> Vec<u8> {
    let path = daemon.folder.path().join("state/machines").join(name);
    std::fs::read(path.with_extension("raw")).unwrap()
}

/// Status flags of a descriptor's open file description, which its owner shares with us.
fn flags(fd: impl AsFd) -> OFlags {
    rustix::fs::fcntl_getfl(fd).unwrap()
}

/// Writes to one end on a thread; returns the other.
fn fed(reader: OwnedFd, mut writer: impl Write + Send + 'static, bytes: Vec<u8>) -> OwnedFd {
    std::thread::spawn(move || writer.write_all(&bytes).unwrap());
    reader
}

async fn export(client: &Client, fd: impl AsFd, name: &str) -> u32 {
    let body = (name, Fd::from(fd.as_fd()), "");
    let reply = client.call("ExportRaw", &body).await.unwrap();
    type Started = (u32, zbus::OwnedObjectPath);
    reply.body().deserialize::<Started>().unwrap().0
}

#[tokio::test]
async fn imports_from_files_pipes_and_sockets_leave_the_descriptors_as_they_were() {
    let Some(daemon) = start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"skipped").unwrap();
    file.write_all(&contents(1)).unwrap();
    file.seek(std::io::SeekFrom::Start(7)).unwrap();
    let (pipe, writer) = std::io::pipe().unwrap();
    let (socket, peer) = UnixStream::pair().unwrap();
    let sources = [
        OwnedFd::from(file),
        fed(pipe.into(), writer, contents(2)),
        fed(socket.into(), peer, contents(3)),
    ];
    for (index, source) in sources.iter().enumerate() {
        let before = flags(source);
        let name = format!("from{index}");
        let id = client.import(source, &name).await;
        let (lines, result) = client.lines_and_result(id).await;
        assert_eq!(result, "done", "{lines:?}");
        assert!(image(&daemon, &name) == contents(index + 1), "{name}");
        assert_eq!(flags(source), before, "{name}");
    }
}

#[tokio::test]
async fn exports_to_files_pipes_sockets_and_with_append_leave_them_as_they_were() {
    let Some(daemon) = start() else {
        return;
    };
    let mut client = daemon.client().await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&contents(5)).unwrap();
    file.rewind().unwrap();
    let id = client.import(&file, "image").await;
    assert_eq!(client.lines_and_result(id).await.1, "done");

    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("out");
    crate::harness::write(&path, "before");
    let appending = File::options().append(true).open(&path).unwrap();
    let before = flags(&appending);
    for _ in 0..2 {
        let id = export(&client, &appending, "image").await;
        let (lines, result) = client.lines_and_result(id).await;
        assert_eq!(result, "done", "{lines:?}");
    }
    assert_eq!(flags(&appending), before);
    let expected = [b"before".to_vec(), contents(5), contents(5)].concat();
    assert!(std::fs::read(&path).unwrap() == expected);

    let (reader, writer) = std::io::pipe().unwrap();
    let (peer, socket) = UnixStream::pair().unwrap();
    let ends: [(Box<dyn Read + Send>, OwnedFd); 2] = [
        (Box::new(reader), writer.into()),
        (Box::new(peer), socket.into()),
    ];
    for (mut reader, writer) in ends {
        let before = flags(&writer);
        let id = export(&client, &writer, "image").await;
        let read = std::thread::spawn(move || {
            let mut bytes = vec![0; IMAGE_BYTES];
            reader.read_exact(&mut bytes).map(|()| bytes)
        });
        let (lines, result) = client.lines_and_result(id).await;
        assert_eq!(result, "done", "{lines:?}");
        assert!(read.join().unwrap().unwrap() == contents(5));
        assert_eq!(flags(&writer), before);
    }
}

#[tokio::test]
async fn descriptors_of_the_wrong_direction_fail_in_the_worker_and_offsets_count() {
    let Some(daemon) = start() else {
        return;
    };
    let mut client = daemon.client().await;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    crate::harness::write(&path, "0123456789");
    let write_only = File::options().write(true).open(&path).unwrap();
    let id = client.import(&write_only, "backwards").await;
    assert_eq!(client.lines_and_result(id).await.1, "failed");
    let id = client.import(File::open(&path).unwrap(), "digits").await;
    assert_eq!(client.lines_and_result(id).await.1, "done");
    let id = export(&client, File::open(&path).unwrap(), "digits").await;
    assert_eq!(client.lines_and_result(id).await.1, "failed");
    assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
    // Written from where the caller is, and nothing is cut off behind.
    let longer = place.path().join("longer");
    crate::harness::write(&longer, "aaaaaaaaaaaaaaaaaaaa");
    let mut at = File::options().write(true).open(&longer).unwrap();
    at.seek(std::io::SeekFrom::Start(5)).unwrap();
    let id = export(&client, &at, "digits").await;
    assert_eq!(client.lines_and_result(id).await.1, "done");
    assert_eq!(std::fs::read(&longer).unwrap(), b"aaaaa0123456789aaaaa");
}

#[tokio::test]
async fn a_failure_says_why_and_a_success_ends_at_one() {
    let Some(daemon) = start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("nowhere").await;
    client.call("CancelTransfer", &id).await.unwrap();
    client.until_removed(id).await;
    let file = tempfile::tempfile().unwrap();
    file.set_len(10 << 20).unwrap();
    let id = client.import(&file, "big").await;
    let heard = client.until_removed(id).await;
    let last = heard.iter().rev().find_map(|heard| match heard {
        Heard::Progress(_, fraction) => Some(*fraction),
        _ => None,
    });
    assert_eq!(last, Some(1.0));
    let body = ("missing", Fd::from(file.as_fd()), "");
    let reply = client.call("ExportRaw", &body).await.unwrap();
    let (id, _) = reply
        .body()
        .deserialize::<(u32, zbus::OwnedObjectPath)>()
        .unwrap();
    loop {
        let message = client.message().await;
        if message.header().member().unwrap().as_str() == "Finished" {
            assert_eq!(message.header().path().unwrap().as_str(), transfer(id));
            let end: (String, String, String) = message.body().deserialize().unwrap();
            assert_eq!((end.0.as_str(), end.1.as_str()), ("failed", "not-found"));
            assert!(end.2.starts_with("Image missing not found"), "{}", end.2);
            break;
        }
    }
}

#[tokio::test]
async fn fifty_at_once_make_fifty_images_and_leave_nothing_else() {
    let Some(daemon) = start() else {
        return;
    };
    let mut client = daemon.client().await;
    client.call("ListTransfers", &()).await.unwrap();
    let before = descriptors(&daemon);
    let mut ids = Vec::new();
    for n in 0..50 {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&contents(n)).unwrap();
        file.rewind().unwrap();
        ids.push(client.import(&file, &format!("many{n}")).await);
    }
    let mut ended = 0;
    while ended < ids.len() {
        if let Heard::Removed(id, result) = client.signal().await {
            assert_eq!(result, "done", "{id}");
            assert!(ids.contains(&id));
            ended += 1;
        }
    }
    for n in 0..50 {
        assert!(image(&daemon, &format!("many{n}")) == contents(n), "{n}");
    }
    let left = std::fs::read_dir(daemon.folder.path().join("state/machines"));
    assert_eq!(left.unwrap().count(), 50);
    until("descriptors and processes are as before", async || {
        client.call("ListTransfers", &()).await.unwrap();
        descriptors(&daemon) <= before && children(&daemon) == 0
    })
    .await;
}
