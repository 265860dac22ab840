//! What is known of an inode beside its contents.
//!
//! Owner, attributes, mode, flags, project, times, in this order: changing the owner clears special
//! bits and capabilities, setting an access list rewrites the mode.

use super::facts::Facts;
use crate::dir::Dir;
use crate::{attributes, project};
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

/// Free bytes from which on "no space" for an attribute means that the file system cannot hold one
/// of this size, and not that it is full: attributes have at most 64 KiB.
const ROOM_BYTES: u64 = 1 << 20;

/// Told of each thing that the target cannot hold.
pub(super) type Lose<'a> = &'a mut dyn FnMut(&str);

/// An inode to dress, and what it looks like so far.
#[derive(Clone, Copy)]
pub(super) struct Naked<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// The mode it was made with; `None` if that is not sure.
    pub(super) mode: Option<u32>,
}

/// Gives an open folder everything known of another one, and takes from it the attributes that the
/// other does not have.
///
/// # Errors
/// What the system says; attributes that cannot be had are left out.
pub fn adopt(from: &Dir, to: &Dir) -> io::Result<()> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let kept = readable(attributes::list(from))?;
    for name in readable(attributes::list(to))? {
        if !kept.contains(&name) {
            match rustix::fs::fremovexattr(to, &name) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    let stat = rustix::fs::fstat(from)?;
    let naked = Naked { fd: to, mode: None };
    open(from, naked, &stat, &Facts::default(), &mut |_| {})
}

/// Dresses an open inode.
pub(super) fn open(
    from: BorrowedFd<'_>,
    to: Naked<'_>,
    stat: &Stat,
    facts: &Facts,
    lose: Lose<'_>,
) -> io::Result<()> {
    let Naked { fd, mode } = to;
    let owner = mode.and(facts.new).map(|new| new.owner);
    if owner != Some((stat.st_uid, stat.st_gid)) {
        rustix::fs::fchown(fd, Some(uid(stat)), Some(gid(stat)))?;
    }
    let mut has_list = false;
    for name in readable(attributes::list(from))? {
        let value = match attributes::get(from, &name) {
            Err(error) if is_gone(&error) => continue,
            other => other?,
        };
        has_list |= name.as_bytes().starts_with(b"system.posix_acl");
        let set = attributes::set(fd, &name, &value);
        tolerate(set, fd, &name, lose)?;
    }
    let wanted = stat.st_mode & 0o7777;
    if has_list || mode != Some(wanted) {
        rustix::fs::fchmod(fd, Mode::from_raw_mode(wanted))?;
    }
    restore_flags(from, fd, lose);
    if facts.may_have_projects() {
        restore_project(from, fd, facts, lose);
    }
    Ok(rustix::fs::futimens(fd, &attributes::times(stat))?)
}

/// Dresses an inode by its name, which is not followed.
pub(super) fn named(
    (source, target): (&Dir, &Dir),
    name: &OsStr,
    stat: &Stat,
    lose: Lose<'_>,
) -> io::Result<()> {
    named_as((source, name), (target, name), stat, lose)
}

/// The same where it has another name.
pub(super) fn named_as(
    (source, old_name): (&Dir, &OsStr),
    (target, name): (&Dir, &OsStr),
    stat: &Stat,
    lose: Lose<'_>,
) -> io::Result<()> {
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(target, name, Some(uid(stat)), Some(gid(stat)), nofollow)?;
    for attribute in readable(attributes::list_at(source, old_name))? {
        let value = match attributes::get_at(source, old_name, &attribute) {
            Err(error) if is_gone(&error) => continue,
            other => other?,
        };
        let set = attributes::set_at(target, name, &attribute, &value);
        tolerate(set, target.as_fd(), &attribute, lose)?;
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmodat(target, name, mode, AtFlags::empty())?;
    }
    Ok(rustix::fs::utimensat(
        target,
        name,
        &attributes::times(stat),
        nofollow,
    )?)
}

/// Counts what the target cannot hold, or what only more privileges than ours could set.
fn tolerate(
    result: io::Result<()>,
    fd: BorrowedFd<'_>,
    name: &OsStr,
    lose: Lose<'_>,
) -> io::Result<()> {
    let Err(error) = result else { return Ok(()) };
    let is_reserved = |name: &[u8]| name.starts_with(b"trusted.") || name.starts_with(b"security.");
    let tolerated = match Errno::from_io_error(&error) {
        Some(Errno::OPNOTSUPP | Errno::TOOBIG | Errno::RANGE) => true,
        Some(Errno::NOSPC) => has_room(fd),
        Some(Errno::PERM | Errno::ACCESS | Errno::INVAL) => is_reserved(name.as_bytes()),
        _ => false,
    };
    if !tolerated {
        return Err(error);
    }
    lose(&format!("attribute {}", name.display()));
    Ok(())
}

fn has_room(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatvfs(fd)
        .is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= ROOM_BYTES)
}

fn restore_flags(from: BorrowedFd<'_>, to: BorrowedFd<'_>, lose: Lose<'_>) {
    let flags = attributes::flags(from).unwrap_or(0);
    if flags != 0 && attributes::set_flags(to, flags).is_err() {
        // Some can only be set on empty files: those the file has by now may be all that was left.
        let missing = flags & !attributes::flags(to).unwrap_or(0);
        if missing != 0 {
            lose(&format!("flags {missing:#x}"));
        }
    }
}

fn restore_project(from: BorrowedFd<'_>, to: BorrowedFd<'_>, facts: &Facts, lose: Lose<'_>) {
    let number = match project::get(from) {
        Ok(0) => return,
        Ok(number) => number,
        Err(_none) => return facts.has_no_projects(),
    };
    // One that it has from its place stays: that place is limited by it.
    let inherited = project::get(to).is_ok_and(|number| number != 0);
    if !inherited && project::set(to, number).is_err() {
        lose(&format!("project {number}"));
    }
}

/// No attributes where the file system has none.
fn readable(names: io::Result<Vec<OsString>>) -> io::Result<Vec<OsString>> {
    match names {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Vec::new()),
        other => other,
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::NODATA | Errno::OPNOTSUPP)
        )
}

fn uid(stat: &Stat) -> Uid {
    Uid::from_raw(stat.st_uid)
}

fn gid(stat: &Stat) -> Gid {
    Gid::from_raw(stat.st_gid)
}
