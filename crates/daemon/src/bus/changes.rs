//! Changed properties of our own interface, told not too often.
//!
//! Workers report ten times a second each, and nobody can read faster than that: what changes within
//! an interval is told once, at its end, with the values of that moment.

use crate::bus::own::{self, Value};
use crate::manager::Manager;
use crate::transfer::Transfer;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Least time between two `PropertiesChanged` of a transfer.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// What has been told of each transfer, and what has not.
#[derive(Debug, Default)]
pub struct Unsaid {
    told: BTreeMap<u32, Vec<Value>>,
    changed: BTreeSet<u32>,
    last: Option<Instant>,
}

impl Unsaid {
    /// Takes note of a transfer, whose values callers can read.
    pub fn add(&mut self, id: u32, table: &Manager) {
        if let Some(transfer) = table.get(id) {
            self.told.insert(id, own::of_transfer(transfer));
        }
    }

    /// A transfer has changed.
    pub fn change(&mut self, id: u32) {
        self.changed.insert(id);
    }

    /// A transfer has ended. Gives its properties that have another value than was told.
    pub fn remove(&mut self, id: u32, last: Option<&Transfer>) -> Vec<Value> {
        self.changed.remove(&id);
        let told = self.told.remove(&id).unwrap_or_default();
        last.map(|transfer| changed(transfer, &told).1)
            .unwrap_or_default()
    }

    /// When there is something to be told, if there is.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        if self.changed.is_empty() {
            return None;
        }
        Some(self.last.map_or_else(Instant::now, |last| last + INTERVAL))
    }

    /// The transfers that are to be told of, with the properties that have another value now.
    pub fn take(&mut self, table: &Manager) -> Vec<(u32, Vec<Value>)> {
        self.last = Some(Instant::now());
        let mut news = Vec::new();
        for id in std::mem::take(&mut self.changed) {
            let Some(transfer) = table.get(id) else {
                continue;
            };
            let told = self.told.remove(&id).unwrap_or_default();
            let (now, changed) = changed(transfer, &told);
            self.told.insert(id, now);
            if !changed.is_empty() {
                news.push((id, changed));
            }
        }
        news
    }
}

/// All properties of a transfer, and those that have another value than was told.
fn changed(transfer: &Transfer, told: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let now = own::of_transfer(transfer);
    let changed = now.iter().filter(|value| !told.contains(value));
    let changed = changed.cloned().collect();
    (now, changed)
}
