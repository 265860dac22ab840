//! What is in a folder, without keeping it all in memory.

use crate::dir::Dir;
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;

/// Size of the buffer for the names of a folder, in bytes.
const BUFFER_BYTES: usize = 32 << 10;

/// Reads folders, one after the other.
pub(super) struct Lister(Vec<MaybeUninit<u8>>);

impl Lister {
    pub(super) fn new() -> Self {
        Self(vec![MaybeUninit::uninit(); BUFFER_BYTES])
    }

    /// Calls `each` for every entry but `.` and `..`, in the order of the file system; its error
    /// ends it. The handle must be fresh: its position moves.
    pub(super) fn read(
        &mut self,
        folder: &Dir,
        mut each: impl FnMut(&OsStr, FileType) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut list = RawDir::new(folder, &mut self.0);
        while let Some(entry) = list.next() {
            let entry = match entry {
                // Removed while it was read: nothing is in it any more.
                Err(Errno::NOENT) => return Ok(()),
                other => other?,
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let name = OsStr::from_bytes(name);
            let kind = match entry.file_type() {
                // Not every file system says it here.
                FileType::Unknown => match folder.stat(name) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_gone) => FileType::Unknown,
                },
                kind => kind,
            };
            each(name, kind)?;
        }
        Ok(())
    }
}
