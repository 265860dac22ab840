//! Maps of sparse files.

use super::pax::decimal;
use super::{BLOCK_BYTES, Error, Extent, Limits, number};

/// Whether so many stored bytes end with a block. GNU tar begins each extent with a new one,
/// libarchive where the last ended: only the last extent may be anything but whole blocks.
pub(super) fn is_whole_blocks(stored: u64) -> bool {
    stored.checked_rem(BLOCK_BYTES as u64) == Some(0)
}

/// Checks that extents are in order, apart, inside the file, of whole blocks, and as long together
/// as the stored contents. Empty ones only mark the end, and are dropped.
pub(super) fn checked(map: Vec<Extent>, size: u64, stored: u64) -> Result<Vec<Extent>, Error> {
    let (mut end, mut sum) = (0u64, 0u64);
    for extent in &map {
        if extent.offset < end {
            return Err(Error::BadSparse);
        }
        end = extent
            .offset
            .checked_add(extent.length)
            .ok_or(Error::BadSparse)?;
        if extent.length > 0 && !is_whole_blocks(sum) {
            return Err(Error::Unsupported(
                "data of a sparse file in parts of blocks",
            ));
        }
        sum = sum.checked_add(extent.length).ok_or(Error::BadSparse)?;
    }
    if end > size || sum != stored {
        return Err(Error::BadSparse);
    }
    Ok(map.into_iter().filter(|extent| extent.length > 0).collect())
}

/// Adds the entries of an old GNU header or extension block: pairs of two 12-byte numbers, up to
/// the first empty one.
pub(super) fn add_old(map: &mut Vec<Extent>, fields: &[u8], limits: Limits) -> Result<(), Error> {
    for pair in fields.chunks_exact(24) {
        let (offset, length) = pair.split_at_checked(12).ok_or(Error::BadSparse)?;
        if offset.first() == Some(&0) {
            return Ok(());
        }
        if map.len() >= limits.extents {
            return Err(Error::TooLong {
                what: "map of a sparse file",
                limit: limits.extents as u64,
            });
        }
        map.push(Extent {
            offset: number::unsigned(offset, "map of a sparse file")?,
            length: number::unsigned(length, "map of a sparse file")?,
        });
    }
    Ok(())
}

/// Reads the map in front of the contents of version 1.0, line by line.
#[derive(Debug)]
pub(super) struct MapParser {
    line: Vec<u8>,
    count: Option<u64>,
    offset: Option<u64>,
    pub(super) map: Vec<Extent>,
}

impl MapParser {
    pub(super) const fn new() -> Self {
        Self {
            line: Vec::new(),
            count: None,
            offset: None,
            map: Vec::new(),
        }
    }

    /// Takes a block; `true` once the map is complete. The rest of that block is padding.
    pub(super) fn take(&mut self, block: &[u8], limits: Limits) -> Result<bool, Error> {
        for byte in block {
            if self.is_complete() {
                return Ok(true);
            }
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > 20 {
                    return Err(Error::BadSparse);
                }
                continue;
            }
            let value = decimal(&self.line, "GNU.sparse")?;
            self.line.clear();
            if self.count.is_none() {
                if value > limits.extents as u64 {
                    return Err(Error::TooLong {
                        what: "map of a sparse file",
                        limit: limits.extents as u64,
                    });
                }
                self.count = Some(value);
            } else if let Some(offset) = self.offset.take() {
                self.map.push(Extent {
                    offset,
                    length: value,
                });
            } else {
                self.offset = Some(value);
            }
        }
        Ok(self.is_complete())
    }

    fn is_complete(&self) -> bool {
        self.count
            .is_some_and(|count| self.map.len() as u64 == count)
    }
}
