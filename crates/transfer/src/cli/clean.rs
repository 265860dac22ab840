//! `systemd-pull clean [URL|NAME...]`

use super::values::duration;
use crate::error::{Error, Result};
use crate::pull::clean::{Output, Request};
use importd_api::failure::Kind;
use std::ffi::OsString;
use std::path::PathBuf;

/// What to remove: options of `clean`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct CleanOptions {
    /// clean: only downloads that a newer one supersedes
    #[arg(long)]
    superseded: bool,
    /// clean: only what is at least this old (as in 30d, 12h)
    #[arg(long, value_name = "TIME")]
    older_than: Option<String>,
}

/// How to tell what is done: options of `clean`, and of what can be planned.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct PlanOptions {
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How to tell it (pretty, short, off)
    #[arg(long, value_name = "FORMAT")]
    json: Option<String>,
}

impl PlanOptions {
    /// How results are printed.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for another format.
    pub(super) fn output(&self) -> Result<Output> {
        match self.json.as_deref() {
            None | Some("off") => Ok(Output::Text),
            Some("short") => Ok(Output::Json),
            Some("pretty") => Ok(Output::PrettyJson),
            Some(other) => {
                let shown = other.escape_debug();
                let text = format!("Unknown argument to --json= switch: {shown}");
                Err(Error::new(Kind::InvalidArgument, text))
            }
        }
    }
}

impl CleanOptions {
    /// The checked request.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for what is no text or time.
    pub(super) fn request(
        &self,
        words: &[OsString],
        plan: &PlanOptions,
        (root, cache): (PathBuf, Option<PathBuf>),
    ) -> Result<Request> {
        let texts = words.iter().map(|word| {
            word.to_str().map(str::to_owned).ok_or_else(|| {
                let shown = word.to_string_lossy().into_owned();
                let text = format!(
                    "'{}' is neither an address nor a name",
                    shown.escape_debug()
                );
                Error::new(Kind::InvalidArgument, text)
            })
        });
        Ok(Request {
            root,
            cache,
            selected: texts.collect::<Result<_>>()?,
            is_superseded_only: self.superseded,
            older_than: match &self.older_than {
                Some(text) => Some(duration("older-than", text)?),
                None => None,
            },
            dry_run: plan.dry_run,
            output: plan.output()?,
        })
    }

    /// Refuses these options for other verbs.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] if one is given.
    pub(super) fn refuse(&self) -> Result<()> {
        if self.superseded || self.older_than.is_some() {
            let text = "--superseded and --older-than= are for the verb clean";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        Ok(())
    }
}
