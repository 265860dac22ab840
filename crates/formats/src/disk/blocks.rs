//! Disks of blocks of one size, each of which is stored as a whole or not at all.

use super::source::Source;
use super::walk::Map;
use super::{Content, Error};

/// The map of such a disk.
pub(super) struct Blocks<'a, L> {
    /// The image file.
    pub(super) source: &'a Source,
    /// Size of the disk, in bytes.
    pub(super) size: u64,
    /// Size of a block, in bytes; not 0.
    pub(super) block_bytes: u64,
    /// Where the block of a number stands in the file, if it does.
    pub(super) locate: L,
}

impl<L> Map for Blocks<'_, L>
where
    L: FnMut(u64) -> Result<Option<u64>, Error> + Send,
{
    fn at(&mut self, offset: u64) -> Result<(u64, Content), Error> {
        let index = offset.checked_div(self.block_bytes).unwrap_or(0);
        let inside = offset.checked_rem(self.block_bytes).unwrap_or(0);
        // The last block may reach beyond the disk, and need not be whole in the file.
        let left = self.block_bytes.saturating_sub(inside);
        let length = left.min(self.size.saturating_sub(offset));
        let Some(start) = (self.locate)(index)? else {
            return Ok((length, Content::Hole));
        };
        let at = start.saturating_add(inside);
        if self.source.inside(at, length) < length {
            let what = "a block reaches beyond the end of the file";
            return Err(self.source.corrupt(what, start));
        }
        Ok((length, Content::Stored { offset: at }))
    }
}
