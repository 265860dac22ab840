//! From what was asked for to units.

use crate::environment::Environment;
use crate::log::{Level, Log};
use crate::origin;
use crate::sources::Asked;
use crate::unit::Download;
use crate::write;
use anyhow::{Result, bail};
use importd_api::pull_spec::{PullSpec, Remote};
use std::path::Path;

/// Writes a unit for each download asked for. What is no expression is told and left out; so is
/// what cannot be written, but then the whole has failed.
///
/// # Errors
/// If a unit could not be written; the others are.
pub(crate) fn run(folder: &Path, environment: &Environment, log: &mut Log) -> Result<()> {
    let asked = Asked::read(environment, log);
    let mut failures = 0;
    for expression in &asked.expressions {
        let download = match decide(expression, environment, log) {
            Ok(Some(download)) => download,
            Ok(None) => continue,
            Err(error) => {
                let shown = without_remote(expression);
                let text = format_args!("Ignored pull expression '{shown}': {error:#}");
                log.line(Level::Error, text);
                continue;
            }
        };
        let unit = download.unit(environment.phase, &asked.actions);
        if let Err(error) = write::unit(folder, &unit) {
            log.line(Level::Error, format_args!("{error:#}"));
            failures += 1;
        }
    }
    if failures > 0 {
        bail!(
            "Failed to write {failures} of {} units",
            asked.expressions.len()
        );
    }
    Ok(())
}

/// One expression as a download; `None` if it holds for machines booted over the network only, and
/// this is not one.
fn decide(text: &str, environment: &Environment, log: &mut Log) -> Result<Option<Download>> {
    let mut ignored = Vec::new();
    let spec = PullSpec::parse(text, &mut ignored);
    let shown = without_remote(text);
    for option in ignored {
        let text = format_args!("Ignored an option of pull expression '{shown}': {option}");
        log.line(Level::Warning, text);
    }
    let spec = spec?;
    let origin = match &spec.remote {
        Remote::BesideBootOrigin(_) => origin::read_optional(&environment.boot_origin)?,
        Remote::Url(_) => None,
    };
    let Some(url) = spec.url(origin.as_ref())? else {
        let text = format_args!("Skipped pull expression '{shown}': not booted over the network");
        log.line(Level::Debug, text);
        return Ok(None);
    };
    let name = spec.name(&url)?;
    if let Some(origin) = &origin {
        let text = format_args!("Booted from {origin}: image '{name}' comes from {url}");
        log.line(Level::Info, text);
    } else if spec.local.is_none() {
        log.line(
            Level::Info,
            format_args!("Image from {url} is named '{name}'"),
        );
    }
    Ok(Some(Download { spec, url, name }))
}

/// The part of an expression that tells it from others and holds no password.
fn without_remote(expression: &str) -> &str {
    let mut colons = expression.match_indices(':').map(|(position, _)| position);
    let end = colons.nth(1).unwrap_or(expression.len());
    expression.get(..end).unwrap_or(expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_named_in_the_log_without_their_address() {
        for (text, shown) in [
            ("raw,machine:x:http://u:p@h/x", "raw,machine:x"),
            ("raw,machine::http://h/x", "raw,machine:"),
            ("raw:x", "raw:x"),
            ("", ""),
        ] {
            assert_eq!(without_remote(text), shown);
        }
    }
}
