//! Ending transfers before they are done.

use crate::harness::{
    Bus, Client, Daemon, Heard, NAME, PATIENCE, TRANSFER_INTERFACE, transfer, workers,
};
use importd_api::class::Scope;
use importd_daemon::images::Places;
use importd_daemon::lifetime;
use importd_daemon::log::Level;
use importd_daemon::settings::Settings;
use std::path::Path;
use std::time::Duration;

#[tokio::test]
async fn a_polite_worker_cleans_up_and_the_result_is_canceled() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("polite").await;
    client.until_line("holding").await;
    client.call("CancelTransfer", &id).await.unwrap();
    daemon.until_aborted();
    let (lines, result) = client.lines_and_result(id).await;
    assert_eq!(lines, [(29, "Transfer aborted.".to_owned())]);
    assert_eq!(result, "canceled");
    let gone = client.call("CancelTransfer", &id).await.unwrap_err();
    assert_eq!(gone.0, "org.freedesktop.import1.NoSuchTransfer");
}

#[tokio::test]
async fn the_transfers_own_method_cancels_too() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("hold").await;
    client.until_line("holding").await;
    let path = transfer(id);
    client
        .call_on(&path, TRANSFER_INTERFACE, "Cancel", &())
        .await
        .unwrap();
    assert_eq!(client.lines_and_result(id).await.1, "canceled");
    let gone = client
        .call_on(&path, TRANSFER_INTERFACE, "Cancel", &())
        .await
        .unwrap_err();
    assert_eq!(gone.0, "org.freedesktop.DBus.Error.UnknownObject");
}

#[tokio::test]
async fn a_worker_that_finishes_all_the_same_is_done() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("finish").await;
    client.until_line("holding").await;
    client.call("CancelTransfer", &id).await.unwrap();
    assert_eq!(client.lines_and_result(id).await.1, "done");
}

#[tokio::test]
async fn a_cancel_hits_one_transfer_only() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let first = client.pull("hold").await;
    client.until_line("holding").await;
    let second = client.pull("hold-other").await;
    client.call("CancelTransfer", &second).await.unwrap();
    assert_eq!(client.lines_and_result(second).await.1, "canceled");
    daemon.open_gate();
    assert_eq!(client.lines_and_result(first).await.1, "done");
}

#[tokio::test]
async fn the_fourth_cancel_kills_a_stubborn_worker() {
    let Some(daemon) = Daemon::start() else {
        return;
    };
    let mut client = daemon.client().await;
    let id = client.pull("stubborn").await;
    client.until_line("holding").await;
    for _ in 0..4 {
        client.call("CancelTransfer", &id).await.unwrap();
    }
    assert_eq!(client.lines_and_result(id).await.1, "canceled");
    let line = "<3>(transfer1) Transfer process terminated by signal 9.\n";
    assert!(daemon.log().contains(line), "{}", daemon.log());
}

/// A daemon within this process, whose workers have that long after SIGTERM.
async fn in_process(folder: &Path, bus: &Bus, grace: Duration) -> Client {
    let settings = Settings {
        scope: Scope::System,
        bus_address: Some(bus.address.clone()),
        worker_directory: workers(folder),
        log_level: Level::default(),
        runtime_directory: None,
        places: Places::default(),
        image_roots: Vec::new(),
        grace,
    };
    let client = Client::connect(&bus.address).await;
    let mut owned = zbus::fdo::DBusProxy::new(&client.connection)
        .await
        .unwrap()
        .receive_name_owner_changed_with_args(&[(0, NAME)])
        .await
        .unwrap();
    tokio::spawn(lifetime::run(settings));
    let next = std::future::poll_fn(|context| {
        futures_core::Stream::poll_next(std::pin::Pin::new(&mut owned), context)
    });
    tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap();
    client
}

#[tokio::test]
async fn a_stubborn_worker_is_killed_when_its_grace_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let grace = Duration::from_millis(300);
    let mut client = in_process(folder.path(), &bus, grace).await;
    let id = client.pull("stubborn").await;
    client.until_line("holding").await;
    let before = std::time::Instant::now();
    client.call("CancelTransfer", &id).await.unwrap();
    assert_eq!(client.signal().await, Heard::Removed(id, "canceled".into()));
    assert!(before.elapsed() >= grace);
}
