//! Many transfers, many clients: nothing is lost, nothing is left, and nobody keeps others waiting.

use crate::harness::{Client, Daemon, Heard, MANAGER, MANAGER_INTERFACE, NAME};
use crate::process::{children, descriptors, until};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};
use zbus::Message;

/// What is heard of each transfer up to the end of all.
async fn hear(client: &mut Client, count: usize) -> BTreeMap<u32, Vec<Heard>> {
    let mut heard: BTreeMap<u32, Vec<Heard>> = BTreeMap::new();
    let mut ended = 0;
    while ended < count {
        let signal = client.signal().await;
        let id = match &signal {
            Heard::New(id)
            | Heard::Removed(id, _)
            | Heard::Line(id, _, _)
            | Heard::Progress(id, _) => *id,
        };
        ended += usize::from(matches!(signal, Heard::Removed(..)));
        heard.entry(id).or_default().push(signal);
    }
    heard
}

/// Each transfer begins with its announcement, ends with its end, and has one of both.
fn check(heard: &BTreeMap<u32, Vec<Heard>>) {
    for (id, signals) in heard {
        let count = |wanted: fn(&Heard) -> bool| signals.iter().filter(|it| wanted(it)).count();
        assert_eq!(signals[0], Heard::New(*id));
        assert_eq!(count(|it| matches!(it, Heard::New(_))), 1, "{signals:?}");
        assert_eq!(
            count(|it| matches!(it, Heard::Removed(..))),
            1,
            "{signals:?}"
        );
        let end = Heard::Removed(*id, "done".into());
        assert_eq!(signals.last(), Some(&end), "{signals:?}");
    }
}

async fn until_as_before(daemon: &Daemon, client: &Client, before: usize) {
    until("descriptors and processes are as before", async || {
        client.call("ListTransfers", &()).await.unwrap();
        descriptors(daemon) <= before && children(daemon) == 0
    })
    .await;
}

#[tokio::test]
async fn five_hundred_transfers_in_a_row_leave_nothing() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    client.call("ListTransfers", &()).await.unwrap();
    let before = descriptors(&daemon);
    let mut heard = BTreeMap::new();
    for n in 1..=500 {
        let id = client.pull(&format!("quick{n}")).await;
        assert_eq!(id, n);
        heard.append(&mut hear(&mut client, 1).await);
    }
    assert_eq!(heard.len(), 500);
    check(&heard);
    until_as_before(&daemon, &client, before).await;
}

#[tokio::test]
async fn of_two_hundred_transfers_at_once_none_is_lost() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    client.call("ListTransfers", &()).await.unwrap();
    let before = descriptors(&daemon);
    for n in 1..=200 {
        client.pull(&format!("tell{n}")).await;
    }
    let heard = hear(&mut client, 200).await;
    assert_eq!(heard.len(), 200);
    check(&heard);
    until_as_before(&daemon, &client, before).await;
}

/// A client that speaks D-Bus by hand, so that it can stop anywhere.
struct Raw(UnixStream);

impl Raw {
    fn connect(address: &str) -> Self {
        let name = address.strip_prefix("unix:abstract=").unwrap();
        let name = name.split(',').next().unwrap();
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        let uid: String = "0".bytes().map(|digit| format!("{digit:02x}")).collect();
        stream
            .write_all(format!("\0AUTH EXTERNAL {uid}\r\n").as_bytes())
            .unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
        assert!(said.starts_with(b"OK "));
        stream.write_all(b"BEGIN\r\n").unwrap();
        let mut raw = Self(stream);
        let bus = "org.freedesktop.DBus";
        let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
            .destination(bus)
            .interface(bus);
        raw.send(&hello.build(&()).unwrap(), usize::MAX);
        raw
    }

    /// Sends so much of a message.
    fn send(&mut self, message: &Message, most: usize) {
        let bytes: &[u8] = message.data();
        self.0.write_all(&bytes[..most.min(bytes.len())]).unwrap();
    }
}

fn call(member: &str) -> Message {
    let call = Message::method_call(MANAGER, member)
        .destination(NAME)
        .interface(MANAGER_INTERFACE);
    match member {
        "ListImages" => call.build(&("", 0u64)).unwrap(),
        _ => call.build(&()).unwrap(),
    }
}

#[tokio::test]
async fn two_hundred_clients_that_stall_or_die_keep_nobody_waiting() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    client.call("ListTransfers", &()).await.unwrap();
    let before = descriptors(&daemon);
    let calls = ["ListTransfers", "ListTransfers", "ListImages"].map(call);
    let mut clients: Vec<Raw> = (0..200)
        .map(|_| Raw::connect(&daemon.bus.address))
        .collect();
    let mut times = Vec::new();
    for round in 0..10 {
        for (index, raw) in clients.iter_mut().enumerate() {
            for call in &calls {
                // They read none of the answers, and a quarter stops in the middle of a call.
                let most = if index % 4 == 3 { 40 } else { usize::MAX };
                if round == 0 || index % 4 != 3 {
                    raw.send(call, most);
                }
                if most == 40 {
                    break;
                }
            }
        }
        let begin = Instant::now();
        client.call("ListTransfers", &()).await.unwrap();
        times.push(begin.elapsed());
        // Others die with their calls open.
        clients.truncate(200 - 10 * round);
    }
    times.sort();
    // The middle one, since the machine may be busy with other things for a while.
    let typical = times[times.len() / 2];
    assert!(typical < Duration::from_millis(100), "{times:?}");
    drop(clients);
    until_as_before(&daemon, &client, before).await;
}
