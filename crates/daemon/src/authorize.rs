//! Who may start and cancel transfers.
//!
//! Asked before the arguments of a call are looked at, so that a caller who may not learns nothing.
//! In the system scope root may, and whom polkit lets; in the user scope the user whose daemon this
//! is, and root.
//! The bus answers whose connection a message came from: nothing the caller says is believed.
//! Lists and properties are open to everyone and never come here.

use crate::polkit::{self, Details, Question};
use crate::refusal::Refusal;
use crate::varlink::peer::Peer;
use importd_api::class::Scope;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zbus::message::Flags;
use zbus::names::UniqueName;
use zbus::{Connection, Message};
use zbus_polkit::policykit1::Subject;

/// What a caller wants to do; the unit that privileges are granted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make an image of a descriptor's bytes.
    Import,
    /// Write an image to a descriptor.
    Export,
    /// Make an image of a download.
    Pull,
    /// Make an image of a file that the daemon can read, or in a folder that it can write to.
    PullLocal,
    /// Send an image to a server.
    Push,
    /// Stop a transfer, whoever started it.
    Cancel,
    /// Change how much is logged, and where to.
    ControlLog,
}

impl Action {
    /// The action's name in polkit; `None` for what only root may do.
    #[must_use]
    pub const fn polkit_id(self) -> Option<&'static str> {
        match self {
            Action::Import => Some("org.freedesktop.import1.import"),
            Action::Export => Some("org.freedesktop.import1.export"),
            Action::Pull => Some("org.freedesktop.import1.pull"),
            Action::PullLocal => Some("io.importd.pull-local"),
            Action::Push => Some("io.importd.push"),
            Action::Cancel => Some("org.freedesktop.import1.cancel"),
            Action::ControlLog => None,
        }
    }

    /// The action of a call with these details. Who may download may not therefore read any file of
    /// the machine, nor write to any folder: both happen with the daemon's rights.
    #[must_use]
    pub fn of(self, details: &Details) -> Self {
        let is_local = details.iter().any(|(name, value)| match *name {
            "remote" => value.starts_with("file:"),
            name => name == "imageRoot",
        });
        match self {
            Action::Pull if is_local => Action::PullLocal,
            other => other,
        }
    }

    /// The action as the subject of a sentence.
    #[must_use]
    pub const fn gerund(self) -> &'static str {
        match self {
            Action::Import => "importing an image",
            Action::Export => "exporting an image",
            Action::Pull => "downloading an image",
            Action::PullLocal => "downloading from a file of this machine, or to another folder,",
            Action::Push => "sending an image to a server",
            Action::Cancel => "cancelling a transfer",
            Action::ControlLog => "changing what is logged",
        }
    }
}

/// Most questions about one user that polkit is asked at once: nobody may use up those of others.
const QUESTIONS_OF_USER_MAX: usize = 64;

/// The rules of one daemon.
#[derive(Clone, Debug)]
pub struct Authority {
    scope: Scope,
    own_uid: u32,
    open: Open,
}

/// The questions that polkit has not answered yet, by user.
type Open = Arc<Mutex<HashMap<u32, usize>>>;

/// What is to be decided.
#[derive(Debug)]
pub struct Request<'a> {
    /// The message that asks for it.
    pub call: &'a Message,
    /// What the caller wants to do.
    pub action: Action,
    /// The same more exactly.
    pub details: Details,
}

/// What is to be decided about the process at the other end of a socket.
#[derive(Debug)]
pub struct PeerRequest<'a> {
    /// The process.
    pub peer: &'a Peer,
    /// What it wants to do.
    pub action: Action,
    /// The same more exactly.
    pub details: &'a Details,
    /// Whether it allows a person to be asked.
    pub is_interactive: bool,
}

impl Authority {
    /// The rules of a daemon of `scope` that runs as this process does.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            own_uid: rustix::process::geteuid().as_raw(),
            open: Open::default(),
        }
    }

    /// Decides whether the caller behind a message may do something; returns the caller's user.
    ///
    /// # Errors
    /// [`Refusal::Denied`], also when the bus cannot say who the caller is (it has left); what polkit
    /// says; [`Refusal::TooManyQuestions`].
    pub async fn ask(
        &self,
        connection: &Connection,
        request: &Request<'_>,
    ) -> Result<u32, Refusal> {
        let header = request.call.header();
        let uid = match header.sender() {
            Some(caller) => uid_of(connection, caller).await,
            None => None,
        };
        if let Some(uid) = uid.filter(|_| self.is_granted(uid)) {
            return Ok(uid);
        }
        let may_ask = self.scope == Scope::System && request.action.polkit_id().is_some();
        let Some(uid) = uid.filter(|_| may_ask) else {
            return Err(Refusal::Denied(request.action));
        };
        let _place = Place::take(&self.open, uid)?;
        let flags = request.call.primary_header().flags();
        let failed = |error: String| Refusal::NoPolkit(request.action, error);
        let subject = Subject::new_for_message_header(&header);
        let question = Question {
            subject: subject.map_err(|error| failed(error.to_string()))?,
            action: request.action,
            details: &request.details,
            is_interactive: flags.contains(Flags::ALLOW_INTERACTIVE_AUTH),
        };
        let Some(caller) = header.sender() else {
            return Err(Refusal::Denied(request.action));
        };
        let gone = polkit::gone(connection, caller).await;
        let gone = gone.map_err(|error| failed(error.to_string()))?;
        question.ask(connection, gone).await.map(|()| uid)
    }

    /// Decides whether the process at the other end of a socket may do something; polkit is asked
    /// on `bus`, and the question is withdrawn when `gone` ends.
    ///
    /// # Errors
    /// [`Refusal::Denied`]; what polkit says, [`Refusal::NoPolkit`] while there is no bus;
    /// [`Refusal::TooManyQuestions`].
    pub async fn ask_peer(
        &self,
        bus: Option<&Connection>,
        request: &PeerRequest<'_>,
        gone: impl Future<Output = ()>,
    ) -> Result<(), Refusal> {
        let uid = request.peer.uid;
        if self.grants(uid) {
            return Ok(());
        }
        if self.scope == Scope::User || request.action.polkit_id().is_none() {
            return Err(Refusal::Denied(request.action));
        }
        let failed = |error: String| Refusal::NoPolkit(request.action, error);
        let bus = bus.ok_or_else(|| failed("the system bus is not there yet".into()))?;
        let _place = Place::take(&self.open, uid)?;
        let subject = request.peer.subject();
        let question = Question {
            subject: subject.map_err(|error| failed(error.to_string()))?,
            action: request.action,
            details: request.details,
            is_interactive: request.is_interactive,
        };
        question.ask(bus, gone).await
    }

    /// Whether that user may do everything, without being asked about.
    #[must_use]
    pub fn grants(&self, uid: u32) -> bool {
        self.is_granted(Some(uid))
    }

    /// Whether a user may do everything.
    fn is_granted(&self, uid: Option<u32>) -> bool {
        match self.scope {
            Scope::System => uid == Some(0),
            Scope::User => uid == Some(0) || uid == Some(self.own_uid),
        }
    }
}

/// A question's place among those of its user, given back when it is answered.
struct Place {
    open: Open,
    uid: u32,
}

impl Place {
    fn take(open: &Open, uid: u32) -> Result<Self, Refusal> {
        let mut counts = open.lock().map_err(|_poisoned| Refusal::TooManyQuestions)?;
        let count = counts.entry(uid).or_default();
        if *count >= QUESTIONS_OF_USER_MAX {
            return Err(Refusal::TooManyQuestions);
        }
        *count += 1;
        drop(counts);
        let open = Arc::clone(open);
        Ok(Self { open, uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(mut counts) = self.open.lock() {
            let left = counts
                .get(&self.uid)
                .map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                counts.remove(&self.uid);
            } else {
                counts.insert(self.uid, left);
            }
        }
    }
}

/// How long the bus may take to say who a caller is, as libdbus waits by default.
const BUS_TIMEOUT: Duration = Duration::from_secs(25);

async fn uid_of(connection: &Connection, caller: &UniqueName<'_>) -> Option<u32> {
    let bus = Some("org.freedesktop.DBus");
    let method = "GetConnectionUnixUser";
    let name = caller.as_str();
    let answer = connection.call_method(bus, "/org/freedesktop/DBus", bus, method, &name);
    let answer = match tokio::time::timeout(BUS_TIMEOUT, answer).await {
        Ok(answer) => answer.and_then(|reply| reply.body().deserialize::<u32>()),
        Err(_elapsed) => return None,
    };
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

    fn authority(scope: Scope) -> Authority {
        Authority {
            scope,
            own_uid: 1000,
            open: Open::default(),
        }
    }

    #[test]
    fn only_root_needs_no_leave_in_the_system_scope() {
        let authority = authority(Scope::System);
        for (uid, granted) in [(Some(0), true), (Some(1000), false), (None, false)] {
            assert_eq!(authority.is_granted(uid), granted, "{uid:?}");
        }
    }

    #[test]
    fn a_users_daemon_serves_that_user_and_root() {
        let authority = authority(Scope::User);
        for (uid, granted) in [
            (Some(1000), true),
            (Some(0), true),
            (Some(1001), false),
            (None, false),
        ] {
            assert_eq!(authority.is_granted(uid), granted, "{uid:?}");
        }
    }

    #[test]
    fn a_user_can_have_so_many_questions_open_and_others_too() {
        let open = Open::default();
        let places: Vec<Place> = (0..QUESTIONS_OF_USER_MAX)
            .map(|_| Place::take(&open, 7).unwrap())
            .collect();
        let refused = Place::take(&open, 7).map(drop).unwrap_err();
        assert!(matches!(refused, Refusal::TooManyQuestions));
        drop(Place::take(&open, 8).unwrap());
        drop(places);
        assert!(open.lock().unwrap().is_empty());
        drop(Place::take(&open, 7).unwrap());
    }
}
