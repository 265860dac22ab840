//! Command lines that cannot be, in getopt's wording, and those that end early.

use super::Asked;
use super::values::ValueError;
use crate::report::Failure;
use crate::spelling;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::ffi::OsString;

/// Most wrong letters in an option for which another one is suggested.
const SLIPS_MAX: usize = 2;

/// Turns what clap found into what was asked for, or a failure in getopt's wording. `last` is the
/// last word of the command line.
pub(super) fn explain(
    error: &clap::Error,
    command: &Command,
    last: Option<&OsString>,
) -> anyhow::Result<Asked> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let typed = context(ContextKind::InvalidArg);
    // "--class <CLASS>" names the option with its value.
    let option = typed.split([' ', '=']).next().unwrap_or(typed);
    let message = match error.kind() {
        ErrorKind::DisplayHelp => return Ok(Asked::Help { pager: true }),
        ErrorKind::DisplayVersion => return Ok(Asked::Version),
        ErrorKind::ValueValidation => {
            return match error.source().and_then(|e| e.downcast_ref::<ValueError>()) {
                Some(ValueError::Help(values)) => Ok(Asked::Values(values.clone())),
                Some(ValueError::Bad(message)) => Err(Failure::usage(message.as_str())),
                None => Err(Failure::usage(first_line(error))),
            };
        }
        ErrorKind::UnknownArgument => unknown(option, command),
        ErrorKind::TooManyValues => {
            format!("importctl: option '{option}' doesn't allow an argument")
        }
        ErrorKind::InvalidValue if context(ContextKind::InvalidValue).is_empty() => {
            let short = last.and_then(final_letter);
            let option = short.map_or_else(|| option.to_owned(), |letter| format!("-{letter}"));
            format!("importctl: option '{option}' requires an argument")
        }
        _ => first_line(error),
    };
    Err(Failure::usage(message))
}

/// The last letter of a bundle of short options, which is the one that lacks its argument.
fn final_letter(word: &OsString) -> Option<char> {
    let letters = word.to_str()?.strip_prefix('-')?;
    letters.chars().last().filter(|_| !letters.starts_with('-'))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    format!("importctl: {}", line.trim_start_matches("error: "))
}

/// An option that is none, or an abbreviation of more than one.
fn unknown(option: &str, command: &Command) -> String {
    let candidates: Vec<String> = match option.strip_prefix("--") {
        Some(start) => command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set())
            .filter_map(|arg| arg.get_long())
            .filter(|long| long.starts_with(start))
            .map(|long| format!("--{long}"))
            .collect(),
        None => Vec::new(),
    };
    if candidates.len() > 1 {
        let list = candidates.join(", ");
        format!("importctl: option '{option}' is ambiguous; possibilities: {list}")
    } else {
        match nearest(option, command) {
            Some(near) => {
                format!("importctl: unrecognized option '{option}', did you mean '--{near}'?")
            }
            None => format!("importctl: unrecognized option '{option}'"),
        }
    }
}

/// The long option that may have been meant.
fn nearest<'a>(option: &str, command: &'a Command) -> Option<&'a str> {
    let typed = option.strip_prefix("--")?;
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown
        .filter_map(|arg| arg.get_long())
        .map(|long| (spelling::distance(typed, long), long))
        .min()
        .filter(|(distance, long)| *distance <= SLIPS_MAX && *distance < long.len() / 2)
        .map(|(_, long)| long)
}
