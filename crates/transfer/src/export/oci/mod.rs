//! A tree or a mount stack becomes an image of OCI: `systemd-export oci`.
//!
//! | module | holds |
//! |---|---|
//! | `trees` | the layers: a tree, or those of a stack |
//! | `layer` | a layer is packed and hashed |
//! | `blobs` | where blobs wait until all is complete |
//! | [`build`] | layers, configuration and manifest |
//! | `folder` | a layout folder gets the image |
//! | `archive` | an archive with one image |
//!
//! # Atomicity
//! Blobs are hidden or without names until they are complete; a layout names an image only after all its
//! blobs are there, by one rename. A new folder or file appears whole.
//!
//! # Source
//! OCI image specification 1.1, "Image Layout"; systemd.mstack(7).

mod archive;
mod blobs;
pub mod build;
mod folder;
mod layer;
mod trees;

use super::Request;
use super::output::Output;
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::import::report_success;
pub(super) use blobs::{Blob, Blobs, Data};
use build::{Packing, build};
use folder::Layout;
use importd_api::failure::Kind;
use importd_formats::oci::compose::Wishes;
use importd_host::dir::Dir;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
pub(super) use trees::Trees;

/// What the image is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it is written as.
    pub form: Form,
    /// Its name in the layout; `None` for none.
    pub tag: Option<String>,
    /// What its configuration is to say.
    pub wishes: Wishes,
}

/// How an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A layout folder, which may have other images.
    Folder,
    /// An archive of a layout.
    Archive,
}

/// Exports a tree or a stack.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::NotDirectory`] for a disk image; [`Kind::Unsupported`] for what no layer can
/// say; [`Kind::InvalidArgument`] for a folder that is no layout; what the trees and the target say.
pub fn run(request: &Request, options: &Options, context: &Context) -> Result<()> {
    let path = request.path()?;
    let trees = Trees::open(&path, context)?;
    match (options.form, &request.file) {
        (Form::Folder, Some(target)) => {
            let layout = Layout::open(target, context)?;
            request.announce(&path, context);
            let blobs = Blobs::Hidden(layout.blobs()?);
            enter(&trees, &[layout.top(), layout.parent()], context)?;
            let image = build(&trees, packing(request, options), &blobs, context)?;
            layout.add(image, options.tag.as_deref(), context)?;
        }
        (Form::Folder, None) => {
            let text = "A layout folder has no name; --output-format=oci-archive writes an archive";
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        (Form::Archive, file) => {
            let output = match file {
                Some(file) => Output::file(file, context)?,
                None => Output::standard()?,
            };
            if output.fd().is_terminal() {
                let text = "Refusing to write archive to TTY; name a file, or redirect the output";
                return Err(Error::new(Kind::InvalidArgument, text));
            }
            request.announce(&path, context);
            let waiting = match output.folder() {
                Some(folder) => folder
                    .try_clone()
                    .doing(|| format!("Failed to write '{}'", output.label()))?,
                None => waiting_room(&request.places.root)?,
            };
            enter(&trees, &[&waiting], context)?;
            let blobs = Blobs::Unnamed(waiting);
            let image = build(&trees, packing(request, options), &blobs, context)?;
            archive::write(&image, options.tag.as_deref(), &output, context)?;
            output.finish()?;
        }
    }
    report_success(context);
    Ok(())
}

fn enter(trees: &Trees, folders: &[&Dir], context: &Context) -> Result<()> {
    cage::enter_export_oci(&trees.folders(), folders, context)
}

fn packing<'a>(request: &Request, options: &'a Options) -> Packing<'a> {
    Packing {
        codec: request.codec(),
        options: request.encode_options(),
        wishes: &options.wishes,
        steps: 1,
    }
}

/// Where blobs wait that go into a pipe: they are written when the last one is complete.
///
/// # Errors
/// What open(2) says of the last place that was tried.
pub(super) fn waiting_room(root: &Path) -> Result<Dir> {
    let temporary = std::env::temp_dir();
    let large = PathBuf::from("/var/tmp");
    let mut last = None;
    for place in [root, &large, &temporary] {
        match Dir::open(place).and_then(|folder| folder.make_unnamed().map(|_file| folder)) {
            Ok(folder) => return Ok(folder),
            Err(error) => last = Some((place, error)),
        }
    }
    match last {
        Some((place, error)) => {
            Err(error).doing(|| format!("Failed to make a hidden file in '{}'", place.display()))
        }
        None => Err(Error::new(Kind::Io, "There is no place for hidden files")),
    }
}
