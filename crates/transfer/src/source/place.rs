//! The servers that one file is fetched from.

use super::guard::Guard;
use super::version::Version;
use importd_api::url::Url;
use std::fmt;
use std::sync::{Arc, Mutex};

/// One server that has the file, or should have.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Where it is to be.
    pub(super) url: Url,
    /// What lets requests into its server.
    pub(super) guard: Option<Arc<dyn Guard>>,
    /// The address that answered last, after redirects, which may lead elsewhere the next time;
    /// credentials included.
    pub(super) address: String,
    /// What the server said of the bytes, once it was asked.
    pub(super) version: Option<Version>,
    /// It has given a rest of the bytes, or was not asked for one yet.
    pub(super) gives_rests: bool,
}

impl Place {
    pub(super) fn new(url: &Url, guard: Option<Arc<dyn Guard>>) -> Self {
        Self {
            url: url.clone(),
            guard,
            address: url.as_str().to_owned(),
            version: None,
            gives_rests: true,
        }
    }
}

/// Where the bytes of a body came from, told as they come.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<Mutex<Vec<Url>>>);

impl Origins {
    /// Takes that bytes come from here, too.
    pub(super) fn add(&self, url: &Url) {
        if let Ok(mut urls) = self.0.lock()
            && !urls.contains(url)
        {
            urls.push(url.clone());
        }
    }
}

impl fmt::Display for Origins {
    /// The addresses, without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.0.lock().map(|urls| urls.clone()).unwrap_or_default();
        let mut separator = "";
        for url in urls {
            write!(f, "{separator}{url}")?;
            separator = " and ";
        }
        Ok(())
    }
}
