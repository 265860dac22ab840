//! `pull-tar`, `pull-raw`.

use super::{Context, job};
use crate::client::{Arguments, Call};
use crate::names;
use crate::report::Failure;
use crate::standalone::{self, Ends, Task};
use crate::system;
use importd_api::bus;
use importd_api::class::Class;
use importd_api::flags::Flags;
use importd_api::job::{Job, Kind, Work};
use importd_api::name::Form;
use importd_api::worker;
use std::ffi::OsString;
use std::process::ExitCode;

/// Pulls an archive or a disk image.
///
/// # Errors
/// A failure if the address or the name cannot be used, or the transfer fails.
pub(crate) async fn run(
    context: &Context,
    form: Form,
    arguments: &[OsString],
) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let [address, rest @ ..] = arguments else {
        return Err(Failure::usage("Too few arguments."));
    };
    let url = names::url(address)?;
    let local = names::pulled(&url, rest.first().map(OsString::as_os_str), form)?;
    let flags = settings.flags;
    if settings.standalone || settings.dry_run {
        let work = Work::Pull {
            form,
            url,
            local,
            verify: settings.verify.clone(),
            keep_download: flags.keep_download,
        };
        let job = job(context, class, flags, work);
        if settings.dry_run {
            return plan(context, &job).await;
        }
        return alone(context, &job).await;
    }
    refuse_for_service(&settings.network)?;
    let verify = settings.verify.to_string();
    let names = (url.as_str(), local.as_str(), verify.as_str());
    let call = call(form, names, class, flags);
    context.transfer(&call, None).await
}

/// Pulls without the service.
///
/// # Errors
/// As [`standalone::run_task`].
pub(super) async fn alone(context: &Context, job: &Job) -> anyhow::Result<ExitCode> {
    let task = Task {
        program: worker::program(job),
        arguments: [context.settings.network.clone(), worker::arguments(job)].concat(),
        ends: Ends::None,
        has_progress: true,
    };
    standalone::run_task(task, context.screen(), &context.environment).await
}

/// Tells what a pull would do: the service cannot be asked, so the worker is.
///
/// # Errors
/// As [`standalone::run_task`].
pub(super) async fn plan(context: &Context, job: &Job) -> anyhow::Result<ExitCode> {
    let mut arguments = context.settings.network.clone();
    arguments.push("--dry-run".into());
    arguments.push(format!("--json={}", context.json_word()).into());
    arguments.extend(worker::arguments(job));
    let output = system::own_output();
    let output = output.map_err(|error| Failure::io("Failed to take standard output", &error))?;
    let task = Task {
        program: worker::program(job),
        arguments,
        ends: Ends::Output(output),
        has_progress: false,
    };
    standalone::run_task(task, context.quiet_screen(), &context.environment).await
}

/// The service has no way to be told how a download is to go about the network.
///
/// # Errors
/// A usage failure that names the first option.
pub(super) fn refuse_for_service(options: &[OsString]) -> anyhow::Result<()> {
    let Some(option) = options.first() else {
        return Ok(());
    };
    let option = option.to_string_lossy();
    let name = option.split_once('=').map_or(&*option, |(name, _)| name);
    Err(Failure::usage(format!(
        "{name}= needs --standalone; for the service it is set in /etc/systemd/importd.conf"
    )))
}

/// The old method for what it can say, else the new one.
fn call<'a>(
    form: Form,
    (url, name, verify): (&'a str, &'a str, &'a str),
    class: Class,
    flags: Flags,
) -> Call<'a> {
    let kind = match form {
        Form::Tar => Kind::PullTar,
        Form::Raw => Kind::PullRaw,
    };
    match bus::methods(kind) {
        (Some(method), _)
            if class == Class::Machine && !flags.read_only && !flags.keep_download =>
        {
            Call {
                method,
                arguments: Arguments::Pull(url, name, verify, flags.force),
            }
        }
        (_, method) => Call {
            method,
            arguments: Arguments::PullEx(url, name, class, verify, flags.word(kind.known_flags())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(class: Class, word: u64) -> &'static str {
        let flags = Flags::parse(word, Flags::PULL).unwrap();
        call(Form::Raw, ("u", "n", "no"), class, flags).method
    }

    #[test]
    fn the_old_method_is_used_for_machines_without_new_flags() {
        for (class, word, name) in [
            (Class::Machine, 0, "PullRaw"),
            (Class::Machine, 1, "PullRaw"),
            (Class::Machine, 2, "PullRawEx"),
            (Class::Machine, 4, "PullRawEx"),
            (Class::Sysext, 0, "PullRawEx"),
        ] {
            assert_eq!(method(class, word), name, "{class} {word}");
        }
    }
}
