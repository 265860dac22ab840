//! What one archive may become.

/// Most entries unless told otherwise: a whole distribution with every package has about a tenth.
pub const ENTRIES_MAX_DEFAULT: u64 = 10_000_000;
/// Deepest path unless told otherwise, in components, as in the reference: 128 levels with the top.
pub const DEPTH_MAX_DEFAULT: usize = 127;
/// Deepest path that can be asked for, in components: each level of the current path costs a
/// descriptor, of which a process has 1024 unless its starter raised that.
pub const DEPTH_MAX_POSSIBLE: usize = 400;
/// Most unpacked bytes for each packed one unless told otherwise. Systems are packed to a third or a
/// tenth; gzip comes to a thousandth at best, and only of zeros.
pub const RATIO_MAX_DEFAULT: u64 = 1000;

/// What one archive may become; options of the command line set each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the unpacked archive, with what the blocks of sparse files take beyond it.
    pub bytes: Option<u64>,
    /// Most entries.
    pub entries: u64,
    /// Most components of a path, at most [`DEPTH_MAX_POSSIBLE`].
    pub depth: usize,
    /// Most unpacked bytes for each packed one.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: None,
            entries: ENTRIES_MAX_DEFAULT,
            depth: DEPTH_MAX_DEFAULT,
            ratio: RATIO_MAX_DEFAULT,
        }
    }
}
