//! The verbs, one file per direction.

pub(crate) mod cancel;
pub(crate) mod clean;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod pull;
pub(crate) mod verify;

use crate::agent::Agent;
use crate::args::{Json, Settings};
use crate::client::{Call, Client};
use crate::environment::Environment;
use crate::follow::Follower;
use crate::screen::Screen;
use crate::target::Target;
use std::io::IsTerminal;
use std::process::ExitCode;

/// What every verb is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The options.
    pub(crate) settings: Settings,
    /// The environment.
    pub(crate) environment: Environment,
}

impl Context {
    /// A connection to the service's bus.
    ///
    /// # Errors
    /// A failure if there is none.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        Client::connect(self.settings.scope, self.settings.ask_password).await
    }

    /// The agent that asks for passwords, while it is needed.
    pub(crate) fn agent(&self) -> Option<Agent> {
        if self.settings.ask_password {
            Agent::start()
        } else {
            None
        }
    }

    /// Standard error for a transfer.
    pub(crate) fn screen(&self) -> Screen {
        Screen::new(self.environment.look(self.settings.quiet))
    }

    /// Standard error for a worker that tells its result on standard output: without what it is at.
    pub(crate) fn quiet_screen(&self) -> Screen {
        Screen::new(self.environment.look(true))
    }

    /// How a worker is told to print JSON.
    pub(crate) fn json_word(&self) -> &'static str {
        match self.json() {
            Some(Json::Pretty) => "pretty",
            Some(Json::Short | Json::Auto) => "short",
            Some(Json::Off) | None => "off",
        }
    }

    /// How JSON is to be printed; `None` if tables are.
    pub(crate) fn json(&self) -> Option<Json> {
        match self.settings.json {
            Json::Off => None,
            Json::Auto if std::io::stdout().is_terminal() => Some(Json::Pretty),
            Json::Auto => Some(Json::Short),
            form => Some(form),
        }
    }

    /// Starts a transfer of the service and follows it to its end; an export's target gets its
    /// name then.
    ///
    /// # Errors
    /// A failure if it cannot be started or fails.
    pub(crate) async fn transfer(
        &self,
        call: &Call<'_>,
        target: Option<Target>,
    ) -> anyhow::Result<ExitCode> {
        let _agent = self.agent();
        let mut client = self.connect().await?;
        let follower = Follower::start(&mut client, call, self.screen()).await?;
        follower.finish(target).await
    }
}
