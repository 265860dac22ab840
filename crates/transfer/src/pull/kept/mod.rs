//! Kept downloads: the pristine copy beside the image, hidden, read-only, and used again.
//!
//! An object is called `.raw-URL.ETAG.raw` or `.tar-URL.ETAG`, as the reference calls them. Ours carry
//! a [`record`] of what was transferred and how it was proven, sealed to the very inode; objects of
//! the reference have none, and serve only requests that prove nothing.
//!
//! | module | holds |
//! |---|---|
//! | `names` | what an object is called, and what a name says |
//! | `record` | what is noted with an object, and where |
//! | `seal` | whether an object is still what was kept |
//! | `find` | the objects of one address, and which of them serve |
//! | `fetch` | the address is asked: a kept object, or bytes |
//! | `install` | new bytes, or a kept object, become an image |
//! | `prune` | what is superseded goes |
//! | `stock` | all that is kept in an image root |
//!
//! What is compared, and what is not, is in docs/decisions/0011-kept-downloads.md.

mod fetch;
mod find;
mod install;
mod names;
mod prune;
mod record;
mod seal;
mod stock;

pub(super) use fetch::{Asker, Found, Fresh, Taken, fetch, look, not_retrieved};
pub(super) use find::Need;
pub(super) use install::{Kept, install};
pub(super) use names::{is_beside, pristine};
pub(crate) use record::BOOT_ID;
pub(super) use record::Version;
pub(super) use stock::{Item, items};
