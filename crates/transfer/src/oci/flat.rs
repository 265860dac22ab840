//! The layers of an image become one tree.
//!
//! Each layer is unpacked into a folder of its own below one hidden folder, several at once. Then what
//! each has is moved into the lowest one, from the second lowest on, and what that hides is removed. All
//! of it happens under the hidden name, within one subvolume: files are renamed, none is copied.
//!
//! # Source
//! OCI image specification, "Image Layer Filesystem Changeset".

use super::layer::{Taking, fill, keeping_times, settle, take_over};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::proof::Staged;
use crate::sink::tree::{Limits, Needs};
use crate::stage::meter::Count;
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::staging::{Shape, Staging};
use importd_host::{overlay, tree};
use rustix::fs::{FileType, Mode};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A tree that grows out of layers.
#[derive(Debug)]
pub struct Flat {
    staging: Staging,
    top: Dir,
    layers: Mutex<BTreeMap<usize, Needs>>,
    context: Context,
}

impl Flat {
    /// Makes the hidden folder (or subvolume) for the image that will be called `name`.
    ///
    /// # Errors
    /// What mkdirat(2) says.
    pub fn create(folder: &Dir, name: &OsStr, shape: Shape, context: &Context) -> Result<Self> {
        let failed = || "Failed to create a hidden image folder".to_owned();
        let staging = context.owners.folder(folder, name, shape).doing(failed)?;
        if !context.owners.are_foreign() {
            // Without set-group-id from the image root: new inodes get our group.
            rustix::fs::fchmod(staging.fd(), Mode::RWXU).doing(failed)?;
        }
        Ok(Self {
            top: staging.folder().doing(failed)?,
            staging,
            layers: Mutex::default(),
            context: context.clone(),
        })
    }

    /// Unpacks the archive of one layer, to its very end: the lowest is number 0. Several threads may do
    /// this at once, each for another layer.
    ///
    /// # Errors
    /// As [`super::layer::unpack`].
    pub fn unpack(
        &self,
        number: usize,
        source: impl BufRead + Send,
        limits: Limits,
        packed: Option<Count>,
    ) -> Result<()> {
        let name = layer_name(number);
        let failed = || format!("Failed to create the folder of layer {number}");
        let folder = self.context.owners.within(|| {
            self.top.make_dir(&name, 0o700).doing(failed)?;
            self.top.open_dir(&name).doing(failed)
        })?;
        let needs = fill(folder, source, limits, packed, &self.context)?;
        self.layers().insert(number, needs);
        Ok(())
    }

    /// Makes one tree of all layers that were unpacked. What they are must be proven by then.
    ///
    /// # Errors
    /// As [`super::layer::Unpacked::settle`]; [`Kind::Archive`] if there is no layer.
    pub fn finish(self) -> Result<Staged> {
        let layers = std::mem::take(&mut *self.layers());
        self.context.owners.within(|| self.merge_all(layers))?;
        Ok(Staged(self.staging))
    }

    fn merge_all(&self, layers: BTreeMap<usize, Needs>) -> Result<()> {
        let mut layers = layers.into_iter();
        let Some((lowest, needs)) = layers.next() else {
            return Err(Error::new(Kind::Archive, "The image has no layers"));
        };
        let failed = |number| move || format!("Failed to put layer {number} into the tree");
        let mut has_marks = !needs.opaque.is_empty() || !needs.hiding.is_empty();
        let base_name = layer_name(lowest);
        let base = self.top.open_dir(&base_name).doing(failed(lowest))?;
        let settle = |own: Dir, below: &[Dir], needs: Needs| {
            settle(own, below, needs, &self.context, Taking::Link)
        };
        settle(base.try_clone().doing(failed(lowest))?, &[], needs)?;
        for (number, needs) in layers {
            has_marks |= !needs.opaque.is_empty();
            let has_top = needs.has_top;
            let name = layer_name(number);
            let open = || self.top.open_dir(&name).doing(failed(number));
            let below = [base.try_clone().doing(failed(number))?];
            settle(open()?, &below, needs)?;
            let own = open()?;
            self.merge(&own, &base).doing(failed(number))?;
            if has_top {
                take_over(&own, &base).doing(failed(number))?;
            }
            tree::remove(&self.top, &name).doing(failed(number))?;
        }
        let failed = || "Failed to complete the tree".to_owned();
        if has_marks {
            self.strip(&base).doing(failed)?;
        }
        move_up(&self.top, &base_name).doing(failed)
    }

    /// Moves what is in the folder of a layer into that of the tree. The first keeps its times: the second
    /// gets them.
    fn merge(&self, from: &Dir, to: &Dir) -> io::Result<()> {
        keeping_times(from, || self.merge_entries(from, to))
    }

    fn merge_entries(&self, from: &Dir, to: &Dir) -> io::Result<()> {
        if overlay::is_opaque(from.as_fd())? {
            for name in to.entries()? {
                tree::remove(to, &name)?;
            }
        }
        for name in from.entries()? {
            self.context.cancel.check()?;
            let stat = from.stat(&name)?;
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let there = match to.stat(&name) {
                Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            if is_folder && there == Some(FileType::Directory) {
                let (own, base) = (from.open_dir(&name)?, to.open_dir(&name)?);
                self.merge(&own, &base)?;
                take_over(&own, &base)?;
                continue;
            }
            if there.is_some() {
                tree::remove(to, &name)?;
            }
            if !overlay::is_hiding(from, &name, &stat)? {
                from.rename(&name, to, &name)?;
            }
        }
        Ok(())
    }

    /// Takes out what is for overlayfs: of a tree, it would be seen.
    fn strip(&self, folder: &Dir) -> io::Result<()> {
        keeping_times(folder, || {
            for name in folder.entries()? {
                self.context.cancel.check()?;
                let stat = folder.stat(&name)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    self.strip(&folder.open_dir(&name)?)?;
                } else if overlay::is_hiding(folder, &name, &stat)? {
                    folder.unlink(&name)?;
                }
            }
            overlay::clear(folder.as_fd())
        })
    }

    fn layers(&self) -> MutexGuard<'_, BTreeMap<usize, Needs>> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn layer_name(number: usize) -> OsString {
    OsString::from(format!(".#importd-layer-{number}"))
}

/// The only folder becomes what it is in. It gets out of the way first: it may hold an entry of its own
/// name.
fn move_up(top: &Dir, name: &OsStr) -> io::Result<()> {
    let folder = top.open_dir(name)?;
    let entries = folder.entries()?;
    let is_free = |name: &OsString| !entries.contains(name);
    let free = (0..=entries.len())
        .map(|number| OsString::from(format!(".#importd-moving-up-{number}")))
        .find(is_free);
    let aside = free.ok_or(io::ErrorKind::AlreadyExists)?;
    top.rename(name, top, &aside)?;
    keeping_times(&folder, || {
        for entry in &entries {
            folder.rename(entry, top, entry)?;
        }
        Ok(())
    })?;
    take_over(&folder, top)?;
    keeping_times(top, || top.remove_dir(&aside))
}
