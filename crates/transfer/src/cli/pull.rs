//! `systemd-pull tar|raw URL [NAME]`, `systemd-pull verify URL [FILE]`; `oci` is in a file of its own.

use super::clean::{CleanOptions, PlanOptions};
use super::disk::DiskOptions;
use super::evidence::EvidenceOptions;
use super::image::ImageOptions;
use super::limits::LimitOptions;
use super::network::{NetworkOptions, configured};
use super::oci::OciOptions;
use super::push::PackOptions;
use super::target::TargetOptions;
use super::values::switch;
use super::verify;
use super::words::{destination, given_name, optional};
use super::{Environment, Verb, Worker};
use crate::context::Context;
use crate::destination::Destination;
use crate::error::{Doing, Error, Result};
use crate::owners::Need;
use crate::pull::direct::Place;
use crate::pull::evidence::keys::{Keys, Trust};
use crate::pull::verify::Findings;
use crate::pull::{self, Request};
use crate::sink::raw::Bounds;
use crate::sink::tree::Limits;
use crate::source::settings::Settings;
use importd_api::cache;
use importd_api::failure::Kind;
use importd_api::job::Local;
use importd_api::name::{Form, ImageName};
use importd_api::url::Url;
use importd_api::verify::Verify;
use importd_host::staging;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of an unpacked disk image, archive or layer unless --size-max= says otherwise, as in the reference.
pub(super) const SIZE_MAX_DEFAULT: u64 = 64 << 30;

/// The verb that explains.
const VERIFY: &str = "verify";
/// The verb for OCI images.
const OCI: &str = "oci";
/// The verb that goes the other way.
const PUSH: &str = "push";

/// Downloads an archive, a disk image or an OCI image.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "systemd-pull",
    about = "Download container or virtual machine images.",
    override_usage = "systemd-pull [OPTIONS...] tar|raw URL [NAME]\n       \
                      systemd-pull [OPTIONS...] oci REF [NAME]\n       \
                      systemd-pull [OPTIONS...] push NAME REF\n       \
                      systemd-pull [OPTIONS...] clean [URL|NAME...]\n       \
                      systemd-pull [OPTIONS...] verify URL [FILE]\n       \
                      (NAME '-' only keeps the download; raw --direct: standard output)"
)]
pub struct Arguments {
    // Before the others: what these have read is gone from the matches.
    #[command(flatten)]
    pub(super) evidence: EvidenceOptions,
    #[command(flatten)]
    pub(super) target: TargetOptions,
    /// Keep the download as it came, beside the image
    #[arg(long, value_name = "BOOL")]
    pub(super) keep_download: Option<String>,
    /// Keep what came of an unfinished download, for the next try (default: yes)
    #[arg(long, value_name = "BOOL")]
    pub(super) keep_partial: Option<String>,
    #[command(flatten)]
    pub(super) disk: DiskOptions,
    #[command(flatten)]
    pub(super) limits: LimitOptions,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    #[command(flatten)]
    pub(super) plan: PlanOptions,
    #[command(flatten)]
    pub(super) clean: CleanOptions,
    #[command(flatten)]
    pub(super) oci: OciOptions,
    #[command(flatten)]
    pub(super) pack: PackOptions,
    #[command(flatten)]
    pub(super) image: ImageOptions,
    /// Verb, address and name
    #[arg(value_name = "VERB URL [NAME]", hide = true)]
    pub(super) words: Vec<OsString>,
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
        Verb {
            name: OCI,
            about: "Download an OCI image",
        },
        Verb {
            name: PUSH,
            about: "Upload a tree or a stack as an OCI image",
        },
        Verb {
            name: VERIFY,
            about: "Explain what a download would be proven by, and compare a file with it",
        },
        Verb {
            name: "clean",
            about: "Remove kept downloads and what killed transfers left",
        },
    ];

    fn word_count(verb: &str) -> (usize, Option<usize>) {
        match verb {
            "clean" => (1, None),
            PUSH => (3, Some(3)),
            _ => (2, Some(3)),
        }
    }

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()> {
        if verb == PUSH {
            return self.run_push(environment, context);
        }
        self.pack.refuse()?;
        self.image.refuse(verb)?;
        if verb == OCI {
            return self.run_oci(environment, context);
        }
        self.oci.refuse()?;
        if verb == VERIFY {
            return self.explain(environment, context);
        }
        if verb == "clean" {
            return self.run_clean(environment, context);
        }
        self.clean.refuse()?;
        let form = if verb == "tar" { Form::Tar } else { Form::Raw };
        let evidence = self.evidence.resolve(self.target.is_machine())?;
        let (bounds, range) = self.disk.checked(self.target.direct)?;
        let bounds = Bounds {
            size_max: bounds.size_max.or(Some(SIZE_MAX_DEFAULT)),
            ..bounds
        };
        evidence.check(self.target.direct)?;
        let limits = self.limits.limits(bounds.size_max)?;
        let environment = Environment {
            network: configured(environment.network.clone(), &context.report),
            ..environment.clone()
        };
        let mut request = self.request(form, &environment)?;
        let output = self.plan.output()?;
        if self.plan.dry_run {
            if self.target.direct {
                let text = "--dry-run tells about images; it does not go with --direct";
                return Err(Error::new(Kind::InvalidArgument, text));
            }
            let limits = plan_limits(form, bounds, &limits);
            let out: &mut dyn Write = &mut std::io::stdout();
            return pull::plan::run(&request, limits, output, (out, context));
        }
        let need = need(&request);
        let context = &context.with_owners(self.target.scope(), need)?;
        if form == Form::Tar && context.owners.are_foreign() {
            request.keep_download = false;
        }
        if self.target.direct {
            let place = self.place(form, &request)?;
            return match form {
                Form::Tar => pull::direct::tar::run(&request, &place, limits, context),
                Form::Raw => pull::direct::raw::run(&request, &place, (range, bounds), context),
            };
        }
        match form {
            Form::Tar => pull::tar::run(&request, limits, context),
            Form::Raw => pull::raw::run(&request, bounds, context),
        }
    }
}

impl Arguments {
    fn run_clean(&self, environment: &Environment, context: &Context) -> Result<()> {
        let root = self.target.target(environment)?.places.root;
        let words = self.words.get(1..).unwrap_or_default();
        let folders = (root, self.cache(environment));
        let request = self.clean.request(words, &self.plan, folders)?;
        let need = Need::to_remove(&request.root, staging::is_hidden);
        let context = &context.with_owners(self.target.scope(), need)?;
        pull::clean::run(&request, context, &mut std::io::stdout())
    }

    /// Where a download goes with `--direct`: the name is a path, or `-` for standard output;
    /// without one it is the address's own name, in the image root.
    fn place(&self, form: Form, request: &Request) -> Result<Place> {
        let target = &request.target;
        match self.words.get(2).map(OsString::as_os_str) {
            Some(given) if optional(Some(given)).is_none() => Ok(Place::Output),
            Some(given) => destination(Some(given), None, target, |file| file).map(Place::Path),
            None => {
                let name = derived(&request.url, form)?;
                let path = target.places.root.join(name.as_str());
                Ok(Place::Path(Destination::Path(path)))
            }
        }
    }

    /// The folder of unfinished downloads.
    pub(super) fn cache(&self, environment: &Environment) -> Option<PathBuf> {
        let given = environment.cache_directory.clone();
        let home = environment.cache_home.as_deref();
        cache::directory(self.target.scope(), given, home)
    }

    fn explain(&self, environment: &Environment, context: &Context) -> Result<()> {
        let output = self.plan.output()?;
        let url = url(self.words.get(1).map(OsString::as_os_str))?;
        let demanded = self.evidence.resolve(self.target.is_machine())?.verify;
        let path = self.words.get(2).map(Path::new);
        let open = |path: &Path| -> Result<pull::verify::Local> {
            let failed = || format!("Failed to open '{}'", path.display());
            let file = std::fs::File::open(path).doing(failed)?;
            Ok(pull::verify::Local {
                path: path.to_owned(),
                file,
            })
        };
        let local = path.map(open).transpose()?;
        let findings = match self.asked(Local::Pristine, Form::Raw, environment) {
            Ok(request) => pull::verify::run(&request, local, context)?,
            Err(error) if error.kind == Kind::InvalidArgument => return Err(error),
            // There are no keys, or bad ones: a download would be refused for that.
            Err(error) => Findings::nothing(error),
        };
        let text = verify::shown((&url, &demanded), path, &findings, output);
        std::io::stdout()
            .write_all(text.as_bytes())
            .doing(|| "Failed to write to standard output".into())?;
        findings.refusal.map_or(Ok(()), Err)
    }

    /// The checked request.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what cannot be; what reading the keyring says.
    pub fn request(&self, form: Form, environment: &Environment) -> Result<Request> {
        let url = url(self.words.get(1).map(OsString::as_os_str))?;
        let local = match self.target.direct {
            true => Local::Pristine,
            false => local(self.words.get(2).map(OsString::as_os_str), &url, form)?,
        };
        self.asked(local, form, environment)
    }

    fn asked(&self, local: Local, form: Form, environment: &Environment) -> Result<Request> {
        let is_machine = self.target.is_machine();
        let evidence = self.evidence.resolve(is_machine)?.of(form);
        let verify = evidence.verify;
        let url = url(self.words.get(1).map(OsString::as_os_str))?;
        let trust = match verify {
            Verify::Signature => Some(Arc::new(Trust {
                keys: Keys::load(environment.keyring.as_deref())?,
                is_freshness_demanded: environment.freshness != Some(false),
            })),
            Verify::No | Verify::Checksum | Verify::Digest(_) => None,
        };
        let usual = Settings {
            is_proven: verify != Verify::No,
            ..environment.network.clone()
        };
        let network = self.network.settings(usual, &url)?;
        let cache = match switch("keep-partial", self.keep_partial.as_deref(), true)? {
            true => self.cache(environment),
            false => None,
        };
        Ok(Request {
            local,
            url,
            form,
            verify,
            trust,
            certificates: environment.certificates.clone(),
            companions: evidence.companions,
            keep_download: switch("keep-download", self.keep_download.as_deref(), is_machine)?,
            network,
            cache,
            target: self.target.target(environment)?,
        })
    }
}

/// What a download does with trees.
fn need(request: &Request) -> Need {
    match (request.form, request.target.force) {
        // What is kept is the caller's, and so is a folder that is there.
        (Form::Tar, _) if request.local == Local::Pristine => Need::Copy,
        (Form::Tar, _) => Need::Make,
        (Form::Raw, true) => match &request.local {
            Local::Named(name) => {
                let root = &request.target.places.root;
                Need::to_remove(root, |old| old == name.as_str())
            }
            Local::Derived | Local::Pristine => Need::Visit,
        },
        (Form::Raw, false) => Need::None,
    }
}

fn plan_limits(form: Form, bounds: Bounds, limits: &Limits) -> pull::plan::Limits {
    match form {
        Form::Tar => pull::plan::Limits {
            bytes_max: limits.bytes,
            entries_max: Some(limits.entries),
            is_unconverted: false,
        },
        Form::Raw => pull::plan::Limits {
            bytes_max: bounds.size_max,
            entries_max: None,
            is_unconverted: bounds.format.is_some(),
        },
    }
}

fn url(argument: Option<&OsStr>) -> Result<Url> {
    let text = argument.unwrap_or_default().to_string_lossy();
    Url::parse(&text).map_err(|error| Error::new(Kind::InvalidArgument, error.to_string()))
}

fn local(argument: Option<&OsStr>, url: &Url, form: Form) -> Result<Local> {
    match argument {
        Some(text) if text.is_empty() || text == "-" => Ok(Local::Pristine),
        Some(text) => given_name(text).map(Local::Named),
        None => derived(url, form).map(Local::Named),
    }
}

fn derived(url: &Url, form: Form) -> Result<ImageName> {
    url.image_name(form).map_err(|error| {
        let text =
            format!("Failed to derive an image name from {url}; give one as second argument");
        Error::caused(Kind::InvalidArgument, text, error)
    })
}
