//! What the folders of a tree will look like, kept until nothing is put into them any more.

use super::dress::{Inode, Wardrobe};
use super::places::{Components, Missing, Places};
use crate::error::{Error, Result};
use importd_api::failure::Kind;
use importd_formats::tar::Entry;
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// Most folders of an archive: what is known of each is held to the end. Large installations have
/// some 100,000.
const FOLDERS_MAX: usize = 1_000_000;
/// Most bytes of attributes and access lists of all folders together, held to the end.
const ATTRIBUTES_BYTES_MAX: usize = 64 << 20;

/// The last entry of each folder; the top is the one without components.
#[derive(Debug, Default)]
pub(super) struct Folders {
    entries: BTreeMap<Components, Entry>,
    attribute_bytes: usize,
}

impl Folders {
    /// Notes an entry; a later one of the same folder wins.
    ///
    /// # Errors
    /// [`Kind::Archive`] for more than can be held.
    pub(super) fn note(&mut self, path: Components, entry: Entry) -> Result<()> {
        self.attribute_bytes += attribute_bytes(&entry);
        if let Some(old) = self.entries.insert(path, entry) {
            self.attribute_bytes -= attribute_bytes(&old);
        }
        let text = if self.entries.len() > FOLDERS_MAX {
            format!("The archive has more than {FOLDERS_MAX} folders")
        } else if self.attribute_bytes > ATTRIBUTES_BYTES_MAX {
            format!(
                "The archive's folders have more than {ATTRIBUTES_BYTES_MAX} bytes of attributes"
            )
        } else {
            return Ok(());
        };
        Err(Error::new(Kind::Archive, text))
    }

    /// Makes one child of the top the top: its entry, and all below it, move up.
    pub(super) fn move_up(&mut self, child: &[u8]) {
        let moved = std::mem::take(&mut self.entries);
        self.entries = moved
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
        self.entries.contains_key(&Vec::new())
    }

    /// Dresses all folders, inner ones before outer ones: a folder that nobody may enter comes
    /// after all that is in it.
    pub(super) fn dress(self, places: &mut Places, wardrobe: &Wardrobe) -> Result<()> {
        for (path, entry) in self.entries.into_iter().rev() {
            let folder = places.folder(&path, Missing::Fail)?;
            // Folders are made 0700 or, where implied, 0755: always set the mode.
            wardrobe.dress(Inode::Open(folder.as_fd()), &entry, u32::MAX)?;
        }
        Ok(())
    }
}

fn attribute_bytes(entry: &Entry) -> usize {
    let lists = [&entry.acl_access, &entry.acl_default, &entry.file_flags];
    let lists = lists.into_iter().flatten().map(Vec::len);
    let attributes = entry
        .xattrs
        .iter()
        .map(|(name, value)| name.len() + value.len());
    lists.chain(attributes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_formats::tar::{self, Timestamp};

    fn folder(attribute_bytes: usize) -> Entry {
        Entry {
            path: Vec::new(),
            kind: tar::Kind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime: Timestamp::default(),
            link: Vec::new(),
            size: 0,
            device: (0, 0),
            xattrs: vec![(b"user.a".to_vec(), vec![0; attribute_bytes])],
            acl_access: None,
            acl_default: None,
            file_flags: None,
            sparse: false,
        }
    }

    #[test]
    fn what_is_held_of_folders_is_bounded() {
        let mut folders = Folders::default();
        for _ in 0..100 {
            folders
                .note(vec![b"same".to_vec()], folder(1 << 20))
                .unwrap();
        }
        let result = (0..100u8).try_for_each(|i| folders.note(vec![vec![i]], folder(1 << 20)));
        assert_eq!(result.unwrap_err().kind, Kind::Archive);
    }
}
