//! A folder becomes a tree.

use super::{Request, report_success, snapshot};
use crate::cage;
use crate::context::{Context, Target};
use crate::destination::{Hidden, Site};
use crate::error::{Doing, Error, Result};
use crate::install::Root;
use crate::proof::Staged;
use crate::report::size;
use crate::sink::tree::single_tree;
use crate::source::file;
use importd_api::failure::Kind;
use importd_host::cancel::Cancelled;
use importd_host::dir::Dir;
use importd_host::staging::Staging;
use importd_host::tree::{self, CopyProgress};
use std::ffi::OsStr;
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
    context.report.info(format!(
        "Importing '{label}', saving as '{}'.",
        request.destination
    ));
    let Site::Hidden(Hidden {
        root, name, manner, ..
    }) = request.destination.open_tree(&request.target, context)?
    else {
        let text = format!("'{}' exists; --force replaces it", request.destination);
        return Err(Error::new(Kind::Exists, text));
    };
    cage::enter_import_fs(&root, &source, context)?;

    let place = (&root, name.as_os_str());
    let staging = stage(&source, place, &request.target, context, &|now| {
        if context.report.progress(now) {
            context.report.info(format!("Imported {now}%."));
        }
    })?;
    let installed = Staged(staging).accept_local();
    installed.install(&root, &name, manner, context)?;
    request.retire_old(&root, &name, context);
    context.report.info(format!(
        "Directory '{}' successfully installed.",
        root.path.join(&name).display()
    ));
    report_success(context);
    Ok(())
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
    let failed = || "Failed to look for an operating system tree".to_owned();
    let inner_name = single_tree(source).doing(failed)?;
    let inner = inner_name.as_ref().map(|name| source.open_dir(name));
    let inner = inner.transpose().doing(failed)?;
    if let Some(name) = &inner_name {
        context.report.info(format!(
            "The directory holds one OS tree, '{}', which is imported instead.",
            name.display()
        ));
    }
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
    copy(inner.as_ref().unwrap_or(source), &folder, context, observe)?;
    Ok(staging)
}

/// Copies everything, telling where it is, and `observe` how many percent that is.
fn copy(
    source: &Dir,
    target: &Dir,
    context: &Context,
    observe: &(dyn Fn(u8) + Sync),
) -> Result<()> {
    let lines = Lines::new(context);
    let tell = |progress: &CopyProgress<'_>| {
        context.cancel.check()?;
        lines.tell(progress);
        if let Some(percent) = progress.percent() {
            observe(percent);
        }
        Ok(())
    };
    let report = tree::copy(source, target, &tell).map_err(|error| {
        if Cancelled::is(&error.source) {
            context.report.notice("Copy cancelled.");
        }
        let text = format!("Failed to copy directory, at '{}'", error.path.display());
        Error::io(text, error.source)
    })?;
    context.report.debug(format!(
        "Copied {} entries with {} of contents.",
        report.entries,
        size(report.bytes)
    ));
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
