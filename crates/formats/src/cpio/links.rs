//! Which names belong to one inode.

use crate::tar::Error;
use std::collections::HashMap;

/// Most bytes of names of files that have more names to come. An archiver forgets a file once all
/// its names came; a million of them with ordinary names fit.
const NAMES_BYTES_MAX: usize = 64 << 20;
/// What one of them costs beside its name, in bytes, about.
const NAME_COST: usize = 64;

/// First names of inodes whose other names are still to come.
#[derive(Debug, Default)]
pub(super) struct Links {
    first: HashMap<(u32, u32, u32), First>,
    bytes: usize,
}

#[derive(Debug)]
struct First {
    path: Vec<u8>,
    /// Names that did not come yet.
    left: u32,
}

impl Links {
    /// The first name of an inode, if it came already; this one is noted otherwise.
    pub(super) fn first_name(
        &mut self,
        inode: (u32, u32, u32),
        count: u32,
        path: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        if let Some(first) = self.first.get_mut(&inode) {
            first.left = first.left.saturating_sub(1);
            if first.left > 0 {
                return Ok(Some(first.path.clone()));
            }
            let first = self.first.remove(&inode);
            let path = first.map(|first| first.path).unwrap_or_default();
            self.bytes = self.bytes.saturating_sub(cost(&path));
            return Ok(Some(path));
        }
        self.bytes = self.bytes.saturating_add(cost(path));
        if self.bytes > NAMES_BYTES_MAX {
            return Err(Error::TooLong {
                what: "list of files with several names",
                limit: NAMES_BYTES_MAX as u64,
            });
        }
        let first = First {
            path: path.to_vec(),
            left: count.saturating_sub(1),
        };
        self.first.insert(inode, first);
        Ok(None)
    }
}

fn cost(path: &[u8]) -> usize {
    path.len().saturating_add(NAME_COST)
}
