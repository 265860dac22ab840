//! How patient, and how fast, transfers over the network are.

use super::proxies::Proxies;
use importd_api::url::Url;
use std::num::NonZeroU64;
use std::time::Duration;

/// A connection that is not made in this time is given up, unless the settings say otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that sends nothing for this time is given up, unless the settings say otherwise.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a request is tried again without any progress, unless the settings say otherwise.
pub const RETRIES: u32 = 5;

/// What a caller may choose about the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Longest time to make a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest time without a byte that is waited for.
    pub stall_timeout: Duration,
    /// How often what failed, and may pass, is tried again while nothing comes; 0 for never.
    pub retries: u32,
    /// Most bytes a second over all connections.
    pub rate: Option<NonZeroU64>,
    /// By way of which servers others are reached.
    pub proxies: Proxies,
    /// Other addresses of the file that is fetched, in the order in which they are tried.
    pub mirrors: Vec<Url>,
    /// Where there are mirrors of whole servers: what an address begins with, and with what its
    /// mirror does instead.
    pub mirrored: Vec<(Url, Url)>,
    /// What comes will be compared with a digest that was known before.
    pub is_proven: bool,
    /// Over how many connections a large body is fetched, from 1 to
    /// [`super::ranges::CONNECTIONS_MAX`].
    pub connections: u32,
    /// How many bodies are fetched at once, each over a connection of its own.
    pub lanes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            retries: RETRIES,
            rate: None,
            proxies: Proxies::default(),
            mirrors: Vec::new(),
            mirrored: Vec::new(),
            is_proven: false,
            connections: 1,
            lanes: 1,
        }
    }
}
