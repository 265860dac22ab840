//! The command lines of the workers: as typed → checked → run.
//!
//! Options and arguments may be mixed in any order, `--` ends options, unambiguous prefixes of long
//! options work, the last of several equal options wins: the habits of getopt_long(3) that scripts
//! rely on. Nothing here is global: the environment is read once, in [`run`].

mod clean;
mod disk;
mod environment;
mod evidence;
mod image;
mod introspect;
mod limits;
mod network;
mod oci;
mod push;
mod target;
mod values;
mod verify;
mod words;

pub mod export;
pub mod import;
pub mod import_fs;
pub mod pull;

pub use environment::Environment;

use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::owners::Owners;
use crate::report::Report;
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use importd_api::abbreviation::{LongOption, write_out};
use importd_api::failure::Kind;
use importd_host::allocator::Apart;
use importd_host::cancel::Cancel;
use importd_host::memory;
use importd_host::notify::Notifier;
use importd_host::scheduling;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// What a worker can be told to do.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// As typed.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
}

/// A worker program.
pub trait Worker: CommandFactory + FromArgMatches {
    /// The verbs.
    const VERBS: &'static [Verb];

    /// Positional arguments: the verb and what follows it.
    fn words(&self) -> &[OsString];

    /// How many words a verb takes, itself counted: fewest, and most if there is a limit.
    #[must_use]
    fn word_count(verb: &str) -> (usize, Option<usize>) {
        let _same_for_all = verb;
        (2, Some(3))
    }

    /// Does the work.
    ///
    /// # Errors
    /// Whatever goes wrong.
    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()>;
}

/// Workers hand large buffers to the kernel all the time.
#[global_allocator]
static MEMORY: Apart = Apart;

/// Runs a worker from its command line to its exit status: the whole of each `main`.
#[must_use]
pub fn run<W: Worker>() -> ExitCode {
    memory::keep();
    scheduling::work_in_batches();
    let environment = Environment::read();
    let report = Report::new(Notifier::from_env(), &environment.log);
    // Modes are set exactly; the caller's mask is applied by hand where it belongs.
    let umask = rustix::process::umask(rustix::fs::Mode::empty()).as_raw_mode();
    let result = match parse::<W>(std::env::args_os().collect()) {
        Ok(Parsed::Run(worker)) => start(worker, &environment, &report, umask),
        Ok(Parsed::Print(text)) => {
            return match std::io::stdout().write_all(text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_broken) => ExitCode::FAILURE,
            };
        }
        Err(error) => Err(error),
    };
    ExitCode::from(report.finish(&result))
}

fn start<W: Worker>(
    worker: W,
    environment: &Environment,
    report: &Report,
    umask: u32,
) -> Result<()> {
    let words = worker.words();
    let verb = match words.first().and_then(|verb| verb.to_str()) {
        Some(verb) => verb.to_owned(),
        None => return Err(verb_required::<W>()),
    };
    if !names::<W>().any(|name| name == verb) {
        let near = names::<W>().find(|known| is_near(known, &verb));
        let hint = near.map_or_else(String::new, |near| format!(", did you mean '{near}'?"));
        let text = format!("Unknown command verb '{}'{hint}", verb.escape_debug());
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    let (least, most) = W::word_count(&verb);
    if words.len() < least {
        return Err(usage("Too few arguments"));
    }
    if most.is_some_and(|most| words.len() > most) {
        return Err(usage("Too many arguments"));
    }
    let context = Context {
        report: report.clone(),
        cancel: Cancel::on_signals().doing(|| "Failed to set up signals".into())?,
        umask,
        owners: Owners::All,
    };
    let result = worker.work(&verb, environment, &context);
    if result.is_ok() {
        report.info("Exiting.");
    }
    result
}

enum Parsed<W> {
    Run(W),
    Print(String),
}

fn parse<W: Worker>(arguments: Vec<OsString>) -> Result<Parsed<W>> {
    let mut command = W::command()
        .infer_long_args(true)
        .args_override_self(true)
        .disable_version_flag(true)
        .arg(
            clap::Arg::new("version")
                .long("version")
                .help("Show version and exit")
                .action(clap::ArgAction::SetTrue),
        )
        .arg(
            clap::Arg::new("introspect-cli")
                .long("introspect-cli")
                .hide(true)
                .action(clap::ArgAction::SetTrue),
        );
    let help = command.render_help().to_string();
    let arguments = write_out(arguments, &long_options(&command));
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => return Ok(Parsed::Print(help)),
        Err(error) => return Err(usage(&usage_text(&command, &error))),
    };
    if matches.get_flag("version") {
        return Ok(Parsed::Print(format!("{}\n", importd_api::VERSION)));
    }
    if matches.get_flag("introspect-cli") {
        return Ok(Parsed::Print(introspect::describe(
            &command,
            W::VERBS,
            W::word_count,
        )));
    }
    let worker = W::from_arg_matches(&matches).map_err(|error| usage(&error.to_string()))?;
    if worker.words().first().is_some_and(|verb| verb == "help") {
        return Ok(Parsed::Print(help));
    }
    Ok(Parsed::Run(worker))
}

/// Long options of workers that the original's do not have.
const ADDITIONS: [&str; 26] = [
    "arch",
    "cmd",
    "connect-timeout",
    "connections",
    "depth-max",
    "dry-run",
    "entries-max",
    "entrypoint",
    "env",
    "flat",
    "input-format",
    "json",
    "keep-partial",
    "level",
    "limit-rate",
    "mirror",
    "older-than",
    "output-format",
    "ratio-max",
    "reset",
    "retries",
    "run-as",
    "stall-timeout",
    "superseded",
    "tag",
    "workdir",
];

/// Long options that only one of the original's workers has not.
const ADDITIONS_TO_ONE: [(&str, &str); 1] = [("systemd-pull", "format")];

fn long_options(command: &clap::Command) -> Vec<LongOption<'_>> {
    let options = command.get_arguments().filter_map(|option| {
        let name = option.get_long()?;
        Some(LongOption {
            name,
            takes_value: option.get_action().takes_values(),
            is_original: !ADDITIONS.contains(&name)
                && !ADDITIONS_TO_ONE.contains(&(command.get_name(), name)),
        })
    });
    options.collect()
}

fn names<W: Worker>() -> impl Iterator<Item = &'static str> {
    W::VERBS.iter().map(|verb| verb.name)
}

fn verb_required<W: Worker>() -> Error {
    usage(&format!(
        "Command verb required (one of {}, help)",
        names::<W>().collect::<Vec<_>>().join(", ")
    ))
}

fn usage(text: &str) -> Error {
    Error::new(Kind::InvalidArgument, text)
}

/// One line in the words of getopt_long(3).
fn usage_text(command: &clap::Command, error: &clap::Error) -> String {
    let program = command.get_name();
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(clap::error::ContextValue::String(text)) => text.clone(),
        Some(clap::error::ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    };
    let option = argument.split(['=', ' ']).next().unwrap_or("").to_owned();
    match error.kind() {
        ErrorKind::UnknownArgument => format!("{program}: unrecognized option '{option}'"),
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::WrongNumberOfValues => {
            format!("{program}: option '{option}' requires an argument")
        }
        ErrorKind::TooManyValues => {
            format!("{program}: option '{option}' doesn't allow an argument")
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or("Invalid command line");
            line.trim_start_matches("error: ").to_owned()
        }
    }
}

/// Whether a verb was probably meant: same start, or one letter off.
fn is_near(known: &str, typed: &str) -> bool {
    let common = known
        .chars()
        .zip(typed.chars())
        .filter(|(a, b)| a == b)
        .count();
    !typed.is_empty() && common + 1 >= known.len().min(typed.len()) && common > 0
}

#[cfg(test)]
mod tests;
