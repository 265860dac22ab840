//! The program systemd-importd, systemd-importd.service(8).

#![forbid(unsafe_code)]

use clap::Parser;
use importd_api::class::Scope;
use importd_daemon::bus::object::describe;
use importd_daemon::command_line::{self, Arguments};
use importd_daemon::lifetime::{self, Error};
use importd_daemon::log;
use importd_daemon::open_files;
use importd_daemon::service_manager;
use importd_daemon::settings::Settings;
use importd_host::activation::{self, Passed};
use rustix::fs::Mode;
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Threads for work that blocks: lists of images and the sweep at the start. Few, since they wait
/// for the same disk, and callers without privileges can ask for lists.
const BLOCKING_THREADS: usize = 2;

/// How long the exit waits for such work. A sweep after a killed worker mostly gets done in that
/// time, and the next start does what is left; a list that hangs, as on a network file system whose
/// server is gone, must not hold the exit.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // Before anything is opened.
    let passed = activation::take(|name| env::var(name).ok());
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    if arguments.version {
        return print(&format!("{}\n", importd_api::VERSION));
    }
    if arguments.introspect_cli {
        return describe_options();
    }
    if let Some(path) = arguments.bus_introspect {
        return introspect(&path);
    }
    let scope = if arguments.user {
        Scope::User
    } else {
        Scope::System
    };
    let mut settings = Settings::from_environment(scope, env::var_os);
    log::install(&settings.log);
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    settings.worker_open_files = open_files::raise().unwrap_or_else(|error| {
        tracing::warn!("The limit of open files could not be raised: {error}");
        None
    });
    let result = serve(settings, passed);
    service_manager::say_farewell(&result);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: Settings, passed: Vec<Passed>) -> Result<(), Error> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let runtime = runtime.map_err(|source| Error::SetUp {
        what: "the event loop",
        source,
    })?;
    complete(runtime, lifetime::run(settings, passed))
}

/// Runs to the end, and leaves work that blocks for longer than [`BLOCKING_PATIENCE`] alone.
fn complete<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(BLOCKING_PATIENCE);
    outcome
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

fn describe_options() -> ExitCode {
    match command_line::describe() {
        Ok(text) => print(&text),
        Err(_impossible) => ExitCode::FAILURE,
    }
}

fn introspect(path: &str) -> ExitCode {
    if let Some(text) = describe(path) {
        return print(&text);
    }
    writeln!(io::stderr(), "Object path {path} not found").unwrap_or(());
    ExitCode::FAILURE
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed) => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn work_that_hangs_does_not_hold_the_exit() {
        let (end, ended) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().build().unwrap();
            complete(runtime, async {
                tokio::task::spawn_blocking(move || ended.recv());
            });
            done.send(()).unwrap();
        });
        let patience = BLOCKING_PATIENCE + Duration::from_secs(20);
        assert_eq!(is_done.recv_timeout(patience), Ok(()));
        drop(end);
    }
}
