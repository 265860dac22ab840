//! One header block: raw fields, and what they mean.

use super::{BLOCK_BYTES, Error, number};
use crate::codec::Foreign;

/// A block that is a header: its checksum holds.
#[derive(Clone, Debug)]
pub(super) struct Header {
    block: [u8; BLOCK_BYTES],
}

/// How a header says what dialect it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// None: before 1988.
    V7,
    /// POSIX: `ustar` and a NUL.
    Ustar,
    /// GNU: `ustar` and two blanks.
    Gnu,
    /// `ustar` and something else: libarchive takes it for POSIX, GNU tar for none.
    Unclear,
}

impl Header {
    /// Checks a block's checksum, which old programs made of signed bytes. `None` if it does not
    /// hold.
    pub(super) fn new(block: [u8; BLOCK_BYTES]) -> Option<Self> {
        let header = Self { block };
        let said = number::signed(header.field(148, 8), "checksum").ok()?;
        // The checksum's own field counts as blanks. No sum is beyond 17 bits.
        let mut block = header.block;
        block[148..156].fill(b' ');
        let unsigned: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let signed: i32 = block.iter().map(|byte| i32::from(byte.cast_signed())).sum();
        let (unsigned, signed) = (i128::from(unsigned), i128::from(signed));
        (said == unsigned || said == signed).then_some(header)
    }

    fn field(&self, start: usize, length: usize) -> &[u8] {
        let end = start.saturating_add(length);
        self.block.get(start..end).unwrap_or(&[])
    }

    /// A field of text: up to the first NUL.
    fn text(&self, start: usize, length: usize) -> &[u8] {
        until_nul(self.field(start, length))
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.field(257, 8) {
            b"ustar  \0" => Dialect::Gnu,
            field if field.starts_with(b"ustar\0") => Dialect::Ustar,
            field if field.starts_with(b"ustar") => Dialect::Unclear,
            _ => Dialect::V7,
        }
    }

    pub(super) fn type_letter(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or(0)
    }

    /// Prefix and name, where the dialect has a prefix.
    pub(super) fn path(&self) -> Result<Vec<u8>, Error> {
        let name = self.text(0, 100);
        match (self.dialect(), self.text(345, 155)) {
            (_, b"") | (Dialect::V7 | Dialect::Gnu, _) => Ok(name.to_vec()),
            (Dialect::Ustar, prefix) => Ok([prefix, b"/", name].concat()),
            (Dialect::Unclear, _) => Err(Error::Unsupported("a header of an unknown dialect")),
        }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        self.text(157, 100).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32, Error> {
        // Some programs store the type's bits too.
        let mode = number::unsigned(self.field(100, 8), "mode")?;
        u32::try_from(mode & 0o7777).map_err(|_large| Error::BadNumber("mode"))
    }

    pub(super) fn uid(&self) -> Result<u64, Error> {
        number::unsigned(self.field(108, 8), "owner")
    }

    pub(super) fn gid(&self) -> Result<u64, Error> {
        number::unsigned(self.field(116, 8), "group")
    }

    pub(super) fn size(&self) -> Result<u64, Error> {
        number::unsigned(self.field(124, 12), "size")
    }

    pub(super) fn mtime(&self) -> Result<i64, Error> {
        let seconds = number::signed(self.field(136, 12), "time")?;
        i64::try_from(seconds).map_err(|_large| Error::BadNumber("time"))
    }

    pub(super) fn user(&self) -> Vec<u8> {
        match self.dialect() {
            Dialect::V7 => Vec::new(),
            Dialect::Ustar | Dialect::Gnu | Dialect::Unclear => self.text(265, 32).to_vec(),
        }
    }

    pub(super) fn group(&self) -> Vec<u8> {
        match self.dialect() {
            Dialect::V7 => Vec::new(),
            Dialect::Ustar | Dialect::Gnu | Dialect::Unclear => self.text(297, 32).to_vec(),
        }
    }

    pub(super) fn device(&self) -> Result<(u64, u64), Error> {
        if self.dialect() == Dialect::V7 {
            return Ok((0, 0));
        }
        Ok((
            number::unsigned(self.field(329, 8), "device number")?,
            number::unsigned(self.field(337, 8), "device number")?,
        ))
    }

    /// The four map entries of an old GNU sparse header, and whether more blocks of them follow.
    pub(super) fn sparse_map(&self) -> (&[u8], bool) {
        let more = self.field(482, 1).first().is_some_and(|byte| *byte != 0);
        (self.field(386, 96), more)
    }

    /// The whole length of an old GNU sparse file.
    pub(super) fn sparse_size(&self) -> Result<u64, Error> {
        number::unsigned(self.field(483, 12), "size of a sparse file")
    }
}

/// Bytes up to the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes)
}

/// What bytes that are no archive look like.
pub(super) fn looks_like(start: &[u8]) -> &'static str {
    if let Some(foreign) = Foreign::sniff(start) {
        return foreign.advice();
    }
    // Of some less is there than makes sure what they are.
    match start {
        [] => "it is empty",
        [0x1f, 0x8b, ..] => "it is gzip data inside",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "it is xz data inside",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is zstd data inside",
        [b'B', b'Z', b'h', ..] => "it is bzip2 data inside",
        [b'P', b'K', 3, 4, ..] => "it is a zip file",
        [b'7', b'z', 0xbc, 0xaf, ..] => "it is a 7z file",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "it is an ar archive, as .deb files are",
        [b'R', b'a', b'r', b'!', ..] => "it is a rar file",
        [b'x', b'a', b'r', b'!', ..] => "it is a xar file",
        [0x04, 0x22, 0x4d, 0x18, ..] => "it is lz4 data inside",
        [b'Q', b'F', b'I', 0xfb, ..] => "it is a qcow2 disk image",
        [b'h', b's', b'q', b's', ..] => "it is a squashfs image",
        [b'<', ..] => "it is a web page",
        _ => "unrecognized format",
    }
}
