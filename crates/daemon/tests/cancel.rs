//! Ending transfers before they are done.

use crate::embedded;
use crate::harness::{Bus, Daemon, Heard, TRANSFER_INTERFACE, transfer};
use importd_api::class::Class;
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

#[tokio::test]
async fn a_stubborn_worker_is_killed_when_its_grace_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let mut settings = embedded::settings(folder.path(), &bus);
    let grace = Duration::from_millis(300);
    settings.grace = grace;
    let mut client = embedded::start(settings, &bus).await;
    let id = client.pull("stubborn").await;
    client.until_line("holding").await;
    let before = std::time::Instant::now();
    client.call("CancelTransfer", &id).await.unwrap();
    assert_eq!(client.signal().await, Heard::Removed(id, "canceled".into()));
    assert!(before.elapsed() >= grace);
}

#[test]
fn what_a_killed_worker_leaves_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(bus) = Bus::start(folder.path()) else {
        return;
    };
    let root = folder.path().join("machines");
    // One thread, so that what blocks is done one after the other.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut settings = embedded::settings(folder.path(), &bus);
        settings.image_roots = [(Class::Machine, root.clone())].into_iter().collect();
        let mut client = embedded::start(settings, &bus).await;
        let id = client.pull("stubborn").await;
        client.until_line("holding").await;
        std::fs::create_dir_all(root.join(".#importd.stubborn.0123456789abcdef")).unwrap();
        for _ in 0..4 {
            client.call("CancelTransfer", &id).await.unwrap();
        }
        assert_eq!(client.lines_and_result(id).await.1, "canceled");
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    });
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
}
