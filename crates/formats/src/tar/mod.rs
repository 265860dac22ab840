//! Archives: `Read` → entries, entries → `Write`.
//!
//! Read: v7, ustar, pax (with the `SCHILY.*`, `LIBARCHIVE.*` and `GNU.sparse.*` keywords), GNU (long
//! names, base-256 numbers, sparse files). Written: ustar, with a pax header where that does not
//! hold everything.
//!
//! ```text
//! block of 512 bytes: name 100 · mode 8 · uid 8 · gid 8 · size 12 · mtime 12 · checksum 8 · type 1 · link 100
//!                     magic 8 · user 32 · group 32 · major 8 · minor 8 · prefix 155 (ustar)
//! contents, filled up to a whole block; two blocks of zeros at the end
//! ```
//!
//! Where readers of the world disagree about an archive (sizes in two places, records on records,
//! cut ends) it is refused: two programs must not see two different trees in the same bytes.
//!
//! # Source
//! pax(1p), tar(5) of libarchive, GNU tar's manual, "Basic Tar Format" and "Storing Sparse Files".

pub mod acl;
pub mod flags;
mod header;
mod number;
pub mod path;
mod pax;
mod reader;
mod records;
mod sparse;
pub(crate) mod stream;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

use std::io;

/// Whether a block is a header: its checksum holds.
pub(crate) fn is_header(start: &[u8]) -> bool {
    let block = start.first_chunk::<BLOCK_BYTES>();
    block.is_some_and(|block| header::Header::new(*block).is_some())
}

/// Size of a block, in bytes.
pub(crate) const BLOCK_BYTES: usize = 512;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A second name of an earlier entry.
    HardLink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A fifo.
    Fifo,
    /// A socket: only cpio archives have them.
    Socket,
}

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since 1970, rounded down; negative before.
    pub seconds: i64,
    /// Nanoseconds after that second, 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// A stretch of data in a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub length: u64,
}

/// Data of a file, where it lies in the source's buffer, and where in the file it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Where it belongs, in bytes.
    pub offset: u64,
    /// The data: at least one byte.
    pub bytes: &'a [u8],
}

/// One entry of an archive. Texts are bytes as they stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The owner's name; may be empty.
    pub user: Vec<u8>,
    /// The group's name; may be empty.
    pub group: Vec<u8>,
    /// Time of the last change.
    pub mtime: Timestamp,
    /// Where a link leads; empty for others.
    pub link: Vec<u8>,
    /// Length of a regular file, holes included, in bytes. A hard link with a size brings the
    /// contents of the file that it names: only cpio archives have them.
    pub size: u64,
    /// Numbers of a device, major and minor.
    pub device: (u32, u32),
    /// Extended attributes, names with their namespace.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Access list, as text.
    pub acl_access: Option<Vec<u8>>,
    /// Default access list of a folder, as text.
    pub acl_default: Option<Vec<u8>>,
    /// Inode flags, as text.
    pub file_flags: Option<Vec<u8>>,
    /// Whether the file has holes.
    pub sparse: bool,
    /// Whether an access list of NFSv4 was left out, which no file system of Linux takes.
    pub lost_nfs4_acl: bool,
}

impl Entry {
    /// An entry of which only path and kind are known; the numbers are zero, the rest is empty.
    #[must_use]
    pub const fn new(path: Vec<u8>, kind: Kind) -> Self {
        Self {
            path,
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime: Timestamp {
                seconds: 0,
                nanoseconds: 0,
            },
            link: Vec::new(),
            size: 0,
            device: (0, 0),
            xattrs: Vec::new(),
            acl_access: None,
            acl_default: None,
            file_flags: None,
            sparse: false,
            lost_nfs4_acl: false,
        }
    }
}

/// What one archive may make a reader hold in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest path or link, in bytes: far beyond what any system takes (Linux: 4096).
    pub path_bytes: u64,
    /// Most bytes of all pax headers of one entry: with as many attributes as Linux allows for one
    /// list (64 KiB of names, 64 KiB a value) few entries are larger.
    pub pax_bytes: u64,
    /// Most bytes of all pax headers that speak of every entry, which each entry takes over: git's
    /// hold one line.
    pub global_bytes: u64,
    /// Most extended attributes of one entry: each name costs at least a comparison with all others.
    pub attributes: usize,
    /// Most extents of one sparse file: a terabyte with a hole every MiB.
    pub extents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            path_bytes: 64 << 10,
            pax_bytes: 4 << 20,
            global_bytes: 64 << 10,
            attributes: 1024,
            extents: 1 << 20,
        }
    }
}

/// Why an archive is refused, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source or sink failed.
    #[error("Reading or writing failed")]
    Io(#[source] io::Error),
    /// The bytes are no archive.
    #[error("Not an archive: {0}")]
    NotAnArchive(&'static str),
    /// The bytes end in the middle of an entry.
    #[error("The archive is cut off in the middle of an entry")]
    Truncated,
    /// The bytes end between two entries, without the mark of the end.
    #[error("The archive has no end marker: it was cut off between two entries")]
    MissingEnd,
    /// Something follows the end.
    #[error("Non-zero data follows the end of the archive")]
    TrailingData,
    /// A header does not fit its checksum.
    #[error("Damaged archive: bad header checksum at byte {0}")]
    Checksum(u64),
    /// Contents do not fit the sum that their header tells.
    #[error("Damaged archive: the contents of an entry do not have the checksum they should")]
    ContentsChecksum,
    /// There is no header where a cpio archive should have one.
    #[error("Damaged archive: no cpio header at byte {0}")]
    BadCpio(u64),
    /// A number or text cannot be read, or is out of range.
    #[error("Damaged archive: bad {0}")]
    BadNumber(&'static str),
    /// A pax header contradicts its own form.
    #[error("Damaged archive: bad pax record {0}")]
    BadPax(&'static str),
    /// The map of a sparse file contradicts itself or the file's size.
    #[error("Damaged archive: bad map of a sparse file")]
    BadSparse,
    /// Something is longer than it may be.
    #[error("The archive has a {what} of more than {limit} bytes or entries")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Something that readers disagree about, or that needs a second volume.
    #[error("The archive has {0}, which is not supported")]
    Unsupported(&'static str),
    /// Less or more data than the entry said.
    #[error("The contents of an entry have {0} bytes too many or too few")]
    WrongLength(u64),
}

#[cfg(test)]
mod tests;
