//! The files that come with an image: `.nspawn`, `.roothash`, `.roothash.p7s`, `.verity`.
//!
//! They lie beside the image on the server, under its name without the endings of the file, and are
//! fetched together, before the image: one that is not what the list says ends the pull before the
//! image's bytes are sent. With a list only what it names is fetched. What is not there is left out;
//! what cannot be fetched too, with a warning.
//!
//! They wait under hidden names until the image has its name, see [`crate::companions`] for the
//! order. Settings go beside the image only, where systemd-nspawn does not trust them; never to
//! `/etc/systemd/nspawn`, where it does.

mod fetch;
mod install;
mod kind;

pub(super) use fetch::{Planned, plan};
pub use kind::Companion;

use crate::proof::Proven;

/// The files that came with an image: proven, still hidden.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Vec<Arrival>);

/// One of them.
#[derive(Debug)]
struct Arrival {
    companion: Companion,
    proven: Proven,
}

impl Arrivals {
    /// How much of the progress of the download they make up, in percent.
    pub(super) fn share(&self) -> u8 {
        self.0.iter().map(|one| one.companion.share()).sum()
    }
}
