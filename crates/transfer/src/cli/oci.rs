//! `systemd-pull oci REF [NAME]`

use super::network::configured;
use super::pull::Arguments;
use super::values::switch;
use super::words::given_name;
use super::{Environment, pull};
use crate::context::{Context, Target};
use crate::error::{Error, Result};
use crate::owners::Need;
use crate::pull::oci::{self, Request};
use crate::source::settings::Settings;
use importd_api::class::Class;
use importd_api::failure::Kind;
use importd_api::name::ImageName;
use importd_api::oci::Reference;
use importd_api::verify::Verify;
use importd_formats::oci::platform::Wanted;
use std::ffi::OsString;
use std::io::Write;

/// What an OCI image becomes: options of `oci`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct OciOptions {
    /// oci: for which machine, as arm64 or arm/v7 (default: this one)
    #[arg(long, value_name = "ARCH[/VARIANT]")]
    arch: Option<String>,
    /// oci: one tree, not a stack of layers (always for extensions)
    #[arg(long)]
    flat: bool,
    /// oci: with --force, what was changed in the stack that is replaced goes too
    #[arg(long)]
    pub(super) reset: bool,
}

impl OciOptions {
    /// Refuses these options for other verbs.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] if one is given.
    pub(super) fn refuse(&self) -> Result<()> {
        if self.arch.is_some() || self.flat || self.reset {
            return Err(refused("--arch=, --flat and --reset are for the verb oci"));
        }
        Ok(())
    }

    /// Refuses what is about a new image here.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] if one is given.
    pub(super) fn refuse_shape(&self) -> Result<()> {
        match self.flat || self.reset {
            true => Err(refused(
                "--flat and --reset are for images that are made here",
            )),
            false => Ok(()),
        }
    }

    /// For which machine.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what is none.
    pub(super) fn platform(&self) -> Result<Wanted> {
        Ok(self.given_platform()?.unwrap_or_else(Wanted::native))
    }

    /// For which machine, if that is said.
    ///
    /// # Errors
    /// As [`OciOptions::platform`].
    pub(super) fn given_platform(&self) -> Result<Option<Wanted>> {
        self.arch.as_deref().map(platform).transpose()
    }

    /// The tools for extensions cannot use stacks, and one among them keeps them from using the others.
    pub(super) fn is_flat(&self, class: Class) -> bool {
        match class {
            Class::Sysext | Class::Confext => true,
            Class::Machine | Class::Portable => self.flat,
        }
    }
}

/// The machine of `--arch=`.
///
/// # Errors
/// [`Kind::InvalidArgument`] for what is none.
pub(super) fn platform(text: &str) -> Result<Wanted> {
    Wanted::parse(text).map_err(|error| {
        let text = "Failed to parse --arch= argument";
        Error::caused(Kind::InvalidArgument, text, error)
    })
}

impl Arguments {
    /// Pulls an OCI image, or tells what that would do.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what cannot be; whatever goes wrong.
    pub(super) fn run_oci(&self, environment: &Environment, context: &Context) -> Result<()> {
        self.clean.refuse()?;
        let environment = Environment {
            network: configured(environment.network.clone(), &context.report),
            ..environment.clone()
        };
        let request = self.oci_request(&environment)?;
        let output = self.plan.output()?;
        if self.plan.dry_run {
            let out: &mut dyn Write = &mut std::io::stdout();
            return oci::plan::run(&request, output, (out, context));
        }
        refuse_foreign(&request.target, &request.name)?;
        let context = &context.with_owners(self.target.scope(), Need::MakeSeveral)?;
        oci::run(&request, context)
    }

    /// The checked request.
    fn oci_request(&self, environment: &Environment) -> Result<Request> {
        let (bounds, _) = self.disk.checked(self.target.direct)?;
        if self.target.direct {
            return Err(refused(
                "An OCI image cannot be written to a path: --direct is for archives and disk images",
            ));
        }
        let is_machine = self.target.is_machine();
        // As in the reference these say nothing here, but have to be right.
        switch("keep-download", self.keep_download.as_deref(), is_machine)?;
        self.evidence.resolve(is_machine)?;
        refuse_proofs(self.evidence.demanded()?.as_ref())?;
        let reference = reference(self.words.get(1))?;
        let name = name(self.words.get(2), &reference)?;
        if self.oci.reset && !self.target.force {
            return Err(refused("--reset needs --force"));
        }
        let target = self.target.target(environment)?;
        let usual = Settings {
            is_proven: true,
            ..environment.network.clone()
        };
        let cache = match switch("keep-partial", self.keep_partial.as_deref(), true)? {
            true => self.cache(environment),
            false => None,
        };
        Ok(Request {
            reference,
            registries: environment.registries.clone(),
            name,
            platform: self.oci.platform()?,
            flat: self.oci.is_flat(target.places.class),
            reset: self.oci.reset,
            limits: self
                .limits
                .limits(bounds.size_max.or(Some(pull::SIZE_MAX_DEFAULT)))?,
            certificates: environment.certificates.clone(),
            network: self.network.settings_of_registry(usual)?,
            cache,
            target,
        })
    }
}

/// Refuses what is demanded of a download and cannot be had: whoever asks for a signature must not get
/// an image without one.
fn refuse_proofs(demanded: Option<&Verify>) -> Result<()> {
    match demanded {
        None | Some(Verify::No | Verify::Checksum) => Ok(()),
        Some(Verify::Signature) => {
            let text = "Signatures of OCI images cannot be verified; digests always are. A reference \
                        that ends with @sha256:DIGEST says which image it must be";
            Err(Error::new(Kind::Unsupported, text))
        }
        Some(Verify::Digest(_)) => Err(refused(
            "--verify= takes no digest of an OCI image: add @sha256:DIGEST to the reference",
        )),
    }
}

fn reference(word: Option<&OsString>) -> Result<Reference> {
    let text = word.map(|word| word.to_string_lossy()).unwrap_or_default();
    text.parse().map_err(|error| {
        let text = format!("OCI ref '{}' is invalid", text.escape_debug());
        Error::caused(Kind::InvalidArgument, text, error)
    })
}

/// The image's name: the one given, else the last component of the reference's.
fn name(word: Option<&OsString>, reference: &Reference) -> Result<ImageName> {
    match word {
        Some(given) if given.is_empty() || given == "-" => Err(refused(
            "An OCI image has no pristine copy: leave out the name, or give one",
        )),
        Some(given) => given_name(given),
        None => ImageName::parse(reference.last()).map_err(|error| {
            let text = format!(
                "Failed to derive an image name from '{reference}'; give one as second argument"
            );
            Error::caused(Kind::InvalidArgument, text, error)
        }),
    }
}

/// Refuses to replace a tree of foreign ids: only their owner can remove it, and layers are made by
/// another one. All of it would be downloaded for nothing.
pub(super) fn refuse_foreign(target: &Target, name: &ImageName) -> Result<()> {
    let root = &target.places.root;
    let need = Need::to_remove(root, |old| target.force && old == name.as_str());
    match need {
        Need::VisitForeign => {
            let text = format!(
                "Image '{name}' has foreign ids, and an OCI image has those of /etc/subuid: remove it \
                 first"
            );
            Err(Error::new(Kind::Unsupported, text))
        }
        _ => Ok(()),
    }
}

fn refused(text: &str) -> Error {
    Error::new(Kind::InvalidArgument, text)
}

#[cfg(test)]
#[path = "oci/tests.rs"]
mod tests;
