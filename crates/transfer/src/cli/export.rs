//! `systemd-export tar|raw|oci NAME [FILE]`

use super::image::{self, ImageOptions};
use super::oci::platform;
use super::push::check_format;
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
use importd_formats::oci::compose::Wishes;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Exports a tree, a disk image or a stack of layers.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "systemd-export",
    about = "Export container or virtual machine images.",
    override_usage = "systemd-export [OPTIONS...] tar|raw|oci NAME [FILE]\n       \
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
    /// How a disk stands in the file: raw or qcow2 (compressed with gzip or zstd, or not); what an
    /// image of OCI is written as: oci (a layout folder) or oci-archive (as a name ends that has .tar)
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<String>,
    /// Name of the image in the layout (default: the name of the exported image)
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// For which machine the image is, such as amd64 or arm/v7
    #[arg(long, value_name = "ARCH[/VARIANT]")]
    arch: Option<String>,
    #[command(flatten)]
    image: ImageOptions,
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
        Verb {
            name: "oci",
            about: "Export a tree or a stack as an image of OCI",
        },
    ];

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()> {
        let file = optional(self.words.get(2).map(OsString::as_os_str)).map(PathBuf::from);
        let is_oci = verb == "oci";
        let format = match &self.format {
            Some(text) => Format::parse(text)
                .map_err(|error| Error::new(Kind::InvalidArgument, error.to_string()))?,
            // That of the layers, whatever the file is called.
            None if is_oci => Format::Gzip,
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
        let written_as = self.output_format.as_deref();
        let request = Request {
            source: source(self.words.get(1).map(OsString::as_os_str))?,
            disk: match is_oci {
                true => disk::Format::Raw,
                false => disk_format(written_as, file.as_deref())?,
            },
            file,
            format,
            level,
            memory_bytes: export::compression_memory(),
            places: self.place.places(environment)?,
        };
        if is_oci {
            let options = self.oci(&request, environment)?;
            let context = context.with_owners(self.place.scope(), request.need())?;
            return export::oci::run(&request, &options, &context);
        }
        self.image.refuse(verb)?;
        if self.tag.is_some() || self.arch.is_some() {
            let text = "--tag= and --arch= are for the verb oci";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
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

impl Arguments {
    /// What an image of OCI is to be.
    fn oci(&self, request: &Request, environment: &Environment) -> Result<export::oci::Options> {
        check_format(request.format)?;
        let tag = match &self.tag {
            Some(text) => Some(image::tag(text)?),
            None => usual_tag(&request.source),
        };
        let platform = self.arch.as_deref().map(platform).transpose()?;
        Ok(export::oci::Options {
            form: form(self.output_format.as_deref(), request.file.as_deref())?,
            tag,
            wishes: Wishes {
                platform: platform.map(|wanted| wanted.platform()),
                ..self.image.wishes(environment)?
            },
        })
    }
}

/// The name of the exported image, if a layout can have it.
fn usual_tag(source: &ExportSource) -> Option<String> {
    let name = match source {
        ExportSource::Image(name) => name.as_str(),
        ExportSource::Path(path) => path.file_name()?.to_str()?,
    };
    let name = name.strip_suffix(".mstack").unwrap_or(name);
    image::tag(name).ok()
}

/// What an image of OCI is written as: as asked for, else as the file's name says.
fn form(given: Option<&str>, file: Option<&Path>) -> Result<export::oci::Form> {
    match given {
        Some("oci") => return Ok(export::oci::Form::Folder),
        Some("oci-archive") => return Ok(export::oci::Form::Archive),
        Some(other) => {
            let shown = other.escape_debug();
            let text = format!("Unknown form of an image '{shown}'; known are oci and oci-archive");
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        None => {}
    }
    let Some(name) = file.and_then(Path::file_name).and_then(OsStr::to_str) else {
        return Ok(export::oci::Form::Archive);
    };
    if name.contains(".tar.") || name.ends_with(".tgz") {
        let text = format!(
            "'{}' would be packed twice: the layers are; name the archive .tar",
            name.escape_debug()
        );
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    Ok(match name.ends_with(".tar") {
        true => export::oci::Form::Archive,
        false => export::oci::Form::Folder,
    })
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
///
/// # Errors
/// [`Kind::InvalidArgument`] for that.
pub(super) fn source(argument: Option<&OsStr>) -> Result<ExportSource> {
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
