//! bzip2, block by block on all cores.
//!
//! ```text
//! stream = "BZh" level  block*  end
//! block  = 31 41 59 26 53 59 (48 bits)  CRC (32)  data …      begins at any bit
//! end    = 17 72 45 38 50 90 (48 bits)  combined CRC (32)  padding to a byte
//! ```
//!
//! A block stands alone but for its position: [`split`] finds the marks by [`marks`], [`decode`] makes a stream
//! of its own of each block, [`encode`] joins blocks to one stream.

mod bits;
mod decode;
mod encode;
mod marks;
mod split;

pub(super) use decode::decoder;
pub(super) use encode::Encoder;

/// Mark before a block.
const BLOCK_MARK: u64 = 0x3141_5926_5359;
/// Mark at the end of a stream.
const END_MARK: u64 = 0x1772_4538_5090;
/// Length of a mark, in bits.
const MARK_BITS: u64 = 48;
/// Length of a checksum, in bits.
const CRC_BITS: u64 = 32;
