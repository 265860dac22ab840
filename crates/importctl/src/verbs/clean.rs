//! `clean`: kept downloads go. There is no method for it: the worker is run here.

use super::Context;
use crate::args::Settings;
use crate::report::Failure;
use crate::standalone;
use importd_api::class::Class;
use importd_api::worker::Program;
use std::ffi::OsString;
use std::process::ExitCode;

/// Removes kept downloads and what killed transfers left, or tells what would go.
///
/// # Errors
/// A failure if the class is missing, or the worker fails.
pub(crate) async fn run(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = match &settings.image_root {
        Some(_) => settings.class.unwrap_or(Class::Machine),
        None => settings.required_class(&context.environment.state_home)?,
    };
    let line = line(settings, class, context.json_word(), arguments);
    let task = standalone::Task {
        program: Program::Pull,
        arguments: line,
        ends: standalone::Ends::Output(
            crate::system::own_output()
                .map_err(|error| Failure::io("Failed to take standard output", &error))?,
        ),
        has_progress: false,
    };
    standalone::run_task(task, context.quiet_screen(), &context.environment).await
}

/// The worker's command line.
fn line(settings: &Settings, class: Class, json: &str, arguments: &[OsString]) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec!["clean".into(), settings.scope.as_option().into()];
    if class != Class::Machine {
        line.extend(["--class".into(), class.as_str().into()]);
    }
    if let Some(root) = &settings.image_root {
        line.extend(["--image-root".into(), root.clone().into_os_string()]);
    }
    if settings.dry_run {
        line.push("--dry-run".into());
    }
    if settings.superseded {
        line.push("--superseded".into());
    }
    if let Some(age) = &settings.older_than {
        line.push(format!("--older-than={age}").into());
    }
    line.push(format!("--json={json}").into());
    line.push("--".into());
    line.extend(arguments.iter().cloned());
    line
}
