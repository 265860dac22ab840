//! `systemd-import tar|raw FILE [NAME]`

use super::disk::DiskOptions;
use super::limits::LimitOptions;
use super::target::TargetOptions;
use super::words::{destination, optional};
use super::{Environment, Verb, Worker};
use crate::context::Context;
use crate::error::Result;
use crate::import::{self, Request};
use crate::owners::Need;
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
    #[command(flatten)]
    disk: DiskOptions,
    #[command(flatten)]
    limits: LimitOptions,
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
    ];

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, verb: &str, environment: &Environment, context: &Context) -> Result<()> {
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
