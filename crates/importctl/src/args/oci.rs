//! What an image of OCI is, and becomes: options of `pull-oci`, `import-oci`, `export-oci`, `push-oci`.

use super::values::{parse_architecture, parse_tag};
use crate::report::Failure;
use importd_api::architecture::Architecture;
use importd_api::format::Format;
use importd_api::job::{Packing, Shape};
use importd_api::oci::Tag;
use std::ffi::OsString;

/// Options as typed.
#[derive(clap::Args, Debug, Default)]
pub(super) struct OciOptions {
    /// With images of OCI: for which machine (default: this one)
    #[arg(long, value_name = "ARCH[/VARIANT]", allow_hyphen_values = true,
          value_parser = parse_architecture)]
    arch: Option<Architecture>,
    /// With pull-oci, import-oci: one tree, not a stack of layers (always for extensions)
    #[arg(long)]
    flat: bool,
    /// With pull-oci, import-oci and --force: what was changed in the stack that is replaced goes too
    #[arg(long)]
    reset: bool,
    /// With import-oci, export-oci: name of the image in the layout or archive
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = parse_tag)]
    tag: Option<Tag>,
    /// With export-oci, push-oci: the program that is started; repeatable, or a JSON list (needs --standalone)
    #[arg(long, value_name = "WORD", allow_hyphen_values = true,
          action = clap::ArgAction::Append)]
    entrypoint: Vec<OsString>,
    /// With export-oci, push-oci: its arguments; repeatable, or a JSON list (needs --standalone)
    #[arg(long, value_name = "WORD", allow_hyphen_values = true,
          action = clap::ArgAction::Append)]
    cmd: Vec<OsString>,
    /// With export-oci, push-oci: a variable of its environment; repeatable (needs --standalone)
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true,
          action = clap::ArgAction::Append)]
    env: Vec<OsString>,
    /// With export-oci, push-oci: who it runs as (needs --standalone)
    #[arg(long, value_name = "USER[:GROUP]", allow_hyphen_values = true)]
    run_as: Option<OsString>,
    /// With export-oci, push-oci: the folder that it is started in (needs --standalone)
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    workdir: Option<OsString>,
}

/// Which of the verbs for images of OCI a line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OciVerb {
    /// `pull-oci`
    Pull,
    /// `import-oci`
    Import,
    /// `export-oci`
    Export,
    /// `push-oci`
    Push,
}

impl OciVerb {
    /// The verb of that name.
    pub(super) fn parse(name: Option<&OsString>) -> Option<Self> {
        match name?.to_str()? {
            "pull-oci" => Some(Self::Pull),
            "import-oci" => Some(Self::Import),
            "export-oci" => Some(Self::Export),
            "push-oci" => Some(Self::Push),
            _ => None,
        }
    }
}

impl OciOptions {
    /// Refuses options that mean nothing for a verb, and what cannot be together.
    ///
    /// # Errors
    /// A usage failure.
    pub(super) fn check(&self, verb: Option<OciVerb>, force: bool) -> anyhow::Result<()> {
        let makes_image = matches!(verb, Some(OciVerb::Pull | OciVerb::Import));
        let makes_oci = matches!(verb, Some(OciVerb::Export | OciVerb::Push));
        let has_tags = matches!(verb, Some(OciVerb::Import | OciVerb::Export));
        let refusal = if self.arch.is_some() && verb.is_none() {
            "--arch= is for images of OCI"
        } else if (self.flat || self.reset) && !makes_image {
            "--flat and --reset are for pull-oci and import-oci"
        } else if self.tag.is_some() && !has_tags {
            "--tag= is for import-oci and export-oci"
        } else if !self.for_worker().is_empty() && !makes_oci {
            "--entrypoint=, --cmd=, --env=, --run-as= and --workdir= are for export-oci and push-oci"
        } else if self.reset && !force {
            "--reset needs --force"
        } else {
            return Ok(());
        };
        Err(Failure::usage(refusal))
    }

    /// What a download or an import becomes.
    pub(super) fn shape(&self) -> Shape {
        Shape {
            architecture: self.arch.clone(),
            flat: self.flat,
            reset: self.reset,
        }
    }

    /// What an export becomes.
    pub(super) fn packing(&self, format: Option<Format>) -> Packing {
        Packing {
            format,
            architecture: self.arch.clone(),
            tag: self.tag.clone(),
        }
    }

    /// What only the worker is told.
    pub(super) fn for_worker(&self) -> Vec<OsString> {
        let many = [
            ("--entrypoint=", &self.entrypoint),
            ("--cmd=", &self.cmd),
            ("--env=", &self.env),
        ];
        let many = many
            .into_iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let single = [("--run-as=", &self.run_as), ("--workdir=", &self.workdir)];
        let single = single
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
        let options = many.chain(single).map(|(name, value)| {
            let mut option = OsString::from(name);
            option.push(value);
            option
        });
        options.collect()
    }
}
