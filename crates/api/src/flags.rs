//! The flag word (`t`) of the bus methods.

/// Flags of a transfer, as the bus methods take them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Bit 0: replace an image of the same name.
    pub force: bool,
    /// Bit 1: the image cannot be written to.
    pub read_only: bool,
    /// Bit 2: keep the download as it came, beside the image.
    pub keep_download: bool,
}

/// A flag word with a bit the method does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Flags 0x{0:x} invalid")]
pub struct InvalidFlags(pub u64);

const FORCE: u64 = 1;
const READ_ONLY: u64 = 2;
const KEEP_DOWNLOAD: u64 = 4;

impl Flags {
    /// Bits that imports and pulls of OCI images know.
    pub const IMPORT: u64 = FORCE | READ_ONLY;
    /// Bits that pulls of trees and disk images know.
    pub const PULL: u64 = FORCE | READ_ONLY | KEEP_DOWNLOAD;
    /// Bits that exports and lists know.
    pub const NONE: u64 = 0;

    /// Reads a flag word of which only the bits in `known` may be set.
    ///
    /// # Errors
    /// [`InvalidFlags`] with the whole word if any other bit is set.
    pub const fn parse(word: u64, known: u64) -> Result<Self, InvalidFlags> {
        if word & !known != 0 {
            return Err(InvalidFlags(word));
        }
        Ok(Self {
            force: word & FORCE != 0,
            read_only: word & READ_ONLY != 0,
            keep_download: word & KEEP_DOWNLOAD != 0,
        })
    }

    /// The flag word, only the bits in `known`.
    #[must_use]
    pub const fn word(self, known: u64) -> u64 {
        let mut word = 0;
        if self.force {
            word |= FORCE;
        }
        if self.read_only {
            word |= READ_ONLY;
        }
        if self.keep_download {
            word |= KEEP_DOWNLOAD;
        }
        word & known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_unknown_bits_are_refused() {
        for word in 0..8 {
            assert_eq!(
                Flags::parse(word, Flags::PULL).unwrap().word(Flags::PULL),
                word
            );
        }
        assert_eq!(Flags::parse(4, Flags::IMPORT), Err(InvalidFlags(4)));
        assert_eq!(Flags::parse(9, Flags::PULL), Err(InvalidFlags(9)));
        assert_eq!(Flags::parse(1, Flags::NONE), Err(InvalidFlags(1)));
        assert_eq!(InvalidFlags(255).to_string(), "Flags 0xff invalid");
    }
}
