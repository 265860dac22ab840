//! What the folders of a tree will look like, kept until nothing is put into them any more.

use super::dress::{Inode, Wardrobe};
use super::places::{Components, Missing, Places};
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_formats::tar::{self, Entry, Timestamp};
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// Most bytes that are held to the end for all folders together: a million of them with paths of a
/// hundred bytes. Large installations have some 100,000.
const HELD_BYTES_MAX: usize = 256 << 20;
/// What a folder without attributes costs beside its path, in bytes, about.
const LOOK_COST: usize = 128;

/// The last entry of each folder.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// By path: its components with a NUL between, so that a folder comes before what is in it, and
    /// that before its next sibling. The top has the empty one.
    looks: BTreeMap<Box<[u8]>, Look>,
    held_bytes: usize,
}

/// What an entry says of a folder.
#[derive(Debug)]
struct Look {
    mode: u32,
    owner: (u32, u32),
    mtime: Timestamp,
    /// What few folders have.
    attributes: Option<Box<Entry>>,
}

impl Folders {
    /// Notes an entry; a later one of the same folder wins.
    ///
    /// # Errors
    /// [`Kind::Archive`] for more than can be held.
    pub(super) fn note(&mut self, path: &Components, entry: Entry) -> Result<()> {
        let path = path.join(&0).into_boxed_slice();
        let look = Look::new(entry);
        self.held_bytes += path.len() + look.cost();
        let path_bytes = path.len();
        if let Some(old) = self.looks.insert(path, look) {
            self.held_bytes -= path_bytes + old.cost();
        }
        if self.held_bytes > HELD_BYTES_MAX {
            let text = "The archive has more folders, with their paths and attributes, than can \
                        be held";
            return Err(Error::new(Kind::Archive, text));
        }
        Ok(())
    }

    /// Makes one child of the top the top: its entry, and all below it, move up.
    pub(super) fn move_up(&mut self, child: &[u8]) {
        let moved = std::mem::take(&mut self.looks);
        self.looks = moved
            .into_iter()
            .filter_map(|(path, look)| match path.strip_prefix(child)? {
                [] => Some((Box::default(), look)),
                [0, inside @ ..] => Some((inside.into(), look)),
                _other_name => None,
            })
            .collect();
    }

    /// Whether the archive says what the top looks like.
    pub(super) fn has_top(&self) -> bool {
        self.has(&[])
    }

    /// Whether the archive says what a folder looks like.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.looks.contains_key(path)
    }

    /// Dresses all folders, inner ones before outer ones: a folder that nobody may enter comes
    /// after all that is in it.
    pub(super) fn dress(self, places: &mut Places, wardrobe: &Wardrobe) -> Result<()> {
        for (path, look) in self.looks.into_iter().rev() {
            let components: Components = match &path[..] {
                [] => Components::new(),
                path => path.split(|byte| *byte == 0).map(Vec::from).collect(),
            };
            let folder = places.folder(&components, Missing::Fail)?;
            let entry = look.into_entry(components.join(&b'/'));
            // Folders are made 0700 or, where implied, 0755: always set the mode.
            wardrobe.dress(Inode::Open(folder.as_fd()), &entry, u32::MAX)?;
        }
        Ok(())
    }
}

impl Look {
    fn new(entry: Entry) -> Self {
        let has_attributes = !entry.xattrs.is_empty()
            || entry.acl_access.is_some()
            || entry.acl_default.is_some()
            || entry.file_flags.is_some()
            || entry.lost_nfs4_acl;
        Self {
            mode: entry.mode,
            owner: (entry.uid, entry.gid),
            mtime: entry.mtime,
            attributes: has_attributes.then(|| {
                Box::new(Entry {
                    path: Vec::new(),
                    ..entry
                })
            }),
        }
    }

    fn into_entry(self, path: Vec<u8>) -> Entry {
        match self.attributes {
            Some(entry) => Entry { path, ..*entry },
            None => Entry {
                mode: self.mode,
                uid: self.owner.0,
                gid: self.owner.1,
                mtime: self.mtime,
                ..Entry::new(path, tar::Kind::Directory)
            },
        }
    }

    fn cost(&self) -> usize {
        let attributes = self.attributes.as_deref().map_or(0, attribute_bytes);
        LOOK_COST + attributes
    }
}

fn attribute_bytes(entry: &Entry) -> usize {
    let lists = [&entry.acl_access, &entry.acl_default, &entry.file_flags];
    let lists = lists.into_iter().flatten().map(Vec::len);
    let attributes = entry
        .xattrs
        .iter()
        .map(|(name, value)| name.len() + value.len() + LOOK_COST);
    size_of::<Entry>() + lists.chain(attributes).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(attribute_bytes: usize) -> Entry {
        let mut entry = Entry::new(Vec::new(), tar::Kind::Directory);
        entry.xattrs = vec![(b"user.a".to_vec(), vec![0; attribute_bytes])];
        entry
    }

    #[test]
    fn what_is_held_of_folders_is_bounded() {
        let mut folders = Folders::default();
        let size = HELD_BYTES_MAX / 100;
        for _ in 0..200 {
            folders.note(&vec![b"same".to_vec()], folder(size)).unwrap();
        }
        let result = (0..100u8).try_for_each(|i| folders.note(&vec![vec![i + 1]], folder(size)));
        assert_eq!(result.unwrap_err().kind, Kind::Archive);
        // Long paths count, too.
        let mut folders = Folders::default();
        let result = (0..10_000u32).try_for_each(|i| {
            let mut path = vec![vec![b'x'; 255]; 126];
            path.push(i.to_string().into_bytes());
            folders.note(&path, Entry::new(Vec::new(), tar::Kind::Directory))
        });
        assert_eq!(result.unwrap_err().kind, Kind::Archive);
    }

    #[test]
    fn only_what_is_below_a_child_moves_up() {
        let mut folders = Folders::default();
        for path in ["", "a", "a/b", "a.c", "ab/x"] {
            let parts = path.split('/').filter(|part| !part.is_empty());
            let components: Components = parts.map(|part| part.into()).collect();
            let mut entry = Entry::new(Vec::new(), tar::Kind::Directory);
            entry.mode = u32::try_from(path.len()).unwrap();
            folders.note(&components, entry).unwrap();
        }
        folders.move_up(b"a");
        let left: Vec<_> = folders.looks.iter().collect();
        assert_eq!(left.len(), 2);
        assert_eq!((&left[0].0[..], left[0].1.mode), (&b""[..], 1));
        assert_eq!((&left[1].0[..], left[1].1.mode), (&b"b"[..], 3));
    }
}
