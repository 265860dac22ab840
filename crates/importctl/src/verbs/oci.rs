//! `pull-oci`, `import-oci`, `export-oci`, `push-oci`.

use super::{Context, import, job, pull};
use crate::client::{Arguments, Call, Options};
use crate::names::{self, Source};
use crate::report::Failure;
use crate::standalone::{self, Ends, Task};
use crate::target::Target;
use importd_api::bus;
use importd_api::flags::Flags;
use importd_api::job::{Job, Kind, Shape, Work};
use importd_api::name::{Form, ImageName};
use importd_api::worker;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

/// Pulls an OCI image.
///
/// # Errors
/// A failure if the reference or the name cannot be used, or the transfer fails.
pub(crate) async fn pull(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let [reference, rest @ ..] = arguments else {
        return Err(Failure::usage("Too few arguments."));
    };
    let reference = names::reference(reference)?;
    let local = names::pulled_oci(&reference, rest.first().map(OsString::as_os_str))?;
    let flags = settings.flags;
    if settings.standalone || settings.dry_run {
        let work = Work::PullOci {
            reference,
            local,
            shape: settings.shape.clone(),
        };
        let job = job(context, class, flags, work);
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
        let options = Options::Shape(flags, &settings.shape, None);
        Arguments::OciText((&reference, local), class, options)
    };
    context.transfer(&Call { method, arguments }, None).await
}

/// Imports an OCI image from a layout folder or an archive.
///
/// # Errors
/// A failure if the source or the name cannot be used, or the transfer fails.
pub(crate) async fn import(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let mut given = arguments.iter().map(OsString::as_os_str);
    let path = given.next().filter(|path| !names::is_none(path));
    let source = match path {
        Some(path) if Path::new(path).is_dir() => Source::Folder,
        Some(_) | None => Source::File(Form::Tar),
    };
    let name = names::imported(path, given.next(), source)?;
    context.needs_files("copy it there and run \"IMPORTCTL\" with the copy")?;
    let file = import::open(path, source)?;
    let (flags, shape) = (settings.flags, &settings.shape);
    let tag = settings.packing.tag.as_ref();
    if settings.standalone {
        let work = Work::ImportOci {
            name,
            tag: tag.cloned(),
            shape: shape.clone(),
        };
        let job = job(context, class, flags, work);
        let ends = Ends::Input(file);
        return standalone::run(&job, ends, context.screen(), &context.environment).await;
    }
    let options = Options::Shape(flags, shape, tag);
    let call = Call {
        method: bus::methods(Kind::ImportOci).1,
        arguments: Arguments::OciInput(file.as_fd(), name.as_str(), class, options),
    };
    context.transfer(&call, None).await
}

/// Writes an image as an OCI image.
///
/// # Errors
/// A failure if the name or the target cannot be used, or the transfer fails.
pub(crate) async fn export(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let [name, rest @ ..] = arguments else {
        return Err(Failure::usage("Too few arguments."));
    };
    let name = names::exported(name)?;
    let file = rest.first().filter(|path| !names::is_none(path));
    let packing = settings.packing.clone();
    if let Some(folder) = file.filter(|file| !is_archive(file)) {
        if !settings.standalone {
            return Err(Failure::usage(
                "A layout folder needs --standalone; the service writes archives: end FILE with .tar",
            ));
        }
        let job = job(
            context,
            class,
            Flags::default(),
            Work::ExportOci { name, packing },
        );
        let folder = std::path::absolute(folder);
        let folder = folder.map_err(|error| Failure::io("Failed to resolve FILE", &error))?;
        let mut task = image_task(context, &job, Ends::None);
        task.arguments.push(folder.into_os_string());
        return standalone::run_task(task, context.screen(), &context.environment).await;
    }
    context.needs_files("run \"IMPORTCTL\" without FILE and redirect the output of ssh")?;
    refuse_for_service(context)?;
    let target = Target::open(file.map(Path::new))?;
    let output = target.duplicate()?;
    if settings.standalone {
        let job = job(
            context,
            class,
            Flags::default(),
            Work::ExportOci { name, packing },
        );
        let task = image_task(context, &job, Ends::Output(output));
        let code = standalone::run_task(task, context.screen(), &context.environment).await?;
        target.publish()?;
        return Ok(code);
    }
    let options = Options::Packing(&packing);
    let call = Call {
        method: bus::methods(Kind::ExportOci).1,
        arguments: Arguments::OciOutput(name.as_str(), class, output.as_fd(), options),
    };
    context.transfer(&call, Some(target)).await
}

/// Sends an image to an OCI registry.
///
/// # Errors
/// A failure if the name or the reference cannot be used, or the transfer fails.
pub(crate) async fn push(context: &Context, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let [name, reference] = arguments else {
        return Err(Failure::usage("Too few arguments."));
    };
    let name = names::exported(name)?;
    let reference = names::reference(reference)?;
    let packing = settings.packing.clone();
    if settings.standalone {
        let work = Work::PushOci {
            name,
            reference,
            packing,
        };
        let job = job(context, class, Flags::default(), work);
        let mut task = image_task(context, &job, Ends::None);
        task.arguments
            .splice(0..0, settings.network.iter().cloned());
        return standalone::run_task(task, context.screen(), &context.environment).await;
    }
    refuse_for_service(context)?;
    pull::refuse_for_service(&settings.network)?;
    let reference = reference.to_string();
    let options = Options::Packing(&packing);
    let call = Call {
        method: bus::methods(Kind::PushOci).1,
        arguments: Arguments::OciText((name.as_str(), &reference), class, options),
    };
    context.transfer(&call, None).await
}

/// The worker that makes an OCI image of a job's image.
fn image_task(context: &Context, job: &Job, ends: Ends) -> Task {
    Task {
        program: worker::program(job),
        arguments: [context.settings.image.clone(), worker::arguments(job)].concat(),
        ends,
        has_progress: true,
    }
}

/// What an image says of how it is started, the service has no way to be told.
fn refuse_for_service(context: &Context) -> anyhow::Result<()> {
    let settings = &context.settings;
    match settings.image.first() {
        Some(option) if !settings.standalone => {
            let option = option.to_string_lossy();
            let name = option.split_once('=').map_or(&*option, |(name, _)| name);
            Err(Failure::usage(format!("{name}= needs --standalone")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a file is written as an archive; everything else is a folder.
fn is_archive(path: &OsStr) -> bool {
    let name = Path::new(path).file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.ends_with(".tar"))
}
