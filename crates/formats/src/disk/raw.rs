//! The bytes of the disk as they are: one extent.

use super::source::Source;
use super::{Content, Disk, Error, Extent, Limits, Packed};

/// A raw image.
#[derive(Debug)]
pub(super) struct Image(Source);

impl Image {
    pub(super) fn open(source: Source, limits: Limits) -> Result<Self, Error> {
        if source.size() > limits.size_bytes {
            return Err(source.too_large("size", source.size(), limits.size_bytes));
        }
        Ok(Self(source))
    }
}

impl Disk for Image {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn extents(&self) -> Box<dyn Iterator<Item = Result<Extent, Error>> + Send + '_> {
        let whole = Extent {
            offset: 0,
            length: self.size(),
            content: Content::Stored { offset: 0 },
        };
        Box::new((whole.length > 0).then_some(Ok(whole)).into_iter())
    }

    fn unpack(&self, packed: &Packed, _buffer: &mut [u8]) -> Result<(), Error> {
        Err(Error::not_packed(packed))
    }
}
