//! `systemd-pull tar|raw URL [NAME]`

use super::disk::DiskOptions;
use super::limits::LimitOptions;
use super::network::NetworkOptions;
use super::target::TargetOptions;
use super::values::switch;
use super::words::given_name;
use super::{Environment, Verb, Worker};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::pull::evidence::keys::{Keys, Trust};
use crate::pull::{self, Request};
use crate::sink::raw::Bounds;
use importd_api::failure::Kind;
use importd_api::job::Local;
use importd_api::name::Form;
use importd_api::url::Url;
use importd_api::verify::Verify;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// Most bytes of an unpacked disk image unless --size-max= says otherwise, as in the reference.
const SIZE_MAX_DEFAULT: u64 = 64 << 30;

/// Downloads an archive or a disk image.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "systemd-pull",
    about = "Download container or virtual machine images.",
    override_usage = "systemd-pull [OPTIONS...] tar|raw URL [NAME]\n       \
                      (NAME '-' only keeps the download)"
)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// What to prove: no, checksum, signature, or a SHA-256 or SHA-512 digest
    #[arg(long, value_name = "MODE", default_value = "signature")]
    verify: String,
    /// Keep the download as it came, beside the image
    #[arg(long, value_name = "BOOL")]
    keep_download: Option<String>,
    /// Fetch settings files (not supported yet)
    #[arg(long, value_name = "BOOL")]
    settings: Option<String>,
    /// Fetch root hash files (not supported yet)
    #[arg(long, value_name = "BOOL")]
    roothash: Option<String>,
    /// Fetch root hash signatures (not supported yet)
    #[arg(long, value_name = "BOOL")]
    roothash_signature: Option<String>,
    /// Fetch verity data (not supported yet)
    #[arg(long, value_name = "BOOL")]
    verity: Option<String>,
    #[command(flatten)]
    disk: DiskOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    network: NetworkOptions,
    /// Verb, address and name
    #[arg(value_name = "VERB URL [NAME]", hide = true)]
    words: Vec<OsString>,
}

impl Worker for Arguments {
    const VERBS: &'static [Verb] = &[
        Verb {
            name: "tar",
            about: "Download an archive",
        },
        Verb {
            name: "raw",
            about: "Download a disk image",
        },
    ];

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()> {
        let form = if verb == "tar" { Form::Tar } else { Form::Raw };
        let bounds = self.bounds()?;
        if self.target.direct {
            let text = "--direct is not supported yet; without it the image is installed by name";
            return Err(Error::new(Kind::Unsupported, text));
        }
        let limits = self.limits.limits(bounds.size_max)?;
        let request = self.request(form, environment)?;
        match form {
            Form::Tar => pull::tar::run(&request, limits, context),
            Form::Raw => pull::raw::run(&request, bounds, context),
        }
    }
}

impl Arguments {
    fn bounds(&self) -> Result<Bounds> {
        let (mut bounds, _) = self.disk.checked(self.target.direct)?;
        bounds.size_max = bounds.size_max.or(Some(SIZE_MAX_DEFAULT));
        Ok(bounds)
    }

    /// The checked request.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what cannot be; what reading the keyring says.
    pub fn request(&self, form: Form, environment: &Environment) -> Result<Request> {
        for (option, value) in [
            ("settings", &self.settings),
            ("roothash", &self.roothash),
            ("roothash-signature", &self.roothash_signature),
            ("verity", &self.verity),
        ] {
            switch(option, value.as_deref(), false)?;
        }
        let url = url(self.words.get(1).map(OsString::as_os_str))?;
        let verify = Verify::parse(&self.verify)
            .map_err(|error| Error::new(Kind::InvalidArgument, error.to_string()))?;
        let trust = match verify {
            Verify::Signature => Some(Arc::new(Trust {
                keys: Keys::load(environment.keyring.as_deref())?,
                is_freshness_demanded: environment.freshness != Some(false),
            })),
            Verify::No | Verify::Checksum | Verify::Digest(_) => None,
        };
        let is_machine = self.target.is_machine();
        Ok(Request {
            local: local(self.words.get(2).map(OsString::as_os_str), &url, form)?,
            url,
            form,
            verify,
            trust,
            certificates: environment.certificates.clone(),
            keep_download: switch("keep-download", self.keep_download.as_deref(), is_machine)?,
            network: self.network.settings()?,
            target: self.target.target(environment)?,
        })
    }
}

fn url(argument: Option<&OsStr>) -> Result<Url> {
    let text = argument.unwrap_or_default().to_string_lossy();
    Url::parse(&text).map_err(|error| {
        let text = format!("{error}; it begins with http://, https:// or file:/");
        Error::new(Kind::InvalidArgument, text)
    })
}

fn local(argument: Option<&OsStr>, url: &Url, form: Form) -> Result<Local> {
    match argument {
        Some(text) if text.is_empty() || text == "-" => Ok(Local::Pristine),
        Some(text) => given_name(text).map(Local::Named),
        None => url.image_name(form).map(Local::Named).map_err(|error| {
            let text =
                format!("Failed to derive an image name from {url}; give one as second argument");
            Error::caused(Kind::InvalidArgument, text, error)
        }),
    }
}
