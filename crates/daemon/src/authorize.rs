//! Who may start and cancel transfers.
//!
//! Asked before the arguments of a call are looked at, so that a caller who may not learns nothing.
//! In the system scope only root may; in the user scope the user whose daemon this is, and root.
//! The bus answers whose connection a message came from: nothing the caller says is believed.
//! Lists and properties are open to everyone and never come here.

use crate::refusal::Refusal;
use importd_api::class::Scope;
use zbus::Connection;
use zbus::names::UniqueName;

/// What a caller wants to do; the unit that privileges are granted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make an image of a descriptor's bytes.
    Import,
    /// Write an image to a descriptor.
    Export,
    /// Make an image of a download.
    Pull,
    /// Stop a transfer, whoever started it.
    Cancel,
    /// Change how much is logged, and where to.
    ControlLog,
}

impl Action {
    /// The action as the subject of a sentence.
    #[must_use]
    pub const fn gerund(self) -> &'static str {
        match self {
            Action::Import => "importing an image",
            Action::Export => "exporting an image",
            Action::Pull => "downloading an image",
            Action::Cancel => "cancelling a transfer",
            Action::ControlLog => "changing what is logged",
        }
    }
}

/// The rules of one daemon.
#[derive(Clone, Copy, Debug)]
pub struct Authority {
    scope: Scope,
    own_uid: u32,
}

impl Authority {
    /// The rules of a daemon of `scope` that runs as this process does.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            own_uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Decides whether the caller behind a bus connection may do something.
    ///
    /// # Errors
    /// [`Refusal::Denied`], also when the bus cannot say who the caller is (it has left).
    pub async fn ask(
        &self,
        connection: &Connection,
        caller: Option<&UniqueName<'_>>,
        action: Action,
    ) -> Result<(), Refusal> {
        let uid = match caller {
            Some(caller) => uid_of(connection, caller).await,
            None => None,
        };
        self.decide(uid, action)
    }

    fn decide(&self, uid: Option<u32>, action: Action) -> Result<(), Refusal> {
        let granted = match self.scope {
            Scope::System => uid == Some(0),
            Scope::User => uid == Some(0) || uid == Some(self.own_uid),
        };
        if granted {
            Ok(())
        } else {
            Err(Refusal::Denied(action))
        }
    }
}

async fn uid_of(connection: &Connection, caller: &UniqueName<'_>) -> Option<u32> {
    let answer = connection
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "GetConnectionUnixUser",
            &caller.as_str(),
        )
        .await
        .and_then(|reply| reply.body().deserialize::<u32>());
    match answer {
        Ok(uid) => Some(uid),
        Err(error) => {
            tracing::debug!("The bus does not say who {caller} is: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_is_granted_anything_in_the_system_scope() {
        let authority = Authority {
            scope: Scope::System,
            own_uid: 1000,
        };
        for action in [Action::Import, Action::Export, Action::Pull, Action::Cancel] {
            assert!(authority.decide(Some(0), action).is_ok());
            for uid in [Some(1000), Some(65534), None] {
                let refusal = authority.decide(uid, action).unwrap_err();
                assert!(matches!(refusal, Refusal::Denied(denied) if denied == action));
            }
        }
    }

    #[test]
    fn a_users_daemon_serves_that_user_and_root() {
        let authority = Authority {
            scope: Scope::User,
            own_uid: 1000,
        };
        for (uid, granted) in [
            (Some(1000), true),
            (Some(0), true),
            (Some(1001), false),
            (None, false),
        ] {
            assert_eq!(
                authority.decide(uid, Action::Cancel).is_ok(),
                granted,
                "{uid:?}"
            );
        }
    }
}
