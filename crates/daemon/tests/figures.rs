//! Our own interfaces: what a transfer is at, how fast, and why it ended.

use crate::harness::{Client, Daemon, MANAGER, has, transfer};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use zbus::{Message, OwnedObjectPath, OwnedVariant};

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OWN_MANAGER: &str = "io.importd.Manager1";
const OWN_TRANSFER: &str = "io.importd.Transfer1";
const UNKNOWN: u64 = u64::MAX;

type Values = HashMap<String, OwnedVariant>;

async fn all(client: &Client, path: &str, interface: &str) -> Values {
    let reply = client.call_on(path, PROPERTIES, "GetAll", &interface).await;
    reply.unwrap().body().deserialize().unwrap()
}

fn text<'a>(values: &'a Values, name: &str) -> &'a str {
    <&str>::try_from(&*values[name]).unwrap()
}

fn number(values: &Values, name: &str) -> u64 {
    match &*values[name] {
        zbus::Variant::U32(number) => (*number).into(),
        zbus::Variant::U64(number) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

fn member(message: &Message) -> String {
    message.header().member().unwrap().to_string()
}

/// What a signal of changed properties holds.
fn changed(message: &Message) -> Option<Values> {
    let is_one = member(message) == "PropertiesChanged";
    is_one.then(|| {
        let body = message.body();
        let (interface, values, invalid): (String, Values, Vec<String>) =
            body.deserialize().unwrap();
        assert_eq!((interface.as_str(), invalid.len()), (OWN_TRANSFER, 0));
        values
    })
}

#[tokio::test]
async fn a_transfer_tells_its_figures_their_changes_and_its_end() {
    if !has("python3") {
        return;
    }
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("figures").await;
    let path = transfer(id);
    client.until_line("holding").await;
    let values = all(&client, &path, OWN_TRANSFER).await;
    assert_eq!(values.len(), 11);
    for (name, value) in [
        ("State", "running"),
        ("Phase", "downloading"),
        ("Class", "machine"),
        ("Destination", "/var/lib/machines/figures"),
    ] {
        assert_eq!(text(&values, name), value, "{name}");
    }
    for (name, value) in [
        ("Bytes", 1000),
        ("Total", 10000),
        ("Retries", 2),
        ("Owner", 0),
    ] {
        assert_eq!(number(&values, name), value, "{name}");
    }
    assert!(number(&values, "Started") > 1_600_000_000_000_000);
    let before = Instant::now();
    daemon.open_gate();
    let mut signals = Vec::new();
    loop {
        let message = client.message().await;
        if let Some(values) = changed(&message) {
            signals.push(values);
        }
        if member(&message) == "Finished" {
            assert_eq!(message.header().path().unwrap().as_str(), path);
            let end: (String, String, String) = message.body().deserialize().unwrap();
            let (result, kind, reason) = (end.0.as_str(), end.1.as_str(), end.2.as_str());
            assert_eq!(
                (result, kind, reason),
                ("failed", "corrupt", "The digest is wrong")
            );
            break;
        }
    }
    // The last report counts, however soon the end came after it.
    let bytes = signals.iter().filter(|values| values.contains_key("Bytes"));
    assert_eq!(
        bytes.map(|values| number(values, "Bytes")).next_back(),
        Some(1299)
    );
    // Three hundred reports, and a signal each tenth of a second at most.
    let most = before.elapsed().as_millis() / 100 + 3;
    assert!(signals.len() as u128 <= most, "{} in {most}", signals.len());
    assert_eq!(member(&client.message().await), "TransferRemoved");
}

#[tokio::test]
async fn nothing_is_known_of_a_transfer_that_tells_nothing() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("hold").await;
    client.until_line("holding").await;
    let values = all(&client, &transfer(id), OWN_TRANSFER).await;
    for (name, value) in [
        ("Total", UNKNOWN),
        ("TimeLeft", UNKNOWN),
        ("Bytes", 0),
        ("Rate", 0),
    ] {
        assert_eq!(number(&values, name), value, "{name}");
    }
    assert_eq!(text(&values, "Phase"), "");
    client.call("CancelTransfer", &id).await.unwrap();
    loop {
        let message = client.message().await;
        if let Some(values) = changed(&message) {
            assert_eq!(text(&values, "State"), "stopping");
        } else if member(&message) == "Finished" {
            let end: (String, String, String) = message.body().deserialize().unwrap();
            assert_eq!(
                end,
                (
                    "canceled".into(),
                    "cancelled".into(),
                    "Transfer aborted".into()
                )
            );
            break;
        }
    }
}

#[tokio::test]
async fn the_list_holds_all_properties_of_both_interfaces() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let client = daemon.client().await;
    let id = client.pull("hold").await;
    let list = async |class: &str| -> Vec<(u32, OwnedObjectPath, Values)> {
        let body = (class, 0u64);
        let reply = client
            .call_on(MANAGER, OWN_MANAGER, "ListTransfers", &body)
            .await;
        reply.unwrap().body().deserialize().unwrap()
    };
    let listed = list("").await;
    assert_eq!((listed.len(), listed[0].0), (1, id));
    assert_eq!(listed[0].1.as_str(), transfer(id));
    let mut both = all(&client, &transfer(id), OWN_TRANSFER).await;
    both.extend(all(&client, &transfer(id), "org.freedesktop.import1.Transfer").await);
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
        (listed[0].2.keys().collect(), both.keys().collect());
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert!(list("sysext").await.is_empty());
    let refused = client
        .call_on(MANAGER, OWN_MANAGER, "ListTransfers", &("x", 0u64))
        .await;
    assert_eq!(refused.unwrap_err().1, "Image class 'x' not known");
    let values = all(&client, MANAGER, OWN_MANAGER).await;
    for (name, value) in [
        ("MaxTransfers", 64),
        ("MaxTransfersPerUser", 64),
        ("MaxQueued", 1024),
        ("MaxQueuedPerUser", 512),
        ("Running", 1),
        ("Queued", 0),
    ] {
        assert_eq!(number(&values, name), value, "{name}");
    }
}

#[tokio::test]
async fn changes_come_soon() {
    if !has("python3") {
        return;
    }
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let before = Instant::now();
    client.pull("figures").await;
    loop {
        let message = client.message().await;
        if let Some(values) = changed(&message)
            && values.contains_key("Total")
        {
            assert_eq!(number(&values, "Total"), 10000);
            break;
        }
    }
    assert!(before.elapsed() < Duration::from_secs(10));
}
