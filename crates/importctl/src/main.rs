//! importctl: the command line client of the import service, importctl(1).
//!
//! | module | holds |
//! |---|---|
//! | `args`, `verb`, `usage`, `spelling` | the command line, and what describes it |
//! | `environment` | the variables |
//! | `names` | names of images, derived and checked |
//! | `verbs` | one file per direction: strings to a job or a call |
//! | `transport`, `bridge` | where the service is, and the way there |
//! | `client`, `follow`, `agent` | with the service: the bus, one transfer on it, passwords |
//! | `standalone`, `lines`, `scan` | without it: the worker as a child, images found by looking |
//! | `target` | where an export goes |
//! | `standing`, `bar`, `screen` | how a transfer stands, and how that is shown |
//! | `table`, `pager`, `units`, `report`, `hints` | what people and machines see |
//! | `system`, `signals` | system calls, signals |
//!
//! It never parses a byte of an image, and never changes flags of descriptors it was given.

#![forbid(unsafe_code)]

mod agent;
mod args;
mod bar;
mod bridge;
mod client;
#[cfg(test)]
mod completions;
mod environment;
mod follow;
mod hints;
mod lines;
mod names;
mod network;
mod pager;
mod report;
mod scan;
mod screen;
mod signals;
mod spelling;
mod standalone;
mod standing;
mod system;
mod table;
mod target;
mod transport;
mod units;
mod usage;
mod verb;
mod verbs;

use args::{Asked, Json, Progress, Settings};
use environment::Environment;
use importd_api::job::{ImportSource, Kind};
use importd_api::name::Form as Image;
use report::Form;
use std::cell::Cell;
use std::io::{self, Write};
use std::process::ExitCode;
use verb::Verb;
use verbs::{Context, cancel, clean, export, import, list, oci, pull, verify};

fn main() -> ExitCode {
    let environment = Environment::read();
    let (outcome, form) = match args::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Run(settings)) => run(*settings, environment),
        Ok(Asked::Help { pager }) => {
            let shown = in_runtime(async { help(pager, &environment) });
            (shown, Form::Line)
        }
        Ok(Asked::Version) => (print(&usage::version()), Form::Line),
        Ok(Asked::Introspection) => (print_introspection(), Form::Line),
        Ok(Asked::Values(values)) => (print(&(values.join("\n") + "\n")), Form::Line),
        Err(error) => (Err(error), Form::Line),
    };
    let mut errors = io::stderr().lock();
    let (code, told) = match outcome {
        Ok(code) => (code, report::tell_success(form, &mut errors)),
        Err(error) => (ExitCode::FAILURE, report::tell(&error, form, &mut errors)),
    };
    #[expect(
        clippy::let_underscore_must_use,
        reason = "the exit status still tells if standard error is closed"
    )]
    let _ = told;
    code
}

/// Does what is asked; also, how its end is to be told.
fn run(settings: Settings, environment: Environment) -> (anyhow::Result<ExitCode>, Form) {
    let context = Context {
        settings,
        environment,
        id: Cell::new(None),
    };
    let outcome = in_runtime(dispatch(&context));
    let is_transfer = matches!(context.settings.verb(), Ok((Verb::Transfer(_), _)));
    let form = if context.settings.progress == Progress::Json && is_transfer {
        Form::Result {
            id: context.id.get(),
        }
    } else if context.settings.json == Json::Off {
        Form::Line
    } else {
        Form::Object
    };
    (outcome, form)
}

fn in_runtime(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| report::Failure::io("Failed to start", &error))?;
    runtime.block_on(work)
}

/// Within the runtime, as the pager keeps signals from us.
fn help(pager: bool, environment: &Environment) -> anyhow::Result<ExitCode> {
    pager::show(&usage::help(), pager, environment.dumb, &environment.pager)?;
    Ok(ExitCode::SUCCESS)
}

async fn dispatch(context: &Context) -> anyhow::Result<ExitCode> {
    let (verb, arguments) = context.settings.verb()?;
    match verb {
        Verb::Verify | Verb::Clean => context.only_here(verb_name(verb))?,
        _ if context.settings.standalone => context.only_here("--standalone")?,
        _ if context.settings.dry_run => context.only_here("--dry-run")?,
        _ => {}
    }
    match verb {
        Verb::Help => help(context.settings.pager, &context.environment),
        Verb::Verify => verify::run(context, arguments),
        Verb::ListTransfers => list::transfers(context).await,
        Verb::ListImages => list::images(context).await,
        Verb::Clean => clean::run(context, arguments).await,
        Verb::CancelTransfer => cancel::run(context, arguments).await,
        Verb::Transfer(kind) => match kind {
            Kind::PullTar => pull::run(context, Image::Tar, arguments).await,
            Kind::PullRaw => pull::run(context, Image::Raw, arguments).await,
            Kind::PullOci => oci::pull(context, arguments).await,
            Kind::ImportOci => oci::import(context, arguments).await,
            Kind::ExportOci => oci::export(context, arguments).await,
            Kind::PushOci => oci::push(context, arguments).await,
            Kind::ImportTar => {
                import::run(context, ImportSource::Stream(Image::Tar), arguments).await
            }
            Kind::ImportRaw => {
                import::run(context, ImportSource::Stream(Image::Raw), arguments).await
            }
            Kind::ImportFs => import::run(context, ImportSource::Folder, arguments).await,
            Kind::ExportTar => export::run(context, Image::Tar, arguments).await,
            Kind::ExportRaw => export::run(context, Image::Raw, arguments).await,
        },
    }
}

fn verb_name(verb: Verb) -> &'static str {
    let row = verb::ROWS.iter().find(|row| row.verb == verb);
    row.map_or("", |row| row.name)
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
