//! importctl: the command line client of the import service, importctl(1).
//!
//! | module | holds |
//! |---|---|
//! | `args`, `verb`, `usage` | the command line, and what describes it |
//! | `environment` | the variables |
//! | `names` | names of images, derived and checked |
//! | `verbs` | one file per direction: strings to a job or a call |
//! | `client`, `follow`, `agent` | with the service: the bus, one transfer on it, passwords |
//! | `standalone`, `lines`, `scan` | without it: the worker as a child, images found by looking |
//! | `target` | where an export goes |
//! | `screen`, `table`, `units`, `report` | what people and machines see |
//! | `system`, `signals` | system calls, signals |
//!
//! It never parses a byte of an image, and never changes flags of descriptors it was given.

#![forbid(unsafe_code)]

mod agent;
mod args;
mod client;
#[cfg(test)]
mod completions;
mod environment;
mod follow;
mod lines;
mod names;
mod network;
mod report;
mod scan;
mod screen;
mod signals;
mod standalone;
mod system;
mod table;
mod target;
mod units;
mod usage;
mod verb;
mod verbs;

use args::{Asked, Json, Settings};
use environment::Environment;
use importd_api::job::{ImportSource, Kind};
use importd_api::name::Form;
use std::io::{self, Write};
use std::process::ExitCode;
use verb::Verb;
use verbs::{Context, cancel, clean, export, import, list, pull, verify};

fn main() -> ExitCode {
    let environment = Environment::read();
    let (outcome, json) = match args::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Run(settings)) => {
            let json = settings.json != Json::Off;
            (run(*settings, environment), json)
        }
        Ok(Asked::Help) => (print(&usage::help()), false),
        Ok(Asked::Version) => (print(&usage::version()), false),
        Ok(Asked::Introspection) => (print_introspection(), false),
        Ok(Asked::Values(values)) => (print(&(values.join("\n") + "\n")), false),
        Err(error) => (Err(error), false),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "the exit status still tells if standard error is closed"
            )]
            let _ = report::tell(&error, json, &mut io::stderr().lock());
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings, environment: Environment) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| report::Failure::io("Failed to start", &error))?;
    let context = Context {
        settings,
        environment,
    };
    runtime.block_on(dispatch(&context))
}

async fn dispatch(context: &Context) -> anyhow::Result<ExitCode> {
    let (verb, arguments) = context.settings.verb()?;
    match verb {
        Verb::Help => print(&usage::help()),
        Verb::Verify => verify::run(context, arguments),
        Verb::ListTransfers => list::transfers(context).await,
        Verb::ListImages => list::images(context).await,
        Verb::Clean => clean::run(context, arguments).await,
        Verb::CancelTransfer => cancel::run(context, arguments).await,
        Verb::Transfer(kind) => match kind {
            Kind::PullTar => pull::run(context, Form::Tar, arguments).await,
            Kind::PullRaw => pull::run(context, Form::Raw, arguments).await,
            Kind::PullOci => pull::run_oci(context, arguments).await,
            Kind::ImportTar => {
                import::run(context, ImportSource::Stream(Form::Tar), arguments).await
            }
            Kind::ImportRaw => {
                import::run(context, ImportSource::Stream(Form::Raw), arguments).await
            }
            Kind::ImportFs => import::run(context, ImportSource::Folder, arguments).await,
            Kind::ExportTar => export::run(context, Form::Tar, arguments).await,
            Kind::ExportRaw => export::run(context, Form::Raw, arguments).await,
        },
    }
}

fn print_introspection() -> anyhow::Result<ExitCode> {
    print(&(usage::introspection()? + "\n"))
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| report::Failure::io("Failed to write to standard output", &error))?;
    Ok(ExitCode::SUCCESS)
}
