//! `systemd-import tar|raw|oci FILE [NAME]`

use super::disk::DiskOptions;
use super::limits::LimitOptions;
use super::oci::{OciOptions, refuse_foreign};
use super::target::TargetOptions;
use super::words::{destination, image_name, optional};
use super::{Environment, Verb, Worker};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::import::{self, Request};
use crate::oci::install::Wish;
use crate::owners::Need;
use importd_api::failure::Kind;
use importd_api::name::Form;
use std::ffi::OsString;
use std::path::PathBuf;

/// Imports an archive, a disk image or an image of OCI.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "systemd-import",
    about = "Import container or virtual machine images.",
    override_usage = "systemd-import [OPTIONS...] tar|raw|oci FILE [NAME]\n       \
                      (FILE '-' is standard input)"
)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    #[command(flatten)]
    disk: DiskOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    oci: OciOptions,
    /// oci: which image of several, by its name, its tag or its digest
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// Verb, file and name
    #[arg(value_name = "VERB FILE [NAME]", hide = true)]
    words: Vec<OsString>,
}

impl Worker for Arguments {
    const VERBS: &'static [Verb] = &[
        Verb {
            name: "tar",
            about: "Import an archive",
        },
        Verb {
            name: "raw",
            about: "Import a disk image",
        },
        Verb {
            name: "oci",
            about: "Import an image of OCI: a layout folder, an archive, what docker save wrote",
        },
    ];

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()> {
        if verb == "oci" {
            return self.work_oci(environment, context);
        }
        self.oci.refuse()?;
        if self.tag.is_some() {
            let text = "--tag= is for the verb oci";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let form = if verb == "tar" { Form::Tar } else { Form::Raw };
        let source = optional(self.words.get(1).map(OsString::as_os_str)).map(PathBuf::from);
        let scope = self.target.scope();
        let target = self.target.target(environment)?;
        let (bounds, range) = self.disk.checked(target.direct)?;
        let limits = self.limits.limits(bounds.size_max)?;
        let given = self.words.get(2).map(OsString::as_os_str);
        let request = Request {
            destination: destination(given, source.as_deref(), &target, |file| {
                form.strip_suffixes(file)
            })?,
            source,
            target,
        };
        // An image that is replaced may be a tree, whatever the new one is.
        let need = match (form, request.target.force) {
            // What is there already is the caller's.
            (Form::Tar, _) if request.target.direct => Need::Copy,
            (Form::Tar, _) => Need::Make,
            (Form::Raw, true) => request.need_to_replace(),
            (Form::Raw, false) => Need::None,
        };
        let context = &context.with_owners(scope, need)?;
        match form {
            Form::Tar => import::tar::run(&request, limits, context),
            Form::Raw => import::raw::run(&request, range, bounds, context),
        }
    }
}

impl Arguments {
    fn work_oci(&self, environment: &Environment, context: &Context) -> Result<()> {
        let source = optional(self.words.get(1).map(OsString::as_os_str)).map(PathBuf::from);
        let target = self.target.target(environment)?;
        let (bounds, _) = self.disk.checked(target.direct)?;
        if target.direct {
            let text = "An OCI image cannot be written to a path: --direct is for archives and \
                        disk images";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        if self.oci.reset && !target.force {
            let text = "--reset needs --force";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        let given = self.words.get(2).map(OsString::as_os_str);
        let name = image_name(given, source.as_deref(), |file| {
            Form::Tar.strip_suffixes(file)
        })?;
        refuse_foreign(&target, &name)?;
        let request = import::oci::Request {
            source,
            tag: self.tag.clone(),
            wish: Wish {
                name,
                platform: self.oci.platform()?,
                flat: self.oci.is_flat(target.places.class),
                reset: self.oci.reset,
                limits: self.limits.limits(bounds.size_max)?,
                target,
            },
        };
        let context = &context.with_owners(self.target.scope(), Need::MakeSeveral)?;
        import::oci::run(&request, context)
    }
}
