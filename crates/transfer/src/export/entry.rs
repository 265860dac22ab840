//! What an inode looks like as an entry of an archive.

use crate::error::{Doing, Result};
use importd_formats::tar::{Entry, Kind, Timestamp, acl, flags};
use importd_host::attributes;
use importd_host::dir::Dir;
use rustix::fs::{FileType, Stat};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// An inode whose attributes are read: open, or by its name where it cannot be opened.
#[derive(Clone, Copy)]
pub(super) enum Inode<'a> {
    Open(BorrowedFd<'a>),
    Named(&'a Dir, &'a OsStr),
}

/// The entry of an inode; `None` for sockets, which archives cannot hold.
pub(super) fn describe(inode: Inode<'_>, path: &[u8], stat: &Stat) -> Result<Option<Entry>> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket | FileType::Unknown => return Ok(None),
    };
    let mut entry = bare(path, kind, stat);
    if kind == Kind::File {
        entry.size = u64::try_from(stat.st_size).unwrap_or(0);
    }
    if matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
        entry.device = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
    }
    add_attributes(inode, &mut entry)?;
    Ok(Some(entry))
}

/// An entry with what every inode has.
pub(super) fn bare(path: &[u8], kind: Kind, stat: &Stat) -> Entry {
    let mut entry = Entry::new(path.to_vec(), kind);
    entry.mode = stat.st_mode & 0o7777;
    (entry.uid, entry.gid) = (stat.st_uid, stat.st_gid);
    entry.mtime = Timestamp {
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    };
    entry
}

fn add_attributes(inode: Inode<'_>, entry: &mut Entry) -> Result<()> {
    let shown = String::from_utf8_lossy(&entry.path).into_owned();
    let failed = || format!("Failed to read attributes of '{shown}'");
    let names = match inode.list() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Vec::new(),
        other => other.doing(failed)?,
    };
    for name in names {
        let value = match inode.get(&name) {
            Ok(value) => value,
            // It went away since it was listed.
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::NODATA.raw_os_error()) =>
            {
                continue;
            }
            Err(error) => return Err(error).doing(failed),
        };
        match name.as_bytes() {
            ACL_ACCESS => entry.acl_access = Some(text(&value).doing(failed)?),
            ACL_DEFAULT => entry.acl_default = Some(text(&value).doing(failed)?),
            name if name.starts_with(b"system.") => {}
            name => entry.xattrs.push((name.to_vec(), value)),
        }
    }
    if let Inode::Open(fd) = inode {
        let set = attributes::flags(fd).unwrap_or(0);
        entry.file_flags = flags::to_text(set);
    }
    Ok(())
}

fn text(xattr: &[u8]) -> io::Result<Vec<u8>> {
    acl::xattr_to_text(xattr).map_err(io::Error::other)
}

impl Inode<'_> {
    fn list(self) -> io::Result<Vec<OsString>> {
        match self {
            Inode::Open(fd) => attributes::list(fd),
            Inode::Named(folder, name) => attributes::list_at(folder, name),
        }
    }

    fn get(self, name: &OsStr) -> io::Result<Vec<u8>> {
        match self {
            Inode::Open(fd) => attributes::get(fd, name),
            Inode::Named(folder, file) => attributes::get_at(folder, file, name),
        }
    }
}
