//! How much work a tree is, found out beside the copy: names and sizes only, which the copy needs
//! anyway and finds in memory then.

use super::folder::open_quietly;
use super::list::Lister;
use super::pool::Shared;
use super::{OPEN_MAX, content};
use crate::dir::Dir;
use rustix::fs::{FileType, OFlags};
use std::ffi::OsString;
use std::io;

/// What an entry costs beside its contents, counted as so many bytes of contents.
pub(super) const ENTRY_WORK: u64 = 16 << 10;

struct Level {
    folder: Dir,
    subfolders: Vec<OsString>,
}

impl Shared<'_> {
    /// Counts the whole tree on this mount and says what it found. It gives up, so that nothing is
    /// known, if the tree is deeper than this keeps folders open, or something cannot be read.
    pub(super) fn count(&self, source: &Dir, mount: u64) {
        if let Ok(Some(total)) = self.count_tree(source, mount) {
            self.set_total(total);
        }
    }

    fn count_tree(&self, source: &Dir, mount: u64) -> io::Result<Option<u64>> {
        let mut lister = Lister::new();
        let mut total = 0u64;
        let mut stack = vec![list(source.reopen()?, &mut lister, &mut total)?];
        while let Some(level) = stack.last_mut() {
            if !self.counts() {
                return Ok(None);
            }
            let Some(name) = level.subfolders.pop() else {
                stack.pop();
                continue;
            };
            let folder = open_quietly(&level.folder, &name, OFlags::DIRECTORY)?;
            let folder = Dir::from(folder);
            if folder.mount_id()? != mount {
                continue;
            }
            if stack.len() >= OPEN_MAX {
                return Ok(None);
            }
            stack.push(list(folder, &mut lister, &mut total)?);
        }
        Ok(Some(total))
    }
}

fn list(folder: Dir, lister: &mut Lister, total: &mut u64) -> io::Result<Level> {
    let mut subfolders = Vec::new();
    lister.read(&folder, |name, kind| {
        *total = total.saturating_add(ENTRY_WORK);
        match kind {
            FileType::Directory => subfolders.push(name.to_owned()),
            FileType::RegularFile => {
                let stat = folder.stat(name)?;
                *total = total.saturating_add(content::allocated(&stat));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(Level { folder, subfolders })
}
