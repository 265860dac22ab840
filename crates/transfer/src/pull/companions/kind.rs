//! The files that come with an image: which there are, and what they are called.
//!
//! # Source
//! systemd-nspawn(1) and systemd.nspawn(5) for settings, root hashes and verity data beside an
//! image; systemd-dissect(1).

use importd_api::name::Form;

/// Most bytes of settings, a root hash and its signature, as in the reference: all are a few lines.
const SMALL_MAX: u64 = 1 << 20;
/// Most bytes of verity data: one part in 127 of a file system with usual blocks and hashes, so that
/// of a terabyte. (The reference drops what has more than 1 MiB.)
const VERITY_MAX: u64 = 8 << 30;

/// A file that comes with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Companion {
    /// How systemd-nspawn is to run it. Files beside an image are not trusted by it.
    Settings,
    /// The hash that verity data of its root file system begin with.
    Roothash,
    /// A signature of that hash.
    RoothashSignature,
    /// Verity data of its root file system.
    Verity,
}

impl Companion {
    /// All, in the order of their requests.
    pub const ALL: [Self; 4] = [
        Self::Settings,
        Self::Roothash,
        Self::RoothashSignature,
        Self::Verity,
    ];

    /// What stands behind the image's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Settings => ".nspawn",
            Self::Roothash => ".roothash",
            Self::RoothashSignature => ".roothash.p7s",
            Self::Verity => ".verity",
        }
    }

    /// The option that switches it, without its dashes.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Roothash => "roothash",
            Self::RoothashSignature => "roothash-signature",
            Self::Verity => "verity",
        }
    }

    /// Most bytes that it may have, packed and unpacked.
    pub(super) const fn bytes_max(self) -> u64 {
        match self {
            Self::Settings | Self::Roothash | Self::RoothashSignature => SMALL_MAX,
            Self::Verity => VERITY_MAX,
        }
    }

    /// Its share of the progress of a download, in percent.
    pub(super) const fn share(self) -> u8 {
        match self {
            Self::Settings | Self::Roothash | Self::RoothashSignature => 5,
            Self::Verity => 10,
        }
    }

    /// Whether images of this form have such a file: trees have settings only.
    #[must_use]
    pub fn belongs_to(self, form: Form) -> bool {
        form == Form::Raw || self == Self::Settings
    }
}
