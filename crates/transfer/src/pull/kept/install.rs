//! A proven download, or one that was kept, becomes an image.

use super::find::Object;
use super::prune;
use super::record::{self, Record, Version};
use crate::companions;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::import::fs;
use crate::install::{Manner, Root};
use crate::proof::{Expectation, Proven, Staged};
use crate::pull::Request;
use crate::pull::evidence::verdict::Verdict;
use crate::sink::raw::{Bounds, Dress, Pour, RawSink, carry};
use crate::stage::digest::Received;
use importd_api::failure::Kind;
use importd_api::job::Local;
use importd_formats::disk::Format;
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;

/// Under which names a download is installed, and what is noted with the kept one.
#[derive(Debug)]
pub(in crate::pull) struct Kept<'a> {
    /// The hidden name of the pristine copy.
    pub(in crate::pull) pristine: OsString,
    /// The image's file name; `None` if only the pristine copy is wanted.
    pub(in crate::pull) local: Option<OsString>,
    /// What the bytes had to be.
    pub(in crate::pull) expected: &'a Expectation,
    /// Who said so.
    pub(in crate::pull) verdict: &'a Verdict,
    /// Which version of the bytes it is.
    pub(in crate::pull) version: &'a Version,
    /// What came.
    pub(in crate::pull) received: &'a Received,
    /// Disk images of other formats were left as they came.
    pub(in crate::pull) is_unconverted: bool,
}

/// Installs a proven download: as the image, as the pristine copy, or as both.
///
/// # Errors
/// As [`Proven::install`]; what the copy says.
pub(in crate::pull) fn install(
    proven: Proven,
    kept: &Kept<'_>,
    request: &Request,
    root: &Root,
    context: &Context,
) -> Result<()> {
    match &kept.local {
        Some(local) if !request.keep_download => {
            // What an archive brought under the name of a record means nothing, and goes.
            let fd = proven.0.fd();
            match request.has_foreign_ids(context) {
                true => context.owners.within(|| record::clear(fd))?,
                false => record::clear(fd)?,
            }
            install_local(proven, local, request, root, context)?;
        }
        local => {
            let record = note(&proven, kept, request, context)?;
            let keep = Manner {
                replace: Replace::Exchange,
                read_only: true,
                sync: request.target.sync,
                quota: request.target.quota,
            };
            let pristine = proven.install(root, &kept.pristine, keep, context)?;
            if let Some(local) = local {
                let copied = copy(pristine.fd(), local, request, root, context);
                if !is_there(pristine.fd(), &kept.pristine, root) {
                    return Err(replaced(request));
                }
                install_local(copied?, local, request, root, context)?;
            }
            if let Some(record) = record {
                prune::superseded(request, (&kept.pristine, &record), root, context);
            }
        }
    }
    finish(request, context);
    Ok(())
}

/// Installs a copy of a kept download; `false` if it was replaced or removed meanwhile, and nothing
/// is installed. Without a local name it is only confirmed.
///
/// # Errors
/// As [`install`].
pub(super) fn again(
    object: &Object,
    local: Option<&OsStr>,
    request: &Request,
    root: &Root,
    context: &Context,
) -> Result<bool> {
    if let Some(local) = local {
        let copied = copy(object.fd(), local, request, root, context);
        if !is_there(object.fd(), &object.name, root) {
            return Ok(false);
        }
        install_local(copied?, local, request, root, context)?;
    }
    finish(request, context);
    Ok(true)
}

/// Gives the image its name, and removes what belonged to an image that it replaces.
fn install_local(
    proven: Proven,
    local: &OsStr,
    request: &Request,
    root: &Root,
    context: &Context,
) -> Result<()> {
    match &request.local {
        Local::Named(name) => {
            let names = (name, local);
            companions::install(proven, root, names, &request.target, context)?;
        }
        Local::Derived | Local::Pristine => {
            proven.install(root, local, request.target.manner(), context)?;
        }
    }
    Ok(())
}

/// Whether a name still stands for what is open. If so, nobody had begun to remove it before: a copy
/// of it that is complete by now is whole.
fn is_there(fd: BorrowedFd<'_>, name: &OsStr, root: &Root) -> bool {
    let held = rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
    let named = root.folder.stat(name);
    let named = named.map(|stat| (stat.st_dev, stat.st_ino));
    matches!((held, named), (Ok(held), Ok(named)) if held == named)
}

/// What another transfer of the same address did.
pub(super) fn replaced(request: &Request) -> Error {
    let text = format!(
        "The kept download of {} was replaced by another transfer while it was copied; try again",
        request.url
    );
    Error::new(Kind::InProgress, text)
}

/// Notes the record with the new pristine copy, as the last thing before it gets its name.
fn note(
    proven: &Proven,
    kept: &Kept<'_>,
    request: &Request,
    context: &Context,
) -> Result<Option<Record>> {
    let fd = proven.0.fd();
    let record = match Record::new(request, kept, fd, &context.cancel) {
        Ok(record) => record,
        Err(error) if error.kind == Kind::Cancelled => return Err(error),
        Err(error) => {
            record::clear(fd)?;
            context.report.debug(format!(
                "The kept download has no record, and serves unproven requests only: {error}."
            ));
            return Ok(None);
        }
    };
    if record.write(fd)? {
        return Ok(Some(record));
    }
    context.report.debug(
        "The file system holds no record of the kept download, which serves unproven requests only.",
    );
    Ok(None)
}

/// What follows when everything has its name.
fn finish(request: &Request, context: &Context) {
    match &request.local {
        Local::Named(name) => {
            context
                .report
                .info(format!("Created new local image '{name}'."));
        }
        Local::Derived | Local::Pristine => context
            .report
            .info("Kept the download; no local image was asked for."),
    }
}

/// A second, writable copy of the pristine one; what is proven of that holds for its copy.
fn copy(
    pristine: BorrowedFd<'_>,
    local: &OsStr,
    request: &Request,
    root: &Root,
    context: &Context,
) -> Result<Proven> {
    let stat =
        rustix::fs::fstat(pristine).doing(|| "Failed to look at the downloaded image".into())?;
    let staged = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let sink = RawSink::create(&root.folder, local, Dress::fresh(context.umask))?;
            let bounds = Bounds {
                size_max: None,
                format: Some(Format::Raw),
            };
            let pour = Pour::new(sink.canvas(), bounds, Some(&root.folder), context);
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            pour.file(pristine, size, &|_| {})?;
            carry::adopt(sink.canvas().fd(), pristine);
            sink.seal()?
        }
        FileType::Directory => {
            let source = pristine
                .try_clone_to_owned()
                .map(Dir::from)
                .doing(|| "Failed to open the downloaded tree".into())?;
            let place = (root, local);
            Staged(fs::stage(
                &source,
                place,
                &request.target,
                context,
                &|_percent| {},
            )?)
        }
        _ => {
            return Err(Error::new(
                Kind::BadDescriptor,
                "The downloaded image is neither a file nor a folder",
            ));
        }
    };
    record::clear(staged.0.fd())?;
    Ok(staged.accept_local())
}
