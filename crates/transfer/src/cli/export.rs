//! `systemd-export tar|raw NAME [FILE]`

use super::target::PlaceOptions;
use super::words::optional;
use super::{Environment, Verb, Worker};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::export::{self, ExportSource, Request};
use importd_api::failure::Kind;
use importd_api::format::Format;
use importd_api::name::{ImageName, NameError};
use importd_formats::disk;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Exports a tree or a disk image.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "systemd-export",
    about = "Export container or virtual machine images.",
    override_usage = "systemd-export [OPTIONS...] tar|raw NAME [FILE]\n       \
                      (without FILE, or with '-': standard output)"
)]
pub struct Arguments {
    #[command(flatten)]
    place: PlaceOptions,
    /// Compression: uncompressed, xz, gzip, bzip2, zstd or lz4
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Level of the compression: gzip and bzip2 1 to 9 (default 6 and 9), xz 0 to 9 (default 6),
    /// zstd 1 to 19 (default 3)
    #[arg(long, value_name = "LEVEL", allow_hyphen_values = true)]
    level: Option<String>,
    /// How a disk stands in the file: raw or qcow2 (compressed with gzip or zstd, or not)
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<String>,
    /// Verb, name and file
    #[arg(value_name = "VERB NAME [FILE]", hide = true)]
    words: Vec<OsString>,
}

impl Worker for Arguments {
    const VERBS: &'static [Verb] = &[
        Verb {
            name: "tar",
            about: "Export a tree as an archive",
        },
        Verb {
            name: "raw",
            about: "Export a disk image",
        },
    ];

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()> {
        let file = optional(self.words.get(2).map(OsString::as_os_str)).map(PathBuf::from);
        let format = match &self.format {
            Some(text) => Format::parse(text)
                .map_err(|error| Error::new(Kind::InvalidArgument, error.to_string()))?,
            None => file
                .as_deref()
                .and_then(Path::file_name)
                .and_then(OsStr::to_str)
                .map_or(Format::Uncompressed, Format::from_file_name),
        };
        let level = self.level.as_deref().map(|text| format.parse_level(text));
        let level = level
            .transpose()
            .map_err(|error| Error::new(Kind::InvalidArgument, error.to_string()))?;
        let request = Request {
            source: source(self.words.get(1).map(OsString::as_os_str))?,
            disk: disk_format(self.output_format.as_deref(), file.as_deref())?,
            file,
            format,
            level,
            memory_bytes: export::compression_memory(),
            places: self.place.places(environment)?,
        };
        match verb {
            "tar" => {
                let need = request.need();
                let context = context.with_owners(self.place.scope(), need)?;
                export::tar::run(&request, &context)
            }
            _ => export::raw::run(&request, context),
        }
    }
}

/// The format asked for, or what the ending of the file's name says.
fn disk_format(given: Option<&str>, file: Option<&Path>) -> Result<disk::Format> {
    match given {
        None => {
            let ending = file.and_then(Path::extension);
            Ok(match ending.is_some_and(|ending| ending == "qcow2") {
                true => disk::Format::Qcow2,
                false => disk::Format::Raw,
            })
        }
        Some(name) => disk::Format::parse(name)
            .filter(|format| matches!(format, disk::Format::Raw | disk::Format::Qcow2))
            .ok_or_else(|| {
                let shown = name.escape_debug();
                let text = format!("Unknown disk image format '{shown}'; known are raw and qcow2");
                Error::new(Kind::InvalidArgument, text)
            }),
    }
}

/// A valid image name is a name; what holds a slash is a path; the rest is neither.
fn source(argument: Option<&OsStr>) -> Result<ExportSource> {
    let argument = argument.unwrap_or_default();
    let path = || Ok(ExportSource::Path(PathBuf::from(argument)));
    let Some(text) = argument.to_str() else {
        return path();
    };
    match ImageName::parse(text) {
        Ok(name) => Ok(ExportSource::Image(name)),
        Err(NameError::Slash | NameError::Dots) => path(),
        Err(error) => {
            let text = format!("Image name '{}' is not valid", text.escape_debug());
            Err(Error::caused(Kind::InvalidArgument, text, error))
        }
    }
}
