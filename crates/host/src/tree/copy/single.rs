//! One inode, copied with all that is known of it.

use super::content::{self, SMALL_BYTES};
use super::dress::{self, Naked};
use super::facts::Facts;
use super::folder::open_quietly;
use crate::attributes;
use crate::dir::Dir;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

/// Copies what is no folder, under another name or into another folder, contents, owner, mode,
/// attributes and times. Both folders must be out of the reach of others.
///
/// # Errors
/// `IsADirectory` for a folder; what the system says, and what `check` says, which is asked while large
/// contents are copied. Attributes that cannot be had are left out.
pub fn copy_inode(
    (source, name): (&Dir, &OsStr),
    (target, new_name): (&Dir, &OsStr),
    check: &dyn Fn() -> io::Result<()>,
) -> io::Result<()> {
    let stat = source.stat(name)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => return Err(Errno::ISDIR.into()),
        FileType::RegularFile => {
            let from = open_quietly(source, name, OFlags::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let to = target.open_file(new_name, flags, Mode::RUSR | Mode::WUSR)?;
            // A default access list of its folder has nothing to say.
            attributes::remove_access_lists(to.as_fd())?;
            let (facts, mut buffer) = (Facts::default(), vec![0; SMALL_BYTES]);
            let files = (from.as_fd(), to.as_fd());
            content::copy(files, &stat, &facts, &mut buffer, &mut |_position| check())?;
            let naked = Naked {
                fd: to.as_fd(),
                mode: None,
            };
            return dress::open(from.as_fd(), naked, &stat, &facts, &mut |_lost| {});
        }
        FileType::Symlink => {
            let text = rustix::fs::readlinkat(source, name, Vec::new())?;
            rustix::fs::symlinkat(&text, target, new_name)?;
        }
        kind => target.make_node(new_name, kind, stat.st_mode & 0o777, stat.st_rdev)?,
    }
    dress::named_as((source, name), (target, new_name), &stat, &mut |_lost| {})
}
