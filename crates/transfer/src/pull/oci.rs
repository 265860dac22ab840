//! An OCI image is downloaded and becomes a mount stack, or one tree: `systemd-pull oci`.

use crate::context::{Context, Target};
use crate::error::{Error, Result};
use crate::oci::registry::Surroundings;
use crate::pull::clean::Output;
use crate::sink::tree::Limits;
use crate::source::settings::Settings;
use importd_api::failure::Kind;
use importd_api::name::ImageName;
use importd_api::oci::Reference;
use importd_formats::oci::platform::Wanted;
use std::io::Write;
use std::path::PathBuf;

/// What to pull, as checked by the command line.
#[derive(Debug)]
pub struct Request {
    /// The image's name in its registry.
    pub reference: Reference,
    /// Its name here.
    pub name: ImageName,
    /// Where registries are described, and credentials for them are.
    pub registries: Surroundings,
    /// For which machine.
    pub platform: Wanted,
    /// One tree, not a stack of layers.
    pub flat: bool,
    /// With a stack that is replaced, what was changed in it goes too.
    pub reset: bool,
    /// What each layer may become.
    pub limits: Limits,
    /// Certificate files that the environment names.
    pub certificates: Vec<PathBuf>,
    /// How patient the network is taken.
    pub network: Settings,
    /// The folder of unfinished downloads; `None` to keep nothing of them.
    pub cache: Option<PathBuf>,
    /// Where the image goes.
    pub target: Target,
}

/// Pulls an image.
///
/// # Errors
/// By kind as the stages say; nothing is left then but layers that are complete.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    context.report.info(format!(
        "Pulling '{}', saving as '{}'.",
        request.reference, request.name
    ));
    let text = "OCI images cannot be pulled yet";
    Err(Error::new(Kind::Unsupported, text))
}

/// Finds out what that would do, and prints it.
///
/// # Errors
/// The first of what the pull would fail with.
pub fn plan(
    request: &Request,
    _output: Output,
    (_out, context): (&mut dyn Write, &Context),
) -> Result<()> {
    run(request, context)
}
