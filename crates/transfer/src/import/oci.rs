//! An image of OCI that is a file becomes a mount stack, or one tree: `systemd-import oci`.

use super::report_success;
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Result};
use crate::oci::install::Wish;
use crate::oci::layout::{self, Place, Spool};
use crate::source::file::{Input, folder, standard_label};
use importd_api::figures::Phase;
use rustix::fs::FileType;
use std::path::PathBuf;

/// What to import, as checked by the command line.
#[derive(Debug)]
pub struct Request {
    /// The folder or file; `None` is standard input.
    pub source: Option<PathBuf>,
    /// Which of several images: a name, the end of one, a tag, or a digest.
    pub tag: Option<String>,
    /// What is to become of it. The limits are also those of an archive that is unpacked as a whole.
    pub wish: Wish,
}

impl Request {
    /// Opens the source.
    fn open(&self) -> Result<Place> {
        let stat = match &self.source {
            Some(path) => rustix::fs::stat(path)
                .doing(|| format!("Failed to open source '{}'", path.display()))?,
            None => rustix::fs::fstat(rustix::stdio::stdin())
                .doing(|| "Failed to look at standard input".into())?,
        };
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let path = self.source.as_deref();
        Ok(match (is_folder, path) {
            (true, _) => {
                let label = path.map_or_else(
                    || standard_label(0, "standard input"),
                    |path| path.display().to_string(),
                );
                Place::Folder(folder(path)?, label)
            }
            (false, Some(path)) => Place::Archive(Input::open(path)?),
            (false, None) => Place::Archive(Input::standard()?),
        })
    }
}

/// Imports an image.
///
/// # Errors
/// By kind as [`layout::open`] and [`Wish::install`] say; nothing is left then but layers that are
/// complete.
pub fn run(request: &Request, context: &Context) -> Result<()> {
    let wish = &request.wish;
    wish.target.check_free(&wish.name)?;
    let place = request.open()?;
    context.report.phase(Phase::Reading);
    let (label, source) = match &place {
        Place::Folder(folder, label) => (label, Some(folder)),
        Place::Archive(input) => (&input.label, None),
    };
    let text = format!("Importing '{label}', saving as '{}'.", wish.name);
    context.report.info(text);
    let root = wish.target.open_root(context)?;
    cage::enter_import_oci(&root.folder, source, context)?;
    let spool = Spool {
        folder: &root.folder,
        size_max: wish.limits.bytes,
        ratio: wish.limits.ratio,
    };
    let source = layout::open(place, request.tag.as_deref(), &spool, context)?;
    wish.install(&*source, &root, context)?;
    report_success(context);
    Ok(())
}
