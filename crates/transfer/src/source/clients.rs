//! The clients that requests are sent with: each has connections of its own.

use super::authorities::encryption;
use super::failure::{Failure, root_cause};
use super::settings::Settings;
use reqwest::Client;
use rustls::ClientConfig;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

/// How often a connection of several bodies is asked whether it is alive.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How much of a body a server may send ahead over HTTP/2: 80 MB/s at 100 ms of way to and fro.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// As [`STREAM_WINDOW_BYTES`], of all bodies of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Largest piece of a body over HTTP/2: each is looked at by itself.
const FRAME_BYTES_MAX: u32 = 128 << 10;

/// A client for each lane. Over HTTP/2 one has a single connection for all its requests to a server.
#[derive(Debug)]
pub(super) struct Clients {
    user_agent: String,
    settings: Settings,
    encryption: ClientConfig,
    /// Each is made for its first request.
    made: Vec<OnceLock<Client>>,
}

impl Clients {
    /// As many as the settings say.
    ///
    /// # Errors
    /// When a proxy has no usable address.
    pub(super) fn new(user_agent: &str, settings: &Settings) -> io::Result<Self> {
        let count = settings.connections.max(settings.lanes).max(1);
        let clients = Self {
            user_agent: user_agent.to_owned(),
            settings: settings.clone(),
            encryption: encryption().map_err(io::Error::other)?,
            made: (0..count).map(|_lane| OnceLock::new()).collect(),
        };
        clients.lane(0)?;
        Ok(clients)
    }

    /// The client of a lane; lanes beyond those there are take turns.
    ///
    /// # Errors
    /// [`Failure::Broken`] when there can be no other client.
    pub(super) fn of(&self, lane: u32) -> Result<Client, Failure> {
        let client = self.lane(lane);
        client.map_err(|error| Failure::Broken(error.to_string()))
    }

    fn lane(&self, lane: u32) -> io::Result<Client> {
        let lane = usize::try_from(lane).unwrap_or(0) % self.made.len().max(1);
        let place = self.made.get(lane);
        if let Some(client) = place.and_then(OnceLock::get) {
            return Ok(client.clone());
        }
        let client = self.client()?;
        // Two at once cannot be: one thread asks.
        Ok(match place {
            Some(place) => place.get_or_init(|| client).clone(),
            None => client,
        })
    }

    fn client(&self) -> io::Result<Client> {
        let settings = &self.settings;
        let mut builder = Client::builder()
            .user_agent(&self.user_agent)
            .tls_backend_preconfigured(self.encryption.clone())
            // The environment is read by ourselves, see [`super::proxies`].
            .no_proxy()
            // Followed by ourselves, see [`redirect`].
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .tcp_nodelay(true)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_max_frame_size(FRAME_BYTES_MAX)
            // A connection that carries several bodies must not stay in use when it is dead.
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(settings.stall_timeout);
        for proxy in settings.proxies.rules().map_err(io::Error::other)? {
            builder = builder.proxy(proxy);
        }
        builder
            .build()
            .map_err(|error| io::Error::other(root_cause(&error)))
    }
}
