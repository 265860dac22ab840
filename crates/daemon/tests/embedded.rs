//! A daemon within the test's own process.

use crate::harness::{Bus, Client, NAME, PATIENCE, workers};
use futures_core::Stream;
use importd_api::class::Scope;
use importd_daemon::images::Places;
use importd_daemon::leftovers::ImageRoots;
use importd_daemon::lifetime;
use importd_daemon::log::control::Control;
use importd_daemon::pressure::Watch;
use importd_daemon::settings::Settings;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

/// Settings of a daemon on that bus, with stand-in workers, that looks at no folder.
pub(crate) fn settings(folder: &Path, bus: &Bus) -> Settings {
    Settings {
        varlink: None,
        scope: Scope::System,
        bus_address: Some(bus.address.clone()),
        worker_directory: workers(folder),
        log: Control::default(),
        runtime_directory: None,
        places: Places::default(),
        image_roots: ImageRoots::default(),
        downloads: None,
        worker_open_files: None,
        configuration: Vec::new(),
        pressure: Watch::Nothing,
        grace: Duration::from_secs(10),
        rest: None,
    }
}

/// Starts a daemon as a task, and waits until it has its name.
pub(crate) async fn start(settings: Settings, bus: &Bus) -> Client {
    let client = Client::connect(&bus.address).await;
    let mut owned = zbus::fdo::DBusProxy::new(&client.connection)
        .await
        .unwrap()
        .receive_name_owner_changed_with_args(&[(0, NAME)])
        .await
        .unwrap();
    tokio::spawn(lifetime::run(settings, Vec::new()));
    let next = std::future::poll_fn(|context| Stream::poll_next(Pin::new(&mut owned), context));
    tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap();
    client
}
