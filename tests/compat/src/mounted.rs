//! A file system of its own in the place of a test's image root.

use crate::make::{has, run};
use crate::subject::Work;
use std::path::Path;

/// Which file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// With attributes of up to 64 KiB, and inodes that have room for nanoseconds.
    Ext4,
    Btrfs,
}

/// A mount that ends with its value.
#[derive(Debug)]
pub(crate) struct Mounted<'a>(&'a Work);

/// Size of the file system, in bytes; its file has holes.
const SIZE_BYTES: u64 = 2 << 30;

impl<'a> Mounted<'a> {
    /// Makes and mounts one; `None`, with the reason printed, where there is no tool for it.
    pub(crate) fn new(work: &'a Work, kind: FileSystem) -> Option<Self> {
        let command = match kind {
            FileSystem::Ext4 => "mkfs.ext4 -q -O ea_inode -I 256",
            FileSystem::Btrfs => "mkfs.btrfs -q",
        };
        if !has(command.split(' ').next().unwrap_or("")) {
            return None;
        }
        let file = std::fs::File::create(work.path("disk")).unwrap();
        file.set_len(SIZE_BYTES).unwrap();
        std::fs::create_dir_all(work.path("images")).unwrap();
        let script = format!("{command} disk && mount -o loop disk images");
        run("sh", &["-ec", &script], &work.path(""));
        Some(Self(work))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let images = self.0.path("images");
        run("umount", &[images.to_str().unwrap()], Path::new("/"));
    }
}
