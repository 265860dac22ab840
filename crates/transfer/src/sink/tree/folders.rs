//! What the folders of a tree will look like, kept until nothing is put into them any more.

use super::dress::{Inode, Wardrobe};
use super::places::{Components, Missing, Places};
use crate::error::Result;
use importd_formats::tar::Entry;
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// The last entry of each folder; the top is the one without components.
#[derive(Debug, Default)]
pub(super) struct Folders(BTreeMap<Components, Entry>);

impl Folders {
    /// Notes an entry; a later one of the same folder wins.
    pub(super) fn note(&mut self, path: Components, entry: Entry) {
        self.0.insert(path, entry);
    }

    /// Makes one child of the top the top: its entry, and all below it, move up.
    pub(super) fn move_up(&mut self, child: &[u8]) {
        let moved = std::mem::take(&mut self.0);
        self.0 = moved
            .into_iter()
            .filter_map(|(mut path, entry)| {
                let inside = path.first().is_some_and(|first| first == child);
                inside.then(|| {
                    path.remove(0);
                    (path, entry)
                })
            })
            .collect();
    }

    /// Whether the archive says what the top looks like.
    pub(super) fn has_top(&self) -> bool {
        self.0.contains_key(&Vec::new())
    }

    /// Dresses all folders, inner ones before outer ones: a folder that nobody may enter comes
    /// after all that is in it.
    pub(super) fn dress(self, places: &mut Places, wardrobe: &Wardrobe) -> Result<()> {
        for (path, entry) in self.0.into_iter().rev() {
            let folder = places.folder(&path, Missing::Fail)?;
            // Folders are made 0700 or, where implied, 0755: always set the mode.
            wardrobe.dress(Inode::Open(folder.as_fd()), &entry, u32::MAX)?;
        }
        Ok(())
    }
}
