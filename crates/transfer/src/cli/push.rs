//! `systemd-pull push NAME REF`

use super::Environment;
use super::export::source;
use super::network::configured;
use super::pull::Arguments;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::export::{self, push};
use crate::source::settings::Settings;
use importd_api::failure::Kind;
use importd_api::format::Format;
use importd_api::oci::Reference;
use importd_formats::disk;
use std::ffi::OsString;

/// How layers of a pushed image are packed.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct PackOptions {
    /// push: how layers are packed: gzip (the default), zstd or uncompressed
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// push: level of the compression: gzip 1 to 9 (default 6), zstd 1 to 19 (default 3)
    #[arg(long, value_name = "LEVEL", allow_hyphen_values = true)]
    level: Option<String>,
}

impl PackOptions {
    /// Refuses these options for other verbs.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] if one is given.
    pub(super) fn refuse(&self) -> Result<()> {
        match self.format.is_some() || self.level.is_some() {
            true => Err(invalid(
                "--format= and --level= are for the verb push".into(),
            )),
            false => Ok(()),
        }
    }
}

/// How layers may be packed.
///
/// # Errors
/// [`Kind::InvalidArgument`] for what nobody else can read.
pub(super) fn check_format(format: Format) -> Result<()> {
    match format {
        Format::Uncompressed | Format::Gzip | Format::Zstd => Ok(()),
        other => Err(invalid(format!(
            "Layers are packed with gzip, zstd or not at all; {} is not known to those who read them",
            other.as_str()
        ))),
    }
}

impl Arguments {
    /// Pushes an image.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what cannot be; whatever goes wrong.
    pub(super) fn run_push(&self, environment: &Environment, context: &Context) -> Result<()> {
        self.clean.refuse()?;
        if self.plan.dry_run {
            return Err(invalid("--dry-run is for downloads".into()));
        }
        self.oci.refuse_shape()?;
        let network = configured(environment.network.clone(), &context.report);
        let usual = Settings {
            is_proven: true,
            ..network
        };
        let format = self.pack.format.as_deref().map(Format::parse).transpose();
        let format = format
            .map_err(|error| invalid(error.to_string()))?
            .unwrap_or(Format::Gzip);
        check_format(format)?;
        let level = self.pack.level.as_deref();
        let level = level.map(|text| format.parse_level(text)).transpose();
        let mut wishes = self.image.wishes(environment)?;
        wishes.platform = self.oci.given_platform()?.map(|wanted| wanted.platform());
        let request = push::Request {
            image: export::Request {
                source: source(self.words.get(1).map(OsString::as_os_str))?,
                file: None,
                format,
                level: level.map_err(|error| invalid(error.to_string()))?,
                memory_bytes: export::compression_memory(),
                disk: disk::Format::Raw,
                places: self.target.target(environment)?.places,
            },
            wishes,
            reference: reference(self.words.get(2))?,
            registries: environment.registries.clone(),
            certificates: environment.certificates.clone(),
            network: self.network.settings_of_registry(usual)?,
        };
        let need = request.image.need();
        let context = &context.with_owners(self.target.scope(), need)?;
        push::run(&request, context)
    }
}

fn reference(word: Option<&OsString>) -> Result<Reference> {
    let text = word.map(|word| word.to_string_lossy()).unwrap_or_default();
    text.parse().map_err(|error| {
        let text = format!("OCI ref '{}' is invalid", text.escape_debug());
        Error::caused(Kind::InvalidArgument, text, error)
    })
}

fn invalid(text: String) -> Error {
    Error::new(Kind::InvalidArgument, text)
}
