//! polkit: whether somebody without privileges may do something.
//!
//! polkit may ask a person, for as long as that takes; the question is withdrawn when the caller goes
//! away meanwhile. What the caller wants is told along, for rules that grant some of it and not all.
//!
//! # Source
//! polkit(8), and its D-Bus interface org.freedesktop.PolicyKit1.Authority.

use crate::authorize::Action;
use crate::refusal::Refusal;
use futures_core::Stream;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use zbus::names::UniqueName;
use zbus::{Connection, fdo};
use zbus_polkit::policykit1::{AuthorityProxy, CheckAuthorizationFlags, Subject};

/// What a caller wants, by names that rules can look at.
pub type Details = Vec<(&'static str, String)>;

/// A question about a caller.
#[derive(Debug)]
pub struct Question<'a> {
    /// The caller.
    pub subject: Subject,
    /// What the caller wants to do.
    pub action: Action,
    /// The same more exactly.
    pub details: &'a Details,
    /// Whether the caller allows a person to be asked.
    pub is_interactive: bool,
}

impl Question<'_> {
    /// Asks, and waits for the answer until `gone` says that the caller has gone.
    ///
    /// # Errors
    /// [`Refusal::NotGranted`], [`Refusal::NeedsInteraction`] if a person could grant it;
    /// [`Refusal::NoPolkit`] if nobody answers, or the caller has gone.
    pub async fn ask(
        &self,
        connection: &Connection,
        gone: impl Future<Output = ()>,
    ) -> Result<(), Refusal> {
        let failed = |error: String| Refusal::NoPolkit(self.action, error);
        let Some(action_id) = self.action.polkit_id() else {
            return Err(Refusal::Denied(self.action));
        };
        let polkit = AuthorityProxy::new(connection).await;
        let polkit = polkit.map_err(|error| failed(error.to_string()))?;
        let details: HashMap<&str, &str> = self
            .details
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let flags = match self.is_interactive {
            true => CheckAuthorizationFlags::ALLOW_USER_INTERACTION,
            false => CheckAuthorizationFlags::empty(),
        };
        let id = cancellation_id();
        let answer = tokio::select! {
            answer = polkit.check_authorization(&self.subject, action_id, &details, flags, &id) => answer,
            () = gone => {
                polkit.cancel_check_authorization(&id).await.unwrap_or(());
                return Err(failed("the caller has gone".into()));
            }
        };
        match answer {
            Ok(result) if result.is_authorized => Ok(()),
            Ok(result) if result.is_challenge => Err(Refusal::NeedsInteraction),
            Ok(_) => Err(Refusal::NotGranted(self.action)),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// A name for a question that no other of this process has.
fn cancellation_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("importd-{}-{number}", std::process::id())
}

/// Ends when a connection has left the bus.
///
/// # Errors
/// When the bus cannot be asked to tell.
pub async fn gone(
    connection: &Connection,
    caller: &UniqueName<'_>,
) -> zbus::Result<impl Future<Output = ()> + use<>> {
    let bus = fdo::DBusProxy::new(connection).await?;
    let changes = bus
        .receive_name_owner_changed_with_args(&[(0, caller.as_str())])
        .await?;
    Ok(async move {
        let mut changes = pin!(changes);
        let next = std::future::poll_fn(|context| Stream::poll_next(changes.as_mut(), context));
        // A unique name changes its owner once: to nobody.
        drop(next.await);
    })
}
