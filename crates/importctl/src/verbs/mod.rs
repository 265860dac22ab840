//! The verbs, one file per direction.

pub(crate) mod cancel;
pub(crate) mod clean;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod oci;
pub(crate) mod pull;
pub(crate) mod verify;

use crate::agent::Agent;
use crate::args::{Json, Progress, Settings};
use crate::client::{Address, Call, Client};
use crate::environment::Environment;
use crate::follow::Follower;
use crate::hints;
use crate::pager;
use crate::report::Failure;
use crate::screen::Screen;
use crate::target::Target;
use crate::transport::Transport;
use importd_api::class::Class;
use importd_api::flags::Flags;
use importd_api::job::{Job, Work};
use std::cell::Cell;
use std::io::IsTerminal;
use std::process::ExitCode;

/// What every verb is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The options.
    pub(crate) settings: Settings,
    /// The environment.
    pub(crate) environment: Environment,
    /// The number of the transfer, once the service has given it one.
    pub(crate) id: Cell<Option<u32>>,
}

impl Context {
    /// A connection to the service's bus.
    ///
    /// # Errors
    /// A failure with that hint if there is none.
    pub(crate) async fn connect(&self, hint: &'static str) -> anyhow::Result<Client> {
        let address = Address {
            scope: self.settings.scope,
            transport: &self.settings.transport,
            ssh: &self.environment.ssh,
            answer_max: self.environment.answer_max,
            hint,
        };
        Client::connect(&address, self.settings.ask_password).await
    }

    /// Refuses what this machine only can do, where another was named: the service has no way to
    /// be asked for it.
    ///
    /// # Errors
    /// A usage failure that says how to do it there.
    pub(crate) fn only_here(&self, what: &str) -> anyhow::Result<()> {
        match self.settings.transport.there() {
            None => Ok(()),
            Some(there) => Err(Failure::usage(format!(
                "{what} works on this machine only, run {there} instead"
            ))),
        }
    }

    /// Refuses a verb that passes an open file to the service, where that cannot be passed. What is
    /// streamed by ssh instead would end as if it were whole when the connection breaks.
    ///
    /// # Errors
    /// A usage failure that says how to do it there.
    pub(crate) fn needs_files(&self, how: &str) -> anyhow::Result<()> {
        match self.settings.transport.there() {
            Some(there) if !self.settings.transport.passes_files() => {
                let how = how.replace("IMPORTCTL", &there);
                Err(Failure::usage(format!(
                    "An open file cannot be passed to another host, {how}"
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Shows a text on standard output, through a pager if it is `long` and that is wanted.
    ///
    /// # Errors
    /// A failure if it cannot be written.
    pub(crate) fn show(&self, text: &str, long: bool) -> anyhow::Result<ExitCode> {
        let wanted = long && self.settings.pager;
        let environment = &self.environment;
        pager::show(text, wanted, environment.dumb, &environment.pager)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The agent that asks for passwords, while it is needed.
    pub(crate) fn agent(&self) -> Option<Agent> {
        if self.settings.ask_password && self.settings.transport == Transport::Local {
            Agent::start()
        } else {
            None
        }
    }

    /// Standard error for a transfer.
    pub(crate) fn screen(&self) -> Screen {
        let settings = &self.settings;
        Screen::new(self.environment.look(settings.quiet, settings.progress))
    }

    /// Standard error for a worker that tells its result on standard output: without what it is at.
    pub(crate) fn quiet_screen(&self) -> Screen {
        Screen::new(self.environment.look(true, Progress::None))
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
        let mut client = self.connect(hints::STANDALONE).await?;
        let follower = Follower::start(&mut client, call, self.screen()).await?;
        self.id.set(Some(follower.id()));
        follower.finish(target).await
    }
}

/// What a worker is to do, with the options that all verbs have.
pub(crate) fn job(context: &Context, class: Class, flags: Flags, work: Work) -> Job {
    let settings = &context.settings;
    Job {
        scope: settings.scope,
        class,
        force: flags.force,
        read_only: flags.read_only,
        image_root: settings.image_root.clone(),
        work,
    }
}
