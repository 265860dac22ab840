//! What only the layers below can tell of a layer.
//!
//! In this order: folders that the archive implies and that are links below go where those lead
//! (`relocate`); hard links to files below get copies of those (`adopt`); what hides something where
//! nothing is goes, since it would be seen in a listing; implied folders come to look as they do below.

use super::own::{keeping_times, open};
use super::{adopt, relocate};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::oci::merged::{self, Found, Stack};
use crate::sink::tree::{Needs, joined, shown, split};
use importd_host::dir::Dir;
use importd_host::overlay;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// A layer that is completed.
pub(super) struct Settling<'a> {
    pub(super) own: Dir,
    pub(super) below: &'a [Dir],
    pub(super) needs: Needs,
    pub(super) context: &'a Context,
    pub(super) taking: Taking,
}

/// How a file of a layer below comes into another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::oci) enum Taking {
    /// As a copy: both layers stay.
    Copy,
    /// As one more name: both become one tree.
    Link,
}

/// Completes the tree of a layer; says whether it would look otherwise on other layers.
pub(in crate::oci) fn settle(
    own: Dir,
    below: &[Dir],
    needs: Needs,
    context: &Context,
    taking: Taking,
) -> Result<bool> {
    let mut settling = Settling {
        own,
        below,
        needs,
        context,
        taking,
    };
    let mut depends = !settling.needs.implied.is_empty() || !settling.needs.links.is_empty();
    relocate::relocate(&mut settling)?;
    adopt::links(&mut settling)?;
    depends |= settling.unhide_nothing()?;
    adopt::implied(&mut settling)?;
    depends |= adopt::top(&settling)?;
    Ok(depends)
}

impl Settling<'_> {
    /// The layers below and this one, the lowest first.
    pub(super) fn all(&self) -> Vec<&Dir> {
        self.below.iter().chain([&self.own]).collect()
    }

    /// What is seen of a folder of this layer below it; nothing where it hides that.
    pub(super) fn below(&self, path: &[Vec<u8>]) -> io::Result<Stack> {
        let mut own = self.own.try_clone()?;
        let mut stack = match overlay::is_opaque(own.as_fd())? {
            true => return Ok(Stack::new()),
            false => merged::top(self.below.iter())?,
        };
        for name in path {
            let name = OsStr::from_bytes(name);
            stack = match merged::look(&stack, name)? {
                Found::Folder(inner) => inner,
                Found::Nothing | Found::Inode(_) => return Ok(Stack::new()),
            };
            own = own.open_dir(name)?;
            if overlay::is_opaque(own.as_fd())? {
                return Ok(Stack::new());
            }
        }
        Ok(stack)
    }

    pub(super) fn check(&self) -> Result<()> {
        let cancel = &self.context.cancel;
        cancel
            .check()
            .map_err(|error| Error::io("Cancelled", error))
    }

    /// Removes what hides names of a folder that is not below: there, overlayfs would list it.
    fn unhide_nothing(&mut self) -> Result<bool> {
        let mut removed = false;
        for path in self.needs.hiding.clone() {
            self.check()?;
            let path = split(&path);
            let failed = || format!("Failed to look at '{}' of the layers below", shown(&path));
            if !self.below(&path).doing(failed)?.is_empty() {
                continue;
            }
            let folder = open(&self.own, &path).doing(failed)?;
            keeping_times(&folder, || unhide(&folder)).doing(failed)?;
            removed = true;
            self.remove_implied(&path).doing(failed)?;
        }
        for path in self.needs.opaque.clone() {
            self.check()?;
            let path = split(&path);
            self.remove_implied(&path)
                .doing(|| format!("Failed to look at '{}' of the layers below", shown(&path)))?;
        }
        Ok(removed)
    }

    /// Whether the layers below have a folder there.
    fn is_below(&self, path: &[Vec<u8>]) -> io::Result<bool> {
        let Some((name, parents)) = path.split_last() else {
            return Ok(true);
        };
        let stack = self.below(parents)?;
        let found = merged::look(&stack, OsStr::from_bytes(name))?;
        Ok(matches!(found, Found::Folder(_)))
    }

    /// Removes folders that were only made to hide something, from the inner one outwards.
    fn remove_implied(&mut self, path: &[Vec<u8>]) -> io::Result<()> {
        for depth in (1..=path.len()).rev() {
            let path = &path[..depth];
            let is_needed = !self.needs.implied.contains(&joined(path))
                || !open(&self.own, path)?.entries()?.is_empty()
                || self.is_below(path)?;
            let Some((name, parents)) = path.split_last().filter(|_| !is_needed) else {
                return Ok(());
            };
            let parent = open(&self.own, parents)?;
            keeping_times(&parent, || parent.remove_dir(OsStr::from_bytes(name)))?;
            self.needs.implied.remove(&joined(path));
        }
        Ok(())
    }
}

fn unhide(folder: &Dir) -> io::Result<()> {
    for name in folder.entries()? {
        let stat = folder.stat(&name)?;
        if overlay::is_hiding(folder, &name, &stat)? {
            folder.unlink(&name)?;
        }
    }
    Ok(())
}
