//! Folders that an archive implies and that are links below.
//!
//! A layer may have `lib/x` where a layer below has the link `lib` to `usr/lib`, and does not list
//! `lib`. Whoever unpacks one archive after the other into one tree follows the link, and the file
//! comes out as `usr/lib/x`. A folder of its own in this layer would hide the link and all that is
//! reached by it. So its contents are moved to where the link leads, which is never outside.

use super::adopt::take_over_listed;
use super::own::{ensure, keeping_times, open};
use super::settle::Settling;
use crate::error::{Doing, Error, Result};
use crate::oci::merged::{self, Found};
use crate::sink::tree::{Components, joined, shown, split};
use importd_api::failure::Kind;
use importd_formats::oci::marker::Marker;
use importd_host::dir::Dir;
use importd_host::{overlay, tree};
use rustix::fs::FileType;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// What the contents of a folder wait under while it is found out where they go; nothing in a layer
/// that came from an archive can have the name, since it is that of a marker.
const WAITING: &str = ".wh..wh.importd-waiting";

/// Moves what is in implied folders that are links below.
pub(super) fn relocate(settling: &mut Settling<'_>) -> Result<()> {
    if settling.below.is_empty() {
        return Ok(());
    }
    let mut queue = settling.needs.implied.clone();
    while let Some(path) = queue.pop_first() {
        settling.check()?;
        if !settling.needs.implied.contains(&path) {
            continue;
        }
        let path = split(&path);
        let failed = || format!("Failed to follow the link '{}'", shown(&path));
        if is_link(settling, &path).doing(failed)? {
            let target = follow(settling, &path)?;
            let start = joined(&target);
            let moved = settling.needs.implied.range(start.clone()..);
            queue.extend(moved.take_while(|it| it.starts_with(&start)).cloned());
        }
    }
    Ok(())
}

/// Whether a folder of this layer is a link below.
fn is_link(settling: &Settling<'_>, path: &[Vec<u8>]) -> io::Result<bool> {
    let Some((name, parents)) = path.split_last() else {
        return Ok(false);
    };
    if settling.needs.replaced.contains(&joined(path)) {
        return Ok(false);
    }
    let stack = settling.below(parents)?;
    Ok(match merged::look(&stack, OsStr::from_bytes(name))? {
        Found::Inode(inode) => FileType::from_raw_mode(inode.stat.st_mode) == FileType::Symlink,
        Found::Nothing | Found::Folder(_) => false,
    })
}

/// Moves what is in one folder to where the link leads that it is below; says where that is.
fn follow(settling: &mut Settling<'_>, path: &[Vec<u8>]) -> Result<Components> {
    let failed = || format!("Failed to follow the link '{}'", shown(path));
    let Some((name, parents)) = path.split_last() else {
        return Ok(Components::new());
    };
    let name = OsStr::from_bytes(name);
    let parent = open(&settling.own, parents).doing(failed)?;
    let own = settling.own.try_clone().doing(failed)?;
    let waiting = OsStr::new(WAITING);
    keeping_times(&parent, || {
        keeping_times(&own, || parent.rename(name, &own, waiting))
    })
    .doing(failed)?;
    let target = merged::resolve(&settling.all(), path)?;
    if target
        .iter()
        .any(|name| !matches!(Marker::parse(name), Ok(None)))
    {
        let text = format!("{}: it leads to what no layer can have", failed());
        return Err(Error::new(Kind::Archive, text));
    }
    let from = own.open_dir(waiting).doing(failed)?;
    let to = ensure(&own, &target, &mut settling.needs.implied).doing(failed)?;
    settling.needs.implied.remove(&joined(path));
    let mut merge = Merge { settling };
    merge.folders((&from, path), (&to, &target)).doing(failed)?;
    keeping_times(&own, || own.remove_dir(waiting)).doing(failed)?;
    Ok(target)
}

struct Merge<'s, 'a> {
    settling: &'s mut Settling<'a>,
}

impl Merge<'_, '_> {
    /// Empties one folder into another. Of two files of one name, the one stays that the archive has
    /// under the name without a link.
    fn folders(
        &mut self,
        (from, from_path): (&Dir, &[Vec<u8>]),
        (to, to_path): (&Dir, &[Vec<u8>]),
    ) -> io::Result<()> {
        if overlay::is_opaque(from.as_fd())? {
            overlay::make_opaque(to.as_fd())?;
            self.settling.needs.opaque.remove(&joined(from_path));
            self.settling.needs.opaque.insert(joined(to_path));
        }
        if self.settling.needs.hiding.remove(&joined(from_path)) {
            self.settling.needs.hiding.insert(joined(to_path));
        }
        let names = from.entries()?;
        keeping_times(to, || {
            for name in names {
                let below = |path: &[Vec<u8>]| {
                    let mut path = path.to_vec();
                    path.push(name.as_bytes().to_vec());
                    path
                };
                let (old, new) = (below(from_path), below(to_path));
                self.one(&name, (from, &old), (to, &new))?;
            }
            Ok(())
        })
    }

    fn one(
        &mut self,
        name: &OsStr,
        (from, old): (&Dir, &[Vec<u8>]),
        (to, new): (&Dir, &[Vec<u8>]),
    ) -> io::Result<()> {
        let there = match to.stat(name) {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                from.rename(name, to, name)?;
                self.renamed(old, new);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let stat = from.stat(name)?;
        let hides = overlay::is_hiding(from, name, &stat)?;
        let is_folder = |mode| FileType::from_raw_mode(mode) == FileType::Directory;
        match (is_folder(stat.st_mode), is_folder(there.st_mode)) {
            (true, true) => {
                let (inner, other) = (from.open_dir(name)?, to.open_dir(name)?);
                self.folders((&inner, old), (&other, new))?;
                let was_listed = !self.settling.needs.implied.remove(&joined(old));
                if was_listed && self.settling.needs.implied.contains(&joined(new)) {
                    take_over_listed(self.settling, (&inner, &other), new)?;
                }
                from.remove_dir(name)
            }
            (false, true) if hides => {
                from.unlink(name)?;
                overlay::make_opaque(to.open_dir(name)?.as_fd())
            }
            (is_folder, _) if overlay::is_hiding(to, name, &there)? && !hides => {
                to.unlink(name)?;
                from.rename(name, to, name)?;
                self.renamed(old, new);
                match is_folder {
                    true => overlay::make_opaque(to.open_dir(name)?.as_fd()),
                    false => Ok(()),
                }
            }
            _ => {
                tree::remove(from, name)?;
                self.renamed(old, &[]);
                Ok(())
            }
        }
    }

    /// What is known of a folder and all in it is known of it at its new place; nothing if it has none.
    fn renamed(&mut self, old: &[Vec<u8>], new: &[Vec<u8>]) {
        let needs = &mut self.settling.needs;
        let sets = [
            &mut needs.implied,
            &mut needs.hiding,
            &mut needs.opaque,
            &mut needs.replaced,
        ];
        for set in sets {
            renamed(set, old, new);
        }
    }
}

fn renamed(set: &mut BTreeSet<Box<[u8]>>, old: &[Vec<u8>], new: &[Vec<u8>]) {
    let start = joined(old);
    let is_inside = |path: &[u8]| {
        path.strip_prefix(&start[..])
            .is_some_and(|rest| matches!(rest.first(), None | Some(0)))
    };
    let inside: Vec<Box<[u8]>> = set
        .range(start.clone()..)
        .take_while(|path| path.starts_with(&start))
        .filter(|path| is_inside(path))
        .cloned()
        .collect();
    for path in inside {
        set.remove(&path);
        if !new.is_empty() {
            let mut moved = joined(new).into_vec();
            moved.extend_from_slice(&path[start.len()..]);
            set.insert(moved.into());
        }
    }
}
