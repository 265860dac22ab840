//! What lets requests into a server, and on what terms an address is asked.

use super::message::Secret;
use super::retry::Try;
use importd_api::url::Url;
use std::fmt;
use std::sync::Arc;

/// Lets requests into one server. Asked by several threads at once.
pub(crate) trait Guard: Send + Sync + fmt::Debug {
    /// What the next request is sent with; `None` as long as the server has not asked for anything.
    ///
    /// # Errors
    /// When what was there has expired, and nothing new is to be had; when it is of no use to ask.
    fn pass(&self) -> Try<Option<Secret>>;

    /// The server answered 401 to a request with `used`: finds what satisfies one of its challenges,
    /// for [`Guard::pass`] to give.
    ///
    /// # Errors
    /// When nothing does.
    fn refused(&self, challenges: &[String], used: Option<&Secret>) -> Try<()>;

    /// A request brought no answer at all.
    fn unanswered(&self);

    /// The server answered 401 even to what was just found.
    fn denied(&self) -> crate::error::Error;
}

/// Another server that has the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    pub(crate) url: Url,
    pub(crate) guard: Option<Arc<dyn Guard>>,
}

/// On what terms an address is asked; usually on none.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// `Accept`.
    pub(crate) accept: Option<&'static str>,
    /// Lets requests into the server of the address.
    pub(crate) guard: Option<Arc<dyn Guard>>,
    /// Servers that are asked if it fails.
    pub(crate) others: Vec<Other>,
    /// Over which of the connections.
    pub(crate) lane: u32,
    /// How many bytes there must be.
    pub(crate) length: Option<u64>,
}

impl Terms {
    /// No terms.
    pub(super) const NONE: &'static Terms = &Terms {
        accept: None,
        guard: None,
        others: Vec::new(),
        lane: 0,
        length: None,
    };
}
