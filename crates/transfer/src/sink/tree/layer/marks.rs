//! Entries that are no inodes.

use super::super::places::{Components, shown};
use super::needs::{Joined, joined};
use crate::error::{Error, Result};
use crate::report::Report;
use importd_api::failure::Kind;
use importd_formats::oci::marker::Marker;
use importd_formats::tar::{self, Entry};
use importd_host::overlay;
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes that are held to the end for all markers and links together: a million with paths of a
/// hundred bytes. Layers have some hundred.
const HELD_BYTES_MAX: usize = 128 << 20;
/// What one costs beside its paths, in bytes, about.
const MARK_COST: usize = 64;

/// What an entry becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Meaning {
    /// An inode.
    Inode,
    /// None: it was noted, or says nothing.
    Noted,
}

/// What was noted while entries came.
#[derive(Debug, Default)]
pub(in super::super) struct Marks {
    /// What is hidden, where the archive has nothing of that name.
    pub(super) hidden: BTreeSet<Joined>,
    /// Folders that hide all that is below.
    pub(super) opaque: BTreeSet<Joined>,
    /// Hard links to what has not come yet.
    pub(super) links: BTreeMap<Joined, Joined>,
    held_bytes: usize,
    attributes: u64,
    leftovers: u64,
    devices: u64,
}

impl Marks {
    /// Sorts out an entry, and takes from it what only overlayfs may say.
    ///
    /// # Errors
    /// [`Kind::Archive`] for a marker that makes no sense, and for more than can be held.
    pub(in super::super) fn sort_out(
        &mut self,
        path: &Components,
        entry: &mut Entry,
    ) -> Result<Meaning> {
        let Some((name, parents)) = path.split_last() else {
            self.without_own(entry);
            return Ok(Meaning::Inode);
        };
        for parent in parents {
            match parse(parent, path)? {
                None => {}
                Some(Marker::Leftover) => return Ok(self.left_over()),
                Some(_) => return Err(refused(path, "it is inside a marker of a removed file")),
            }
        }
        match parse(name, path)? {
            Some(Marker::Leftover) => return Ok(self.left_over()),
            Some(Marker::Opaque) => {
                let folder = joined(parents);
                self.hold(folder.len())?;
                self.opaque.insert(folder);
                return Ok(Meaning::Noted);
            }
            Some(Marker::Hides(name)) => {
                let mut hidden = parents.to_vec();
                hidden.push(name.to_vec());
                let hidden = joined(&hidden);
                self.hold(hidden.len())?;
                self.hidden.insert(hidden);
                return Ok(Meaning::Noted);
            }
            None => {}
        }
        if entry.kind == tar::Kind::CharDevice && entry.device == (0, 0) {
            // It would hide what is below, which only a marker may say; and no program can open it.
            self.devices += 1;
            return Ok(Meaning::Noted);
        }
        self.without_own(entry);
        if !self.links.is_empty() {
            // The later entry of a name wins.
            self.links.remove(&joined(path));
        }
        Ok(Meaning::Inode)
    }

    /// Notes a hard link to what has not come yet.
    ///
    /// # Errors
    /// [`Kind::Archive`] for more than can be held.
    pub(in super::super) fn note_link(
        &mut self,
        path: &Components,
        target: &Components,
    ) -> Result<()> {
        let (path, target) = (joined(path), joined(target));
        self.hold(path.len() + target.len())?;
        self.links.insert(path, target);
        Ok(())
    }

    /// Refuses a hard link to what is no inode.
    ///
    /// # Errors
    /// [`Kind::Archive`].
    pub(in super::super) fn check_target(path: &Components, target: &Components) -> Result<()> {
        for component in target {
            if parse(component, path)?.is_some() {
                return Err(refused(path, "it is a hard link to a marker"));
            }
        }
        Ok(())
    }

    /// Says what was left out.
    pub(super) fn tell(&self, report: &Report) {
        let attributes = (self.attributes, "attributes that only overlayfs may set");
        let leftovers = (self.leftovers, "entries that belong to aufs");
        let devices = (self.devices, "devices 0:0, which would hide other files");
        for (count, what) in [attributes, leftovers, devices] {
            if count > 0 {
                report.warning(format!("Left out of the layer: {count} {what}."));
            }
        }
    }

    fn without_own(&mut self, entry: &mut Entry) {
        let before = entry.xattrs.len();
        entry.xattrs.retain(|(name, _)| !overlay::is_own(name));
        self.attributes += (before - entry.xattrs.len()) as u64;
    }

    fn left_over(&mut self) -> Meaning {
        self.leftovers += 1;
        Meaning::Noted
    }

    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held_bytes += bytes + MARK_COST;
        if self.held_bytes > HELD_BYTES_MAX {
            let text = "The layer has more markers of removed files, and hard links to files of other \
                        layers, than can be held";
            return Err(Error::new(Kind::Archive, text));
        }
        Ok(())
    }
}

fn parse<'a>(name: &'a [u8], path: &Components) -> Result<Option<Marker<'a>>> {
    Marker::parse(name).map_err(|error| {
        let text = format!("Refusing entry '{}'", shown(path));
        Error::caused(Kind::Archive, text, error)
    })
}

fn refused(path: &Components, why: &str) -> Error {
    let text = format!("Refusing entry '{}': {why}", shown(path));
    Error::new(Kind::Archive, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Components {
        text.split('/').map(|part| part.as_bytes().into()).collect()
    }

    fn sorted(marks: &mut Marks, text: &str) -> Result<Meaning> {
        let mut entry = Entry::new(text.into(), tar::Kind::File);
        marks.sort_out(&path(text), &mut entry)
    }

    #[test]
    fn markers_are_noted_and_nonsense_is_refused() {
        let mut marks = Marks::default();
        for noted in [
            "a/.wh.b",
            "a/.wh..wh..opq",
            ".wh..wh.plnk/1.2",
            ".wh..wh.aufs",
        ] {
            assert_eq!(
                sorted(&mut marks, noted).unwrap(),
                Meaning::Noted,
                "{noted}"
            );
        }
        assert_eq!(sorted(&mut marks, "a/b").unwrap(), Meaning::Inode);
        for bad in [".wh.", "a/.wh..", "a/.wh...", "a/.wh.b/c", ".wh..wh..opq/x"] {
            assert_eq!(
                sorted(&mut marks, bad).unwrap_err().kind,
                Kind::Archive,
                "{bad}"
            );
        }
        assert_eq!(marks.hidden.len() + marks.opaque.len(), 2);
        let error = Marks::check_target(&path("x"), &path("a/.wh.b")).unwrap_err();
        assert_eq!(error.kind, Kind::Archive);
    }

    #[test]
    fn what_overlayfs_reads_cannot_come_from_an_archive() {
        let mut marks = Marks::default();
        let mut entry = Entry::new(b"d".to_vec(), tar::Kind::Directory);
        for name in [
            "user.overlay.opaque",
            "trusted.overlay.redirect",
            "user.kept",
        ] {
            entry.xattrs.push((name.into(), b"y".to_vec()));
        }
        assert_eq!(
            marks.sort_out(&path("d"), &mut entry).unwrap(),
            Meaning::Inode
        );
        assert_eq!(entry.xattrs.len(), 1);
        let mut device = Entry::new(b"n".to_vec(), tar::Kind::CharDevice);
        assert_eq!(
            marks.sort_out(&path("n"), &mut device).unwrap(),
            Meaning::Noted
        );
        device.device = (1, 3);
        assert_eq!(
            marks.sort_out(&path("n"), &mut device).unwrap(),
            Meaning::Inode
        );
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut marks = Marks::default();
        let long = vec![vec![b'x'; 250]; 400];
        let result = (0..2000u32).try_for_each(|i| {
            let mut path = long.clone();
            path.push(format!(".wh.{i}").into_bytes());
            let mut entry = Entry::new(Vec::new(), tar::Kind::File);
            marks.sort_out(&path, &mut entry).map(drop)
        });
        assert_eq!(result.unwrap_err().kind, Kind::Archive);
    }
}
