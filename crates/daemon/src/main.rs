//! The program systemd-importd, systemd-importd.service(8).

#![forbid(unsafe_code)]

use clap::Parser;
use importd_api::class::Scope;
use importd_daemon::bus::object::describe;
use importd_daemon::lifetime::{self, Error};
use importd_daemon::log::{self, Reader};
use importd_daemon::settings::Settings;
use rustix::fs::Mode;
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

/// Threads for work that blocks: lists of images and the sweep at the start. Few, since they wait
/// for the same disk, and callers without privileges can ask for lists.
const BLOCKING_THREADS: usize = 2;

/// Import, export and download VM and container images.
#[derive(Debug, Parser)]
#[command(name = "systemd-importd", version)]
struct Arguments {
    /// Serve the images of the system, on the system bus (default)
    #[arg(long, overrides_with = "user")]
    system: bool,
    /// Serve the images of the calling user, on the session bus
    #[arg(long)]
    user: bool,
    /// Print the D-Bus introspection of an object and exit; "list" names the objects
    #[arg(long, value_name = "PATH")]
    bus_introspect: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    if let Some(path) = arguments.bus_introspect {
        return introspect(&path);
    }
    let scope = if arguments.user {
        Scope::User
    } else {
        Scope::System
    };
    let settings = Settings::from_environment(scope, env::var_os);
    let text = |name| env::var(name).ok();
    let (stream, target) = (text("JOURNAL_STREAM"), text("SYSTEMD_LOG_TARGET"));
    let reader = Reader::from_environment(stream.as_deref(), target.as_deref());
    log::install(settings.log_level, reader);
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: Settings) -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|source| Error::SetUp {
            what: "the event loop",
            source,
        })?
        .block_on(lifetime::run(settings))
}

/// Prints help, version or what is wrong with the command line; only the latter fails, with 1.
fn explain(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn introspect(path: &str) -> ExitCode {
    let written = match describe(path) {
        Some(text) => io::stdout().write_all(text.as_bytes()).map(|()| true),
        None => writeln!(io::stderr(), "Object path {path} not found").map(|()| false),
    };
    match written {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}
