//! `pull-oci`.

use super::{Context, pull};
use crate::client::{Arguments, Call};
use crate::names;
use crate::report::Failure;
use importd_api::bus;
use importd_api::job::{Job, Kind, Shape, Work};
use importd_api::name::ImageName;
use std::ffi::OsString;
use std::process::ExitCode;

/// Pulls an OCI image.
///
/// # Errors
/// A failure if the reference or the name cannot be used, or the transfer fails.
pub(crate) async fn run(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let [reference, rest @ ..] = arguments else {
        return Err(Failure::usage("Too few arguments."));
    };
    let reference = names::reference(reference)?;
    let local = names::pulled_oci(&reference, rest.first().map(OsString::as_os_str))?;
    let flags = settings.flags;
    if settings.standalone || settings.dry_run {
        let job = Job {
            scope: settings.scope,
            class,
            force: flags.force,
            read_only: flags.read_only,
            image_root: settings.image_root.clone(),
            work: Work::PullOci {
                reference,
                local,
                shape: settings.shape.clone(),
            },
        };
        return match settings.dry_run {
            true => pull::plan(context, &job).await,
            false => pull::alone(context, &job).await,
        };
    }
    pull::refuse_for_service(&settings.network)?;
    let reference = reference.to_string();
    let local = local.as_ref().map_or("", ImageName::as_str);
    let kind = Kind::PullOci;
    let method = bus::methods(kind).1;
    let arguments = if settings.shape == Shape::default() {
        let flags = flags.word(kind.known_flags());
        Arguments::PullOci(&reference, local, class, flags)
    } else {
        // Which the original's service has no words for.
        Arguments::PullOciAs((&reference, local), class, flags, &settings.shape)
    };
    context.transfer(&Call { method, arguments }, None).await
}
