//! What a disk is made of.

use super::inflate::Packing;

/// A stretch of a disk, all of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins on the disk, in bytes.
    pub offset: u64,
    /// How long it is, in bytes; never 0.
    pub length: u64,
    /// What is there.
    pub content: Content,
}

/// What a stretch of a disk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zeros that take no room.
    Hole,
    /// Bytes that stand in the image file as they are, all of them inside the file.
    Stored {
        /// Where they begin in the image file, in bytes.
        offset: u64,
    },
    /// Bytes that [`super::Disk::unpack`] unpacks.
    Packed(Packed),
}

/// Where a packed piece stands in the image file, and how it is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Where the packed bytes begin in the image file.
    pub(super) offset: u64,
    /// How many they may be: some formats round this up.
    pub(super) length: u64,
    /// How many bytes they unpack to. The last piece of a disk may reach beyond its end.
    pub(super) unpacked: u64,
    /// How they are packed.
    pub(super) packing: Packing,
}

impl Packed {
    /// Where the packed bytes begin in the image file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The most bytes that are read from the image file for this piece.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}
