//! From a map of a disk to its extents.

use super::{Content, Error, Extent};
use std::iter::FusedIterator;

/// A disk's map, read from its start to its end.
pub(super) trait Map: Send {
    /// What is at an offset of the disk, and how many bytes of the same kind follow: at least one.
    /// The last answer may reach beyond the end of the disk. Offsets come in ascending order, each
    /// where the last answer ended.
    fn at(&mut self, offset: u64) -> Result<(u64, Content), Error>;
}

/// The extents of a map: without a gap, neighbours that are alike joined.
pub(super) struct Walk<M> {
    map: M,
    /// Size of the disk.
    size: u64,
    /// Where the map is asked next.
    at: u64,
    /// What was found and may still grow.
    found: Option<Extent>,
    /// An error that comes after what was found.
    failed: Option<Error>,
}

impl<M: Map> Walk<M> {
    pub(super) fn new(map: M, size: u64) -> Self {
        Self {
            map,
            size,
            at: 0,
            found: None,
            failed: None,
        }
    }

    /// The next piece of the map, cut at the end of the disk.
    fn piece(&mut self) -> Result<Option<Extent>, Error> {
        let left = self.size.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        let (length, content) = self.map.at(self.at)?;
        let extent = Extent {
            offset: self.at,
            length: length.clamp(1, left),
            content,
        };
        self.at = self.at.saturating_add(extent.length);
        Ok(Some(extent))
    }
}

/// Both as one, if they are alike and follow one another in the image too.
fn join(first: &Extent, second: &Extent) -> Option<Extent> {
    let alike = match (first.content, second.content) {
        (Content::Hole, Content::Hole) => true,
        (Content::Stored { offset: one }, Content::Stored { offset: two }) => {
            one.checked_add(first.length) == Some(two)
        }
        _ => false,
    };
    alike.then(|| Extent {
        length: first.length.saturating_add(second.length),
        ..*first
    })
}

impl<M: Map> Iterator for Walk<M> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        loop {
            let piece = match self.piece() {
                Ok(Some(piece)) => piece,
                Ok(None) => return self.found.take().map(Ok),
                Err(error) => {
                    self.at = self.size;
                    let Some(found) = self.found.take() else {
                        return Some(Err(error));
                    };
                    self.failed = Some(error);
                    return Some(Ok(found));
                }
            };
            match self.found.replace(piece) {
                None => {}
                Some(found) => match join(&found, &piece) {
                    Some(both) => self.found = Some(both),
                    None => return Some(Ok(found)),
                },
            }
        }
    }
}

impl<M: Map> FusedIterator for Walk<M> {}
