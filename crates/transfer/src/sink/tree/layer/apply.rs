//! Markers become what overlayfs reads, when all entries have come.

use super::follow::follow;
use super::links;
use super::marks::Marks;
use super::needs::{Joined, Needs, joined, split};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::sink::tree::DEPTH_MAX_POSSIBLE;
use crate::sink::tree::places::{Missing, Places, shown};
use importd_api::failure::Kind;
use importd_host::{cancel::Cancel, overlay};
use rustix::fs::FileType;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

impl Marks {
    /// Puts what was noted into the tree; what only the layers below can tell is left.
    ///
    /// # Errors
    /// What the file system says; [`Kind::Unsupported`] where it cannot hold what hides a folder.
    pub(in super::super) fn apply(
        mut self,
        places: &mut Places,
        context: &Context,
    ) -> Result<Needs> {
        self.tell(&context.report);
        let links = links::make_known(std::mem::take(&mut self.links), places)?;
        self.follow_links(places)?;
        let replaced = self.hide_replaced_folders(places)?;
        let mut hiding = BTreeSet::new();
        for hidden in &self.hidden {
            check(&context.cancel)?;
            if links.contains_key(hidden) || self.is_in_opaque(hidden) {
                continue;
            }
            let components = split(hidden);
            let Some((name, parents)) = components.split_last() else {
                continue;
            };
            let folder = places.folder(parents, Missing::Create)?;
            match overlay::hide(&folder, OsStr::from_bytes(name)) {
                // The layer has something of that name itself.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other.doing(|| format!("Failed to hide '{}'", shown(&components)))?,
            }
            hiding.insert(joined(parents));
        }
        for path in &self.opaque {
            let components = split(path);
            let folder = places.folder(&components, Missing::Create)?;
            overlay::make_opaque(folder.as_fd()).map_err(|error| {
                let text = format!("Failed to hide what is below '{}'", shown(&components));
                match error.kind() {
                    io::ErrorKind::Unsupported => {
                        let text = text + ": the file system has no attributes 'user.' for folders";
                        Error::caused(Kind::Unsupported, text, error)
                    }
                    _ => Error::io(text, error),
                }
            })?;
        }
        Ok(Needs {
            opaque: self.opaque,
            replaced,
            hiding,
            links,
            ..Needs::default()
        })
    }

    /// Markers in a folder that is a link of this layer are meant where that leads.
    fn follow_links(&mut self, places: &mut Places) -> Result<()> {
        for path in std::mem::take(&mut self.hidden) {
            let path = follow(places, split(&path), DEPTH_MAX_POSSIBLE)?;
            self.hidden.insert(joined(&path));
        }
        for path in std::mem::take(&mut self.opaque) {
            // What is opaque is the folder that the marker is in: the last component is one of those.
            let mut path = split(&path);
            path.push(Vec::new());
            let mut path = follow(places, path, DEPTH_MAX_POSSIBLE)?;
            path.pop();
            self.opaque.insert(joined(&path));
        }
        Ok(())
    }

    /// A folder that replaces one below hides what is in that.
    fn hide_replaced_folders(&mut self, places: &mut Places) -> Result<BTreeSet<Joined>> {
        let mut replaced = BTreeSet::new();
        for hidden in &self.hidden {
            let components = split(hidden);
            let Some((name, parents)) = components.split_last() else {
                continue;
            };
            let Ok(folder) = places.folder(parents, Missing::Fail) else {
                continue;
            };
            let is_folder = folder
                .stat(OsStr::from_bytes(name))
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
            if is_folder {
                replaced.insert(hidden.clone());
            }
        }
        for folder in &replaced {
            self.hidden.remove(folder);
            self.opaque.insert(folder.clone());
        }
        Ok(replaced)
    }

    /// Whether a folder above hides it already: a second mark would be seen by those who list it.
    fn is_in_opaque(&self, path: &Joined) -> bool {
        if self.opaque.is_empty() {
            return false;
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == 0);
        self.opaque.contains(&[][..])
            || ends
                .map(|(at, _)| at)
                .any(|at| self.opaque.contains(&path[..at]))
    }
}

fn check(cancel: &Cancel) -> Result<()> {
    cancel
        .check()
        .map_err(|error| Error::io("Cancelled", error))
}
