//! The way to the bus, also before there is one.
//!
//! At boot images may be wanted before the system bus is up; they are asked for over Varlink then.
//! So the daemon serves while it waits for the bus. A user's daemon has no such life: without the
//! session bus it fails at once.

use crate::bus::service::{Input, Service, ServiceError};
use crate::images::Places;
use crate::manager::Manager;
use crate::notice::Notice;
use importd_api::class::Scope;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;
use zbus::Connection;

/// How often we look whether there is a bus by now.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Where the bus is, and what is served there.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which bus.
    pub scope: Scope,
    /// Its address; `None`: where it usually is.
    pub address: Option<String>,
    /// Where images lie.
    pub places: Places,
}

type Attempt = Pin<Box<dyn Future<Output = Result<Service, ServiceError>> + Send>>;

/// Something that happened on the way.
#[derive(Debug)]
pub enum News {
    /// There is no bus yet.
    Absent,
    /// We are on the bus, and own the name.
    Joined,
    /// We will not get there.
    Failed(ServiceError),
    /// Something is to be done for a caller.
    Input(Input),
}

/// The way to the bus.
pub struct Link {
    target: Target,
    state: State,
    /// What the transfers did until we were there.
    told: Vec<Notice>,
}

enum State {
    Joining(Attempt),
    Joined(Box<Service>),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service();
        f.debug_struct("Link")
            .field("service", &service)
            .finish_non_exhaustive()
    }
}

/// Connects and takes the name.
async fn join(target: Target, delay: Duration) -> Result<Service, ServiceError> {
    tokio::time::sleep(delay).await;
    let address = target.address.as_deref();
    let service = Service::connect(target.scope, address, target.places).await?;
    service.claim_name().await?;
    Ok(service)
}

impl Link {
    /// Sets out.
    #[must_use]
    pub fn new(target: Target) -> Self {
        let attempt = Box::pin(join(target.clone(), Duration::ZERO));
        Self {
            target,
            state: State::Joining(attempt),
            told: Vec::new(),
        }
    }

    fn service(&self) -> Option<&Service> {
        match &self.state {
            State::Joining(_) => None,
            State::Joined(service) => Some(service),
        }
    }

    /// The connection to the bus, once there is one.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        self.service().map(Service::connection)
    }

    /// Waits for something to happen.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> News {
        let attempt = match &mut self.state {
            State::Joined(service) => return News::Input(service.next().await),
            State::Joining(attempt) => attempt.await,
        };
        match attempt {
            Ok(service) => {
                self.state = State::Joined(Box::new(service));
                News::Joined
            }
            Err(error) => {
                let is_early = self.target.scope == Scope::System && is_absent(&error);
                let again = join(self.target.clone(), RETRY_INTERVAL);
                self.state = State::Joining(Box::pin(again));
                match is_early {
                    true => News::Absent,
                    false => News::Failed(error),
                }
            }
        }
    }

    /// Does what is to be done for a caller.
    pub async fn serve(&mut self, input: Input, table: &mut Manager) {
        if let State::Joined(service) = &mut self.state {
            service.serve(input, table).await;
        }
    }

    /// Tells everyone on the bus what has happened to the transfers.
    pub async fn announce(&mut self, table: &mut Manager) {
        match &mut self.state {
            State::Joined(service) => service.announce(table).await,
            State::Joining(_) => self.told.extend(table.take_notices()),
        }
    }

    /// What has happened to the transfers since this was asked last, for others to tell.
    pub fn take_told(&mut self) -> Vec<Notice> {
        let mut told = std::mem::take(&mut self.told);
        if let State::Joined(service) = &mut self.state {
            told.extend(service.take_told());
        }
        told
    }

    /// Whether no caller waits for an answer.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.service().is_none_or(Service::is_at_rest)
    }

    /// When changed properties are to be told, if there are any.
    #[must_use]
    pub fn changes_due(&self) -> Option<Instant> {
        self.service().and_then(Service::changes_due)
    }

    /// Tells everyone which properties of our own have changed.
    pub async fn tell_changes(&mut self, table: &Manager) {
        if let State::Joined(service) = &mut self.state {
            service.tell_changes(table).await;
        }
    }

    /// The service, where we are on the bus.
    pub fn service_mut(&mut self) -> Option<&mut Service> {
        match &mut self.state {
            State::Joining(_) => None,
            State::Joined(service) => Some(service),
        }
    }
}

/// Whether there is no bus yet, or nobody who serves its socket.
fn is_absent(error: &ServiceError) -> bool {
    let ServiceError::Connect { source, .. } = error else {
        return false;
    };
    let error = match source {
        zbus::Error::InputOutput(error) => error.kind(),
        zbus::Error::Connection(error, _) => error.kind(),
        _ => return false,
    };
    matches!(
        error,
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}
