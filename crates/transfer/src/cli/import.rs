//! `systemd-import tar|raw FILE [NAME]`

use super::target::TargetOptions;
use super::values::{size, switch};
use super::words::{image_name, optional};
use super::{Environment, Worker};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::import::{self, Request};
use crate::sink::raw::Bounds;
use importd_api::failure::Kind;
use importd_api::name::Form;
use std::ffi::OsString;
use std::path::PathBuf;

/// Imports an archive or a disk image.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "systemd-import",
    about = "Import container or virtual machine images.",
    override_usage = "systemd-import [OPTIONS...] tar|raw FILE [NAME]\n       \
                      (FILE '-' is standard input)"
)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// Unpack qcow2 disk images
    #[arg(long, value_name = "BOOL")]
    convert_qcow2: Option<String>,
    /// Zero the rest of the range, with --offset= and --size-max=
    #[arg(long, value_name = "BOOL")]
    zero_fill: Option<String>,
    /// Write at this offset, in bytes, with --direct
    #[arg(long, value_name = "BYTES")]
    offset: Option<String>,
    /// Most bytes of a disk image
    #[arg(long, value_name = "BYTES")]
    size_max: Option<String>,
    /// Verb, file and name
    #[arg(value_name = "VERB FILE [NAME]", hide = true)]
    words: Vec<OsString>,
}

impl Worker for Arguments {
    const VERBS: &'static [&'static str] = &["tar", "raw"];

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()> {
        let bounds = bounds(
            self.size_max.as_deref(),
            self.convert_qcow2.as_deref(),
            (self.offset.as_deref(), self.zero_fill.as_deref()),
        )?;
        let form = if verb == "tar" { Form::Tar } else { Form::Raw };
        let source = optional(self.words.get(1).map(OsString::as_os_str)).map(PathBuf::from);
        let request = Request {
            name: image_name(
                self.words.get(2).map(OsString::as_os_str),
                source.as_deref(),
                |file| form.strip_suffixes(file),
            )?,
            source,
            target: self.target.target(environment)?,
        };
        match form {
            Form::Tar => import::tar::run(&request, context),
            Form::Raw => import::raw::run(&request, bounds, context),
        }
    }
}

/// The bounds of a disk image, and the checks between the options that set them.
pub(super) fn bounds(
    size_max: Option<&str>,
    convert_qcow2: Option<&str>,
    (offset, zero_fill): (Option<&str>, Option<&str>),
) -> Result<Bounds> {
    let size_max = size_max.map(|text| size("size-max", text)).transpose()?;
    let zero_fill = switch("zero-fill", zero_fill, false)?;
    if let Some(offset) = offset {
        if offset.parse::<u64>().is_err() {
            let text = format!(
                "Failed to parse --offset= argument: {}",
                offset.escape_debug()
            );
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let text = "File offset only supported in --direct mode";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    if zero_fill {
        let text = "Zero filling only supported if both --offset= and --size-max= are specified";
        return Err(Error::new(Kind::InvalidArgument, text));
    }
    Ok(Bounds {
        size_max,
        keep_qcow2: !switch("convert-qcow2", convert_qcow2, true)?,
    })
}
