//! Which subvolumes lie within one.

use super::ioctls;
use crate::dir::Dir;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Most subvolumes within one that are taken as one tree: each costs some memory. Container engines
/// make a few thousand.
const NESTED_MAX: usize = 100_000;
/// Deepest subvolume within subvolumes: each level costs descriptors.
const LEVELS_MAX: usize = 64;

/// A subvolume within another one, with those within it.
#[derive(Debug)]
pub(super) struct Nested {
    pub(super) id: u64,
    /// Names from the top of the subvolume it lies in to its folder.
    folders: Vec<OsString>,
    pub(super) name: OsString,
    pub(super) children: Vec<Nested>,
}

impl Nested {
    /// The folder that it lies in, below the top of the subvolume around it. No link is followed and
    /// no mount crossed.
    pub(super) fn folder(&self, top: &Dir) -> io::Result<Dir> {
        let mut folder = top.try_clone()?;
        for name in &self.folders {
            folder = folder.open_dir(name)?;
        }
        Ok(folder)
    }

    /// Opens it.
    ///
    /// # Errors
    /// `ESTALE` if something else has its name by now, or is mounted on it.
    pub(super) fn open(&self, folder: &Dir) -> io::Result<Dir> {
        let top = folder.open_dir(&self.name)?;
        if !ioctls::is_subvolume(&top)? || ioctls::identity(&top)?.id != self.id {
            return Err(Errno::STALE.into());
        }
        Ok(top)
    }
}

/// Finds the subvolumes within the one that `top` is the top of.
pub(super) fn find(top: &Dir) -> io::Result<Vec<Nested>> {
    let mut room = NESTED_MAX;
    find_below(top, LEVELS_MAX, &mut room)
}

fn find_below(top: &Dir, levels: usize, room: &mut usize) -> io::Result<Vec<Nested>> {
    let mut found = Vec::new();
    for child in ioctls::children(top.as_fd())? {
        if levels == 0 || *room == 0 {
            return Err(Errno::TOOBIG.into());
        }
        *room -= 1;
        let (path, name) = match ioctls::place_of(top.as_fd(), child) {
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let mut nested = Nested {
            id: child.id,
            folders: components(&path),
            name,
            children: Vec::new(),
        };
        let below = nested.open(&nested.folder(top)?)?;
        nested.children = find_below(&below, levels - 1, room)?;
        found.push(nested);
    }
    Ok(found)
}

/// Whether `each` holds for one of them, at any depth.
pub(super) fn any(nested: &[Nested], each: &impl Fn(&Nested) -> bool) -> bool {
    nested
        .iter()
        .any(|one| each(one) || any(&one.children, each))
}

fn components(path: &OsStr) -> Vec<OsString> {
    path.as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect()
}
