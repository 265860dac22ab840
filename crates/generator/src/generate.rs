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
        Remote::Url(_) | Remote::Registry(_) => None,
    };
    let Some(place) = spec.place(origin.as_ref())? else {
        let text = format_args!("Skipped pull expression '{shown}': not booted over the network");
        log.line(Level::Debug, text);
        return Ok(None);
    };
    let name = spec.name(&place)?;
    if let Some(origin) = &origin {
        let text = format_args!("Booted from {origin}: image '{name}' comes from {place}");
        log.line(Level::Info, text);
    } else if spec.local.is_none() {
        log.line(
            Level::Info,
            format_args!("Image from {place} is named '{name}'"),
        );
    }
    Ok(Some(Download { spec, place, name }))
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

    #[test]
    fn a_machine_booted_over_the_network_finds_the_image_beside_its_boot_file() {
        let root = tempfile::tempdir().unwrap();
        let variables = [(
            "SYSTEMD_PROC_CMDLINE",
            "systemd.pull=raw,machine,verify=no,bootorigin:x:x.raw systemd.pull=raw,machine,bootorigin::y.raw.xz",
        )];
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).into())
        };
        let environment = Environment::read(variable, root.path());
        std::fs::create_dir_all(environment.boot_origin.parent().unwrap()).unwrap();
        let address = "http://boot.example:8080/efi/linux.efi?a\0";
        let text = address.encode_utf16().flat_map(u16::to_le_bytes);
        let held: Vec<u8> = [7, 0, 0, 0].into_iter().chain(text).collect();
        let mut file = std::fs::File::create(&environment.boot_origin).unwrap();
        std::io::Write::write_all(&mut file, &held).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(crate::log::Target::Nowhere, false);
        run(folder.path(), &environment, &mut log).unwrap();
        for (name, address) in [("x", "x.raw"), ("y", "y.raw.xz")] {
            let unit = format!("systemd-import@var-lib-machines-{name}.raw.service");
            let text = std::fs::read_to_string(folder.path().join(unit)).unwrap();
            let call = format!("'{{\"remote\":\"http://boot.example:8080/efi/{address}\",");
            assert!(text.contains(&call), "{text}");
        }
    }
}
