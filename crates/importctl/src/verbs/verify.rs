//! `verify`: what a download would be proven by. The worker finds it out and prints it; no service
//! is needed, and none is asked.

use super::Context;
use crate::args::Json;
use crate::names;
use crate::report::Failure;
use importd_api::worker::Program;
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Becomes the worker: its output and its exit status are ours.
///
/// # Errors
/// A failure if the address cannot be used, or there is no worker.
pub(crate) fn run(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    match replace(context, arguments)? {}
}

fn replace(context: &Context, arguments: &[OsString]) -> anyhow::Result<Infallible> {
    let [address, file @ ..] = arguments else {
        return Err(Failure::usage("Too few arguments."));
    };
    let url = names::url(address)?;
    let settings = &context.settings;
    let name = Program::Pull.file_name();
    let program = context.environment.worker_directory(name).join(name);
    let mut command = Command::new(&program);
    command.args(["verify", "--verify", &settings.verify.to_string()]);
    match context.json() {
        Some(Json::Pretty) => {
            command.arg("--json=pretty");
        }
        Some(_) => {
            command.arg("--json=short");
        }
        None => {}
    }
    if settings.quiet {
        command.env("SYSTEMD_LOG_LEVEL", "warning");
    }
    let error = command.arg("--").arg(url.as_str()).args(file).exec();
    let what = format!("Failed to start {}", program.display());
    Err(Failure::io(&what, &error))
}
