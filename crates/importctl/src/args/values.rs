//! The values of options: text to what it means, in the reference's words where it means nothing.

use super::{Json, Progress};
use crate::transport::{Host, Machine};
use importd_api::architecture::Architecture;
use importd_api::class::Class;
use importd_api::format::Format;
use importd_api::oci::Tag;
use importd_api::verify::Verify;
use std::fmt;

/// Why a value ends the parsing.
#[derive(Debug)]
pub(super) enum ValueError {
    /// `help` was given: these are the values.
    Help(Vec<&'static str>),
    /// It is no value of the option; the whole message.
    Bad(String),
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::Help(_) => f.write_str("help"),
            ValueError::Bad(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ValueError {}

/// `--host=`
pub(super) fn parse_host(text: &str) -> Result<Host, ValueError> {
    Host::parse(text).map_err(|why| {
        ValueError::Bad(format!("Failed to parse --host= parameter '{text}': {why}"))
    })
}

/// `--machine=`
pub(super) fn parse_machine(text: &str) -> Result<Machine, ValueError> {
    Machine::parse(text)
        .map_err(|_why| ValueError::Bad(format!("Invalid --machine= specified: {text}")))
}

/// `--progress=`
pub(super) fn parse_progress(text: &str) -> Result<Progress, ValueError> {
    let known = Progress::ALL.iter().find(|(name, _)| *name == text);
    match known {
        Some((_, progress)) => Ok(*progress),
        None if text == "help" => {
            let names = Progress::ALL.iter().map(|(name, _)| *name);
            Err(ValueError::Help(names.collect()))
        }
        None => Err(ValueError::Bad(format!(
            "Failed to parse --progress= setting: {text}"
        ))),
    }
}

/// `--json=`
pub(super) fn parse_json(text: &str) -> Result<Json, ValueError> {
    match text {
        "pretty" => Ok(Json::Pretty),
        "short" => Ok(Json::Short),
        "off" => Ok(Json::Off),
        "help" => Err(ValueError::Help(vec!["pretty", "short", "off"])),
        _ => Err(ValueError::Bad(format!(
            "Unknown argument to --json= switch: {text}"
        ))),
    }
}

/// `--verify=`
pub(super) fn parse_verify(text: &str) -> Result<Verify, ValueError> {
    match text {
        "help" => Err(ValueError::Help(vec!["no", "checksum", "signature"])),
        // The service reads an empty mode as a signature; on a command line it is a mistake.
        "" => Err(bad_verify(text)),
        _ => Verify::parse_mode(text).map_err(|_unknown| bad_verify(text)),
    }
}

fn bad_verify(text: &str) -> ValueError {
    ValueError::Bad(format!("Failed to parse --verify= setting: {text}"))
}

/// `--format=`
pub(super) fn parse_format(text: &str) -> Result<Format, ValueError> {
    Format::parse(text).map_err(|error| ValueError::Bad(error.to_string()))
}

/// `--class=`
pub(super) fn parse_class(text: &str) -> Result<Class, ValueError> {
    Class::parse(text)
        .map_err(|_unknown| ValueError::Bad(format!("Failed to parse --class= parameter: {text}")))
}

/// `--arch=`
pub(super) fn parse_architecture(text: &str) -> Result<Architecture, ValueError> {
    text.parse().map_err(|why| {
        ValueError::Bad(format!("Failed to parse --arch= parameter '{text}': {why}"))
    })
}

/// `--tag=`
pub(super) fn parse_tag(text: &str) -> Result<Tag, ValueError> {
    text.parse()
        .map_err(|why| ValueError::Bad(format!("Failed to parse --tag= parameter '{text}': {why}")))
}

/// `--keep-download=`
pub(super) fn parse_keep(text: &str) -> Result<bool, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
        _ => Err(ValueError::Bad(format!(
            "Failed to parse --keep-download= value: {text}"
        ))),
    }
}
