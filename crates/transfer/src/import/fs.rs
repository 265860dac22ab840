//! A folder becomes a tree.

use super::{Request, report_success, snapshot};
use crate::cage;
use crate::context::{Context, Target};
use crate::destination::{Hidden, TreeSite};
use crate::error::{Doing, Error, Result};
use crate::install::Root;
use crate::proof::Staged;
use crate::report::size;
use crate::sink::tree::{FolderInPlace, single_tree};
use crate::source::file;
use importd_api::failure::Kind;
use importd_api::figures::Phase;
use importd_host::cancel::Cancelled;
use importd_host::dir::Dir;
use importd_host::staging::Staging;
use importd_host::tree::{self, CopyProgress};
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Least time between two lines about where the copy is, as in the reference.
const LINE_INTERVAL: Duration = Duration::from_millis(200);

/// Imports a folder.
///
/// # Errors
/// What the copy says, by kind; nothing is left then.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    request.destination.check_free(&request.target)?;
    let label = request.source.as_ref().map_or_else(
        || "standard input".into(),
        |path| path.display().to_string(),
    );
    let source = file::folder(request.source.as_deref())?;
    context.report.phase(Phase::Reading);
    context.report.info(format!(
        "Importing '{label}', saving as '{}'.",
        request.destination
    ));
    tell_strangers(&source, context);
    let hidden = match request.destination.open_tree(&request.target, context)? {
        TreeSite::Hidden(hidden) => hidden,
        TreeSite::Folder(folder) => return into_folder(&source, folder, request, context),
    };
    let Hidden { root, name, manner } = hidden;
    cage::enter_import_fs(&root.folder, &source, context)?;

    let place = (&root, name.as_os_str());
    let observe = |now| observe(now, context);
    let staging = stage(&source, place, &request.target, context, &observe)?;
    let proven = Staged(staging).accept_local();
    request.install(proven, (&root, &name), manner, context)?;
    report_installed(&root.path.join(&name).display().to_string(), context);
    Ok(())
}

/// What stands for ids that a user namespace does not have, unless the system's settings say otherwise
/// (user_namespaces(7), "overflow" ids).
const NOBODY: u32 = 65534;

/// Warns of a folder that is not the caller's, and of which a user namespace hides whose it is.
fn tell_strangers(source: &Dir, context: &Context) {
    let is_strange = source.stat_self().is_ok_and(|stat| stat.st_uid == NOBODY);
    if context.owners.are_mapped() && is_strange {
        context.report.warning(format!(
            "The folder is not yours: its files belong to nobody ({NOBODY}) in the image."
        ));
    }
}

/// Copies into a folder that is there, if nothing is in it.
fn into_folder(source: &Dir, folder: Dir, request: &Request, context: &Context) -> Result<()> {
    cage::enter_import_fs(&folder, source, context)?;
    let label = request.destination.to_string();
    let place = FolderInPlace::new(folder, label.clone())?;
    if !place.was_empty() {
        let text = format!("'{label}' exists and is not empty; --force replaces it");
        return Err(Error::new(Kind::Exists, text));
    }
    let (inner, _) = tree_inside(source, context)?;
    let from = inner.as_ref().unwrap_or(source);
    let observe = |now| observe(now, context);
    let target = &request.target;
    let result = copy((from, place.folder()), target.sync, context, &observe)
        .and_then(|()| place.finish(target.sync, target.read_only));
    match result {
        Ok(()) => report_installed(&label, context),
        Err(_) => place.undo(&context.report),
    }
    result
}

fn observe(now: u8, context: &Context) {
    if context.report.progress(now) {
        context.report.info(format!("Imported {now}%."));
    }
}

fn report_installed(label: &str, context: &Context) {
    context
        .report
        .info(format!("Directory '{label}' successfully installed."));
    report_success(context);
}

/// The only folder of a source that is no operating system tree, if it is one, and its name.
fn tree_inside(source: &Dir, context: &Context) -> Result<(Option<Dir>, Option<OsString>)> {
    let failed = || "Failed to look for an operating system tree".to_owned();
    let name = single_tree(source).doing(failed)?;
    let inner = name.as_ref().map(|name| source.open_dir(name));
    if let Some(name) = &name {
        context.report.info(format!(
            "The directory holds one OS tree, '{}', which is imported instead.",
            name.display()
        ));
    }
    Ok((inner.transpose().doing(failed)?, name))
}

/// Puts the tree that is in a folder under a hidden name in the image root: by a snapshot where that
/// can be, else by a copy. `observe` is told how many percent of a copy are done.
///
/// # Errors
/// What the copy says; nothing is left then.
pub(crate) fn stage(
    source: &Dir,
    (root, name): (&Root, &OsStr),
    target: &Target,
    context: &Context,
    observe: &(dyn Fn(u8) + Sync),
) -> Result<Staging> {
    let (inner, inner_name) = tree_inside(source, context)?;
    if target.subvolume {
        let tree = (source, inner_name.as_deref().zip(inner.as_ref()));
        if let Some(staging) = snapshot::stage(tree, (root, name), context)? {
            return Ok(staging);
        }
    }
    let staging = Staging::create(&root.folder, name, target.tree_shape())
        .doing(|| "Failed to create a hidden image folder".into())?;
    let folder = staging
        .folder()
        .doing(|| "Failed to open the hidden image folder".into())?;
    let from = inner.as_ref().unwrap_or(source);
    copy((from, &folder), target.sync, context, observe)?;
    Ok(staging)
}

/// Copies everything, telling where it is, and `observe` how many percent that is. With `flush` most of
/// it is on the disk by then.
fn copy(
    (source, target): (&Dir, &Dir),
    flush: bool,
    context: &Context,
    observe: &(dyn Fn(u8) + Sync),
) -> Result<()> {
    let lines = Lines::new(context);
    let tell = |progress: &CopyProgress<'_>| {
        context.cancel.check()?;
        lines.tell(progress);
        let (done, whole) = progress.work();
        if let Some(percent) = progress.percent() {
            context.report.moved(done, whole);
            observe(percent);
        } else {
            context.report.moved_of_unknown(done);
        }
        Ok(())
    };
    let report = tree::copy(source, target, flush, &tell).map_err(|error| {
        if Cancelled::is(&error.source) {
            context.report.notice("Copy cancelled.");
        }
        let why = context.owners.explain(&error.source);
        let text = format!(
            "Failed to copy directory, at '{}'{why}",
            error.path.display()
        );
        Error::io(text, error.source)
    })?;
    context.report.debug(format!(
        "Copied {} entries with {} of contents.",
        report.entries,
        size(report.bytes)
    ));
    if flush {
        context.report.early_flushes(report.early_flushes);
    }
    if let Some((path, what)) = &report.lost_example {
        context.report.warning(format!(
            "The image lacks {} attributes or flags that could not be set here, such as {what} of '{}'.",
            report.lost,
            path.display()
        ));
    }
    Ok(())
}

/// Lines about where a copy is, not too many.
struct Lines<'a> {
    context: &'a Context,
    started: Instant,
    /// Intervals since the start after which the last line was written.
    told: AtomicU64,
}

impl<'a> Lines<'a> {
    fn new(context: &'a Context) -> Self {
        Self {
            context,
            started: Instant::now(),
            told: AtomicU64::new(0),
        }
    }

    fn tell(&self, progress: &CopyProgress<'_>) {
        let elapsed = self.started.elapsed();
        let now = u64::try_from(elapsed.as_millis() / LINE_INTERVAL.as_millis()).unwrap_or(0);
        let last = self.told.load(Ordering::Relaxed);
        let swapped =
            self.told
                .compare_exchange(last, now.max(last), Ordering::Relaxed, Ordering::Relaxed);
        if now <= last || swapped.is_err() {
            return;
        }
        if last == 0 {
            let note = "The lines about the copy name some of the files only, to show where it is.";
            self.context.report.notice(note);
        }
        let seconds = elapsed.as_secs().max(1);
        self.context.report.info(format!(
            "Copying tree, currently at '{}' (@{}, {}/s)...",
            progress.path().display(),
            size(progress.bytes),
            size(progress.bytes / seconds)
        ));
    }
}
