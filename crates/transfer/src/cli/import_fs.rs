//! `systemd-import-fs run DIRECTORY [NAME]`

use super::target::TargetOptions;
use super::words::{destination, optional};
use super::{Environment, Verb, Worker};
use crate::context::Context;
use crate::error::Result;
use crate::import::{self, Request};
use crate::owners::Need;
use std::ffi::OsString;
use std::path::PathBuf;

/// Imports a folder.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "systemd-import-fs",
    about = "Import container images from a file system directory.",
    override_usage = "systemd-import-fs [OPTIONS...] run DIRECTORY [NAME]\n       \
                      (DIRECTORY '-' is standard input)"
)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// Verb, folder and name
    #[arg(value_name = "run DIRECTORY [NAME]", hide = true)]
    words: Vec<OsString>,
}

impl Worker for Arguments {
    const VERBS: &'static [Verb] = &[Verb {
        name: "run",
        about: "Import a folder",
    }];

    fn words(&self) -> &[OsString] {
        &self.words
    }

    fn work(self, _verb: &str, environment: &Environment, context: &Context) -> Result<()> {
        let source = optional(self.words.get(1).map(OsString::as_os_str)).map(PathBuf::from);
        let given = self.words.get(2).map(OsString::as_os_str);
        let target = self.target.target(environment)?;
        let request = Request {
            destination: destination(given, source.as_deref(), &target, |file| file)?,
            source,
            target,
        };
        let context = &context.with_owners(self.target.scope(), Need::Copy)?;
        import::fs::run(&request, context)
    }
}
