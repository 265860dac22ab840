//! What a layer takes over from those below.

use super::own::{ensure, keeping_times, open};
use super::settle::{Settling, Taking};
use crate::error::{Doing, Error, Result};
use crate::oci::merged::{self, Found};
use crate::sink::tree::{Components, IMPLIED_MODE, joined, shown, split};
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::{attributes, overlay, tree};
use rustix::fs::{FileType, Stat};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// Set by the security module's own rules, whatever an archive says.
const SELINUX: &str = "security.selinux";

/// Makes the hard links whose targets are below: those are copied, as overlayfs does it.
pub(super) fn links(settling: &mut Settling<'_>) -> Result<()> {
    let mut copies = BTreeMap::new();
    for (path, target) in std::mem::take(&mut settling.needs.links) {
        settling.check()?;
        let link = Link {
            path: located(settling, &split(&path))?,
            target: located(settling, &split(&target))?,
        };
        link.make(settling, &mut copies)?;
    }
    Ok(())
}

/// Where the folder of a path leads, with the last component, which is not followed.
fn located(settling: &Settling<'_>, path: &[Vec<u8>]) -> Result<Components> {
    let Some((name, parents)) = path.split_last() else {
        return Ok(Components::new());
    };
    let mut found = merged::resolve(&settling.all(), parents)?;
    found.push(name.clone());
    Ok(found)
}

struct Link {
    path: Components,
    target: Components,
}

impl Link {
    fn failed(&self) -> String {
        let (path, target) = (shown(&self.path), shown(&self.target));
        format!("Failed to create hard link '{path}' to '{target}'")
    }

    fn refused(&self, why: &str) -> Error {
        Error::new(Kind::Archive, format!("{}: {why}", self.failed()))
    }

    /// `copies` has where the copies of files are that the layer hides itself.
    fn make(
        &self,
        settling: &mut Settling<'_>,
        copies: &mut BTreeMap<Components, Components>,
    ) -> Result<()> {
        let failed = || self.failed();
        let Some((name, parents)) = self.target.split_last() else {
            return Err(self.refused("it is the top directory"));
        };
        let name = OsStr::from_bytes(name);
        let implied = &mut settling.needs.implied;
        if let Some(first) = copies.get(&self.target) {
            return self.link(settling, &first.clone());
        }
        let has = |folder: &Dir| -> io::Result<Option<Stat>> {
            match folder.stat(name) {
                Ok(stat) => Ok(Some(stat)),
                Err(error) if merged::is_absent(&error) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let folder = ensure(&settling.own, parents, implied).doing(failed)?;
        let is_hidden = match has(&folder).doing(failed)? {
            None => false,
            Some(stat) if overlay::is_hiding(&folder, name, &stat).doing(failed)? => true,
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                return Err(self.refused("it is a directory"));
            }
            Some(_) => return self.link(settling, &self.target),
        };
        let stack = settling.below(parents).doing(failed)?;
        let inode = match merged::look(&stack, name).doing(failed)? {
            Found::Inode(inode) => inode,
            Found::Folder(_) => return Err(self.refused("it is a directory")),
            Found::Nothing => return Err(self.refused("no layer has it")),
        };
        let check = || settling.context.cancel.check();
        let taking = settling.taking;
        let take = |folder: &Dir, new_name: &OsStr| match taking {
            Taking::Copy => tree::copy_inode((&inode.folder, name), (folder, new_name), &check),
            Taking::Link => inode.folder.link(name, folder, new_name),
        };
        if !is_hidden {
            keeping_times(&folder, || take(&folder, name)).doing(failed)?;
            return self.link(settling, &self.target);
        }
        let (parent, new_name) = self.cleared(&settling.own, &mut settling.needs.implied)?;
        keeping_times(&parent, || take(&parent, new_name)).doing(failed)?;
        copies.insert(self.target.clone(), self.path.clone());
        Ok(())
    }

    /// Links to a file that this layer has.
    fn link(&self, settling: &mut Settling<'_>, target: &[Vec<u8>]) -> Result<()> {
        let failed = || self.failed();
        let Some((old_name, old_parents)) = target.split_last() else {
            return Err(self.refused("it is the top directory"));
        };
        if target == self.path {
            return Ok(());
        }
        let (parent, name) = self.cleared(&settling.own, &mut settling.needs.implied)?;
        let old = open(&settling.own, old_parents).doing(failed)?;
        let link = || old.link(OsStr::from_bytes(old_name), &parent, name);
        keeping_times(&parent, link).doing(failed)
    }

    /// The folder that the link is put into, where nothing has its name any more.
    fn cleared(
        &self,
        own: &Dir,
        implied: &mut std::collections::BTreeSet<Box<[u8]>>,
    ) -> Result<(Dir, &OsStr)> {
        let failed = || self.failed();
        let Some((name, parents)) = self.path.split_last() else {
            return Err(self.refused("it is the top directory"));
        };
        let name = OsStr::from_bytes(name);
        let parent = ensure(own, parents, implied).doing(failed)?;
        if parent.exists(name) {
            keeping_times(&parent, || parent.unlink(name)).doing(failed)?;
        }
        Ok((parent, name))
    }
}

/// Makes implied folders look as they do below.
pub(super) fn implied(settling: &mut Settling<'_>) -> Result<()> {
    for path in &settling.needs.implied {
        settling.check()?;
        let path = split(path);
        let failed = || format!("Failed to make '{}' what it is below", shown(&path));
        let Some((name, parents)) = path.split_last() else {
            continue;
        };
        if settling.needs.replaced.contains(&joined(&path)) {
            continue;
        }
        // What the folder hides is what is in it, not how it looks.
        let stack = settling.below(parents).doing(failed)?;
        if let Found::Folder(below) = merged::look(&stack, OsStr::from_bytes(name)).doing(failed)?
            && let Some(below) = below.first()
        {
            let own = open(&settling.own, &path).doing(failed)?;
            take_over(below, &own).doing(failed)?;
        }
    }
    Ok(())
}

/// The same for the top, where that shows; says whether it did.
pub(super) fn top(settling: &Settling<'_>) -> Result<bool> {
    let failed = || "Failed to make the top of the layer what it is below".to_owned();
    let own = &settling.own;
    if settling.needs.has_top {
        return Ok(false);
    }
    let below = settling.below(&[]).doing(failed)?;
    let owner = settling.context.owners.own();
    match below.first() {
        Some(below) if !is_plain(below, owner).doing(failed)? => {
            take_over(below, own).doing(failed)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Whether a folder is as one that nobody has said anything of.
fn is_plain(folder: &Dir, owner: (u32, u32)) -> io::Result<bool> {
    let stat = folder.stat_self()?;
    if stat.st_mode & 0o7777 != IMPLIED_MODE || (stat.st_uid, stat.st_gid) != owner {
        return Ok(false);
    }
    match attributes::list(folder.as_fd()) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        names => Ok(names?
            .iter()
            .all(|name| overlay::is_own(name.as_bytes()) || name == SELINUX)),
    }
}

/// Gives a folder what another one has, but for what that hides.
pub(in crate::oci) fn take_over(from: &Dir, to: &Dir) -> io::Result<()> {
    let was_opaque = overlay::is_opaque(to.as_fd())?;
    tree::adopt(from, to)?;
    overlay::clear(to.as_fd())?;
    match was_opaque {
        true => overlay::make_opaque(to.as_fd()),
        false => Ok(()),
    }
}

/// The same of a folder that was moved, and is not implied any more.
pub(super) fn take_over_listed(
    settling: &mut Settling<'_>,
    (from, to): (&Dir, &Dir),
    path: &[Vec<u8>],
) -> io::Result<()> {
    settling.needs.implied.remove(&joined(path));
    take_over(from, to)
}
