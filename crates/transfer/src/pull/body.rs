//! A body on its way, and the digest that it turns out to have.

use super::Request;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::stage::digest::{Pending, Received};
use importd_api::failure::Kind;
use std::sync::{Mutex, OnceLock};

/// A body that has come, or is coming; what it turned out to be is asked for once or twice.
pub(super) struct Body<'a> {
    pending: Mutex<Option<Pending>>,
    received: OnceLock<Received>,
    request: &'a Request,
    context: &'a Context,
}

impl<'a> Body<'a> {
    pub(super) fn new(pending: Pending, request: &'a Request, context: &'a Context) -> Self {
        Self {
            pending: Mutex::new(Some(pending)),
            received: OnceLock::new(),
            request,
            context,
        }
    }

    /// Waits for the digest of the body, which was read to its end.
    pub(super) fn received(&self) -> Result<Received> {
        if let Some(received) = self.received.get() {
            return Ok(received.clone());
        }
        let pending = self.pending.lock().ok().and_then(|mut it| it.take());
        let ended = || Error::new(Kind::Io, "The digest of the download was lost");
        let received = self
            .request
            .received(pending.ok_or_else(ended)?, self.context)?;
        Ok(self.received.get_or_init(|| received).clone())
    }
}
