//! cpio archives: `Read` → the entries that tar archives have, too.
//!
//! Read: the new form with and without checksums (`070702`, `070701`), the old portable form
//! (`070707`) and the old binary form of either byte order.
//!
//! ```text
//! new      magic 6 · thirteen numbers of 8 hexadecimal digits · name and NUL, to 4 bytes · contents, to 4 bytes
//! portable magic 6 · octal numbers of 6 and 11 digits · name and NUL · contents
//! binary   thirteen numbers of 2 bytes, two pairs of them one number · name and NUL, to 2 · contents, to 2
//! the end  an entry of the name TRAILER!!!, then nothing but zeros
//! ```
//!
//! A file with several names is there several times, with the same inode number; the contents stand
//! with the last name (new form) or with each. The first is a file here, the others are hard links
//! to it that may bring contents.
//!
//! # Source
//! cpio(5) of libarchive.

mod header;
mod links;
mod reader;

pub use reader::Reader;

/// Whether an archive that begins with these bytes is one of these forms.
#[must_use]
pub fn is_cpio(start: &[u8]) -> bool {
    header::Form::of(start).is_some()
}

#[cfg(test)]
mod tests;
