//! `import-tar`, `import-raw`, `import-fs`.

use super::{Context, job};
use crate::client::{Arguments, Call};
use crate::names::{self, Source};
use crate::report::Failure;
use crate::standalone::{self, Ends};
use crate::system::{self, Opened};
use importd_api::bus;
use importd_api::class::Class;
use importd_api::flags::Flags;
use importd_api::job::{ImportSource, Kind, Work};
use importd_api::name::Form;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::ExitCode;

/// Imports a file or a folder.
///
/// # Errors
/// A failure if the source or the name cannot be used, or the transfer fails.
pub(crate) async fn run(
    context: &Context,
    source: ImportSource,
    arguments: &[OsString],
) -> anyhow::Result<ExitCode> {
    let settings = &context.settings;
    let class = settings.required_class(&context.environment.state_home)?;
    let mut given = arguments.iter().map(OsString::as_os_str);
    let path = given.next().filter(|path| !names::is_none(path));
    let kind = match source {
        ImportSource::Stream(form) => Source::File(form),
        ImportSource::Folder => Source::Folder,
    };
    let name = names::imported(path, given.next(), kind)?;
    context.needs_files("copy it there and run \"IMPORTCTL\" with the copy")?;
    let file = open(path, kind)?;
    let flags = settings.flags;
    if settings.standalone {
        let work = Work::Import { source, name };
        let job = job(context, class, flags, work);
        let ends = Ends::Input(file);
        return standalone::run(&job, ends, context.screen(), &context.environment).await;
    }
    let call = call(source, (file.as_fd(), name.as_str()), class, flags);
    context.transfer(&call, None).await
}

/// Opens the source; without a path it is standard input, as it is: its flags and its position
/// belong to whoever gave it to us.
///
/// # Errors
/// A failure if it cannot be read, or is a terminal.
pub(super) fn open(path: Option<&OsStr>, kind: Source) -> anyhow::Result<File> {
    let Some(path) = path else {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Err(Failure::usage("Refusing to read an image from a terminal"));
        }
        let owned = stdin.as_fd().try_clone_to_owned();
        let owned = owned.map_err(|e| Failure::io("Failed to open standard input", &e))?;
        return Ok(File::from(owned));
    };
    let shown = Path::new(path).display();
    let (what, doing) = match kind {
        Source::File(_) => (Opened::File, format!("Failed to open {shown}")),
        Source::Folder => (
            Opened::Folder,
            format!("Failed to open directory '{shown}'"),
        ),
    };
    system::open_to_read(Path::new(path), what).map_err(|error| Failure::io(&doing, &error))
}

/// The old method for what it can say, else the new one.
fn call<'a>(
    source: ImportSource,
    (file, name): (BorrowedFd<'a>, &'a str),
    class: Class,
    flags: Flags,
) -> Call<'a> {
    let kind = match source {
        ImportSource::Stream(Form::Tar) => Kind::ImportTar,
        ImportSource::Stream(Form::Raw) => Kind::ImportRaw,
        ImportSource::Folder => Kind::ImportFs,
    };
    match bus::methods(kind) {
        (Some(method), _) if class == Class::Machine && !flags.keep_download => Call {
            method,
            arguments: Arguments::Import(file, name, flags.force, flags.read_only),
        },
        (_, method) => Call {
            method,
            arguments: Arguments::ImportEx(file, name, class, flags.word(kind.known_flags())),
        },
    }
}
