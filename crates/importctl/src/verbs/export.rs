//! `export-tar`, `export-raw`.

use super::{Context, job};
use crate::client::{Arguments, Call};
use crate::names;
use crate::report::Failure;
use crate::standalone::{self, Ends};
use crate::target::Target;
use importd_api::bus;
use importd_api::class::Class;
use importd_api::flags::Flags;
use importd_api::format::Format;
use importd_api::job::{Job, Kind, Work};
use importd_api::name::Form;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::ExitCode;

/// Exports an image.
///
/// # Errors
/// A failure if the name or the target cannot be used, or the transfer fails.
pub(crate) async fn run(
    context: &Context,
    form: Form,
    arguments: &[OsString],
) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let [name, rest @ ..] = arguments else {
        return Err(Failure::usage("Too few arguments."));
    };
    let name = names::exported(name)?;
    context.needs_files("run \"IMPORTCTL\" without FILE and redirect the output of ssh")?;
    let path = rest
        .first()
        .filter(|path| !names::is_none(path))
        .map(Path::new);
    let format = settings.format.or_else(|| path.and_then(format_of));
    let target = Target::open(path)?;
    if settings.standalone {
        let work = Work::Export { form, name, format };
        let job = job(context, class, Flags::default(), work);
        return alone(context, &job, target).await;
    }
    let output = target.duplicate()?;
    let texts = (name.as_str(), format.map_or("", Format::as_str));
    let call = call(form, texts, output.as_fd(), class, settings.flags);
    context.transfer(&call, Some(target)).await
}

async fn alone(context: &Context, job: &Job, target: Target) -> anyhow::Result<ExitCode> {
    let ends = Ends::Output(target.duplicate()?);
    let code = standalone::run(job, ends, context.screen(), &context.environment).await?;
    target.publish()?;
    Ok(code)
}

/// The format that a file's name asks for; `None` leaves it to the worker: uncompressed.
fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    Some(Format::from_file_name(name)).filter(|format| *format != Format::Uncompressed)
}

/// The old method for what it can say, else the new one.
fn call<'a>(
    form: Form,
    (name, format): (&'a str, &'a str),
    file: BorrowedFd<'a>,
    class: Class,
    flags: Flags,
) -> Call<'a> {
    let kind = match form {
        Form::Tar => Kind::ExportTar,
        Form::Raw => Kind::ExportRaw,
    };
    match bus::methods(kind) {
        (Some(method), _) if class == Class::Machine && flags == Flags::default() => Call {
            method,
            arguments: Arguments::Export(name, file, format),
        },
        (_, method) => Call {
            method,
            arguments: Arguments::ExportEx(name, class, file, format),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_come_from_the_ending_of_the_file() {
        for (path, format) in [
            ("/d/a.tar.xz", Some(Format::Xz)),
            ("a.tgz", Some(Format::Gzip)),
            ("a.zst", Some(Format::Zstd)),
            ("d.gz/a.tar", None),
            ("a", None),
        ] {
            assert_eq!(format_of(Path::new(path)), format, "{path}");
        }
    }
}
