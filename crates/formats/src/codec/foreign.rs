//! Packed files that we do not unpack, by magic: to say so by name, and what unpacks them.
//!
//! # Source
//! LZMA file format (xz's `lzma-file-format.txt`), lzip's manual, ncompress's and lzop's sources, LZ4
//! Frame Format (legacy frame), PKWARE's APPNOTE 4.3.7, 7-Zip's `7zFormat.txt`.

use std::fmt;

/// A kind of packed file that is not unpacked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The format before xz.
    Lzma,
    /// lzip
    Lzip,
    /// lzop
    Lzop,
    /// compress, `.Z`
    Compress,
    /// The lz4 format before frames, without any end or checksum.
    Lz4Legacy,
    /// A zip file.
    Zip,
    /// A 7z file.
    SevenZip,
}

/// Largest size that the header of an lzma file may state to be taken for one, in bytes: what xz
/// takes too.
const LZMA_SIZE_MAX: u64 = 1 << 38;

impl Foreign {
    /// How many bytes [`Foreign::sniff`] wants to see.
    pub const MAGIC_LEN: usize = 13;

    /// Tells the kind by the first bytes of a file, where these leave no doubt.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        match start {
            [0x5d, a, b, c, d, size @ ..]
                if is_lzma(u32::from_le_bytes([*a, *b, *c, *d]), size) =>
            {
                Some(Self::Lzma)
            }
            [b'L', b'Z', b'I', b'P', 0 | 1, ..] => Some(Self::Lzip),
            [0x89, b'L', b'Z', b'O', 0, b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Lzop),
            // Codes of 9 to 16 bits, perhaps in blocks.
            [0x1f, 0x9d, flags, ..] if flags & 0x60 == 0 && (9..=16).contains(&(flags & 0x1f)) => {
                Some(Self::Compress)
            }
            [0x02, 0x21, 0x4c, 0x18, ..] => Some(Self::Lz4Legacy),
            // The version that unpacks it, below 25.6.
            [b'P', b'K', 3, 4, _, 0, ..] => Some(Self::Zip),
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some(Self::SevenZip),
            _ => None,
        }
    }

    /// What the file is and what unpacks it, as part of a sentence.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Lzma => "it is packed with lzma; unpack it first with 'xz -d --format=lzma'",
            Self::Lzip => "it is packed with lzip; unpack it first with 'lzip -d'",
            Self::Lzop => "it is packed with lzop; unpack it first with 'lzop -d'",
            Self::Compress => "it is packed with compress; unpack it first with 'uncompress'",
            Self::Lz4Legacy => "it is an lz4 file of the old format; unpack it first with 'lz4 -d'",
            Self::Zip => "it is a zip file; unpack it first with 'unzip'",
            Self::SevenZip => "it is a 7z file; unpack it first with '7z x'",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.advice())
    }
}

/// Whether this is the dictionary and the size of an lzma header: only 0x5d stands before them, and
/// much begins with that.
fn is_lzma(dictionary: u32, size: &[u8]) -> bool {
    // 2^n, or 2^n + 2^(n - 1), as all writers choose.
    let ones = dictionary.count_ones();
    let is_usual = ones == 1 || ones == 2 && dictionary & (dictionary << 1) != 0;
    let size = size.first_chunk().copied().map(u64::from_le_bytes);
    dictionary >= 4096
        && (is_usual || dictionary == u32::MAX)
        && size.is_some_and(|size| size == u64::MAX || size < LZMA_SIZE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_files_are_known_by_their_first_bytes_and_others_are_not() {
        let lzma = [
            0x5d, 0, 0, 0x80, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0,
        ];
        for (start, kind) in [
            (&lzma[..], Some(Foreign::Lzma)),
            (&lzma[..12], None),
            (b"\x5d\0\0\x90\0\0\0\0\0\0\0\0\0", None),
            (b"LZIP\x01\x0c", Some(Foreign::Lzip)),
            (b"\x89LZO\0\r\n\x1a\n\x10", Some(Foreign::Lzop)),
            (b"\x1f\x9d\x90aaaa", Some(Foreign::Compress)),
            (b"\x1f\x9d\xffaaaa", None),
            (b"\x02\x21\x4c\x18abcd", Some(Foreign::Lz4Legacy)),
            (b"PK\x03\x04\x14\x00", Some(Foreign::Zip)),
            (b"PK\x03\x04\x14\x11", None),
            (b"7z\xbc\xaf\x27\x1c\0", Some(Foreign::SevenZip)),
            (b"7z\xbc\xaf", None),
            (b"", None),
            (b"\x1f\x8b\x08\0\0\0", None),
        ] {
            assert_eq!(Foreign::sniff(start), kind, "{start:?}");
        }
    }
}
