//! A disk image: a new hidden file, or something that is written in place.
//!
//! | file | holds |
//! |---|---|
//! | `hidden` | the new file, until it gets its name |
//! | `in_place` | a block device, a range of a file, a file with several names |
//! | `pour` | bytes → canvas: which way is taken for which source |
//! | `pieces` | a raw file, by all cores, holes not read |
//! | `convert` | qcow2 and its kin, by cluster, on all cores |
//! | `spool` | a stream of such an image, which can only be read out of order |
//! | `carry` | times and attributes that go along |

pub mod carry;
mod convert;
mod hidden;
mod in_place;
mod pieces;
mod pour;
mod spool;

pub use hidden::{Dress, RawSink};
pub use in_place::{Finish, InPlace, Range};
pub(crate) use pieces::copy_pieces;
pub use pour::Pour;

use crate::error::Result;
use crate::stage::limit::too_large;
use importd_formats::disk::Format;

/// How much is read, converted and written at a time, in bytes.
const PIECE_BYTES: u64 = 1 << 20;
/// Most threads that fill one image; more only wait for the disk.
const THREADS_MAX: usize = 8;

/// What a disk image may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most bytes, unpacked.
    pub size_max: Option<u64>,
    /// The format of the source; `None` is found out by its first bytes.
    pub format: Option<Format>,
}

impl Bounds {
    /// Refuses an image of more bytes than allowed.
    ///
    /// # Errors
    /// [`importd_api::failure::Kind::SizeLimit`].
    pub(crate) fn check(self, size: u64) -> Result<()> {
        match self.size_max {
            Some(most) if size > most => Err(too_large(most)),
            _ => Ok(()),
        }
    }
}

/// How many threads fill an image.
fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(THREADS_MAX)
}
