//! Gives an inode its metadata: owner, mode, access lists, attributes, flags, times, in this order.
//!
//! The owner comes first because changing it clears set-user-id bits and capabilities; the access
//! lists after the mode because their mask decides, and setting the mode would rewrite it: libarchive
//! stores the group's own rights in a mode, GNU tar the mask. Times come last. What the file system
//! cannot hold (`EOPNOTSUPP`) is told once and left out; everything else is a failure.

use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::owners::Owners;
use crate::report::Report;
use importd_api::failure::Kind;
use importd_formats::tar::{self, Entry, acl, flags};
use importd_host::attributes;
use importd_host::dir::Dir;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Extended attributes that hold access lists, xattr(7).
const ACL_ACCESS: &str = "system.posix_acl_access";
const ACL_DEFAULT: &str = "system.posix_acl_default";
/// Most lines about entries of access lists that were left out: an archive may have millions.
const LOST_LINES_MAX: u64 = 20;
/// Set by the security module's own rules; only meaningful where it runs.
const SELINUX: &[u8] = b"security.selinux";

/// What dressing needs beside the inode; shared by the pool.
#[derive(Clone, Debug)]
pub(super) struct Wardrobe {
    report: Report,
    owners: Owners,
    told: Arc<AtomicBool>,
    /// Lines about lost entries of access lists.
    lost: Arc<AtomicU64>,
    has_selinux: bool,
    /// Who we are: new inodes have this owner already.
    own: (u32, u32),
}

/// What is dressed: an open file or folder, or a name that cannot be opened (link, device, fifo).
#[derive(Clone, Copy, Debug)]
pub(super) enum Inode<'a> {
    Open(BorrowedFd<'a>),
    Named(&'a Dir, &'a OsStr),
}

impl Wardrobe {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            report: context.report.clone(),
            owners: context.owners.clone(),
            told: Arc::new(AtomicBool::new(false)),
            lost: Arc::new(AtomicU64::new(0)),
            has_selinux: std::path::Path::new("/sys/fs/selinux/enforce").exists(),
            own: context.owners.own(),
        }
    }

    /// Gives a new, empty file what must be there before its contents: on btrfs the flag against
    /// copying on write has no effect later.
    pub(super) fn prepare(&self, file: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        let text = entry.file_flags.as_deref().unwrap_or_default();
        if flags::from_text(text) & attributes::NO_COPY_ON_WRITE == 0 {
            return Ok(());
        }
        let result = attributes::set_no_copy_on_write(file);
        self.tolerate(result).doing(|| {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            format!("Failed to set the file flags of '{path}'")
        })
    }

    /// Dresses an inode as its entry says. `made_mode` is the mode it was made with.
    pub(super) fn dress(&self, inode: Inode<'_>, entry: &Entry, made_mode: u32) -> Result<()> {
        let failed = |what: &str| {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            format!("Failed to set {what} of '{path}'")
        };
        let is_link = entry.kind == tar::Kind::Symlink;
        let chowned = (entry.uid, entry.gid) != self.own;
        if chowned {
            inode.chown(entry.uid, entry.gid).map_err(|error| {
                let why = self.owners.explain(&error);
                let owner = format!("the owner {}:{}", entry.uid, entry.gid);
                Error::io(failed(&owner) + &why, error)
            })?;
        }
        let mode = entry.mode & 0o7777;
        if !is_link && (mode != made_mode || chowned) {
            inode.chmod(mode).doing(|| failed("the mode"))?;
        }
        self.access_lists(inode, entry)?;
        for (name, value) in &entry.xattrs {
            if name == SELINUX && !self.has_selinux {
                continue;
            }
            let name = OsStr::from_bytes(name);
            let set = inode.set_attribute(name, value);
            self.tolerate(self.unless_ours_to_set(name, set))
                .doing(|| failed(&format!("attribute '{}'", name.display())))?;
        }
        if let (Inode::Open(fd), Some(text)) = (inode, &entry.file_flags) {
            self.flags(fd, text).doing(|| failed("the file flags"))?;
        }
        inode.set_time(entry.mtime).doing(|| failed("the time"))
    }

    /// Sets file flags; those that the file system refuses must not cost the others.
    fn flags(&self, fd: BorrowedFd<'_>, text: &[u8]) -> io::Result<()> {
        if flags::has_unknown(text) {
            self.tell_once();
        }
        let wanted = flags::from_text(text);
        match self.unless_privileged(attributes::set_flags(fd, wanted)) {
            Err(error) if is_unsupported(&error) => {}
            other => return other,
        }
        for bit in (0..u32::BITS).map(|shift| 1 << shift) {
            let set = attributes::set_flags(fd, wanted & bit);
            self.tolerate(self.unless_privileged(set))?;
        }
        Ok(())
    }

    /// Whether an inode that could not be made may be missing: a device, where only the machine's root
    /// makes any.
    pub(super) fn may_lack(&self, kind: tar::Kind, error: &io::Error) -> bool {
        self.owners.are_mapped()
            && matches!(kind, tar::Kind::CharDevice | tar::Kind::BlockDevice)
            && Errno::from_io_error(error) == Some(Errno::PERM)
    }

    /// What only the machine's root may set is, in a user namespace, what the place cannot hold.
    fn unless_privileged(&self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error)
                if self.owners.are_mapped()
                    && Errno::from_io_error(&error) == Some(Errno::PERM) =>
            {
                Err(Errno::OPNOTSUPP.into())
            }
            other => other,
        }
    }

    /// The same of an attribute: `user.` ones are the owner's own.
    fn unless_ours_to_set(&self, name: &OsStr, result: io::Result<()>) -> io::Result<()> {
        match name.as_bytes().starts_with(b"user.") {
            true => result,
            false => self.unless_privileged(result),
        }
    }

    fn access_lists(&self, inode: Inode<'_>, entry: &Entry) -> Result<()> {
        let lists = [
            (ACL_ACCESS, &entry.acl_access),
            (ACL_DEFAULT, &entry.acl_default),
        ];
        if entry.lost_nfs4_acl {
            self.tell_once();
        }
        for (name, text) in lists {
            let Some(text) = text else { continue };
            let path = || String::from_utf8_lossy(&entry.path).into_owned();
            let list = acl::text_to_xattr(text).map_err(|error| {
                Error::caused(Kind::Archive, format!("Access list of '{}'", path()), error)
            })?;
            for lost in &list.unresolved {
                self.tell_lost(lost, &entry.path);
            }
            let set = inode.set_attribute(OsStr::new(name), &list.bytes);
            self.tolerate(set).map_err(|error| {
                let why = self.owners.explain(&error);
                let text = format!("Failed to set the access list of '{}'{why}", path());
                Error::io(text, error)
            })?;
        }
        Ok(())
    }

    /// Lets pass what the file system cannot hold, and says so once.
    fn tolerate(&self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if is_unsupported(&error) => {
                self.tell_once();
                Ok(())
            }
            other => other,
        }
    }

    fn tell_lost(&self, lost: &[u8], path: &[u8]) {
        let before = self.lost.fetch_add(1, Ordering::Relaxed);
        if before < LOST_LINES_MAX {
            self.report.warning(format!(
                "Access list entry '{}' of '{}' has a name but no number, left out",
                String::from_utf8_lossy(lost),
                String::from_utf8_lossy(path)
            ));
        } else if before == LOST_LINES_MAX {
            self.report
                .warning("More access list entries without a number are left out");
        }
    }

    fn tell_once(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let why = match self.owners {
                Owners::All => "The file system cannot hold",
                Owners::Mapped(_) | Owners::Foreign(_) => {
                    "The file system cannot hold, or only root may set,"
                }
            };
            self.report.warning(format!(
                "{why} all attributes, flags or access lists of this archive; they are left out"
            ));
        }
    }
}

impl Inode<'_> {
    fn chown(self, uid: u32, gid: u32) -> io::Result<()> {
        // The value -1 means "leave it" to the kernel and "unset" in an archive.
        let uid = (uid != u32::MAX).then(|| Uid::from_raw(uid));
        let gid = (gid != u32::MAX).then(|| Gid::from_raw(gid));
        match self {
            Inode::Open(fd) => rustix::fs::fchown(fd, uid, gid)?,
            Inode::Named(folder, name) => {
                rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        Ok(())
    }

    /// Never called for symbolic links, which have no mode.
    fn chmod(self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Inode::Open(fd) => rustix::fs::fchmod(fd, mode)?,
            Inode::Named(folder, name) => {
                rustix::fs::chmodat(folder, name, mode, AtFlags::empty())?;
            }
        }
        Ok(())
    }

    fn set_attribute(self, name: &OsStr, value: &[u8]) -> io::Result<()> {
        match self {
            Inode::Open(fd) => attributes::set(fd, name, value),
            Inode::Named(folder, file) => attributes::set_at(folder, file, name, value),
        }
    }

    fn set_time(self, time: tar::Timestamp) -> io::Result<()> {
        let time = Timespec {
            tv_sec: time.seconds,
            tv_nsec: i64::from(time.nanoseconds),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        match self {
            Inode::Open(fd) => rustix::fs::futimens(fd, &times)?,
            Inode::Named(folder, name) => {
                rustix::fs::utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        Ok(())
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS)
    ) || error.kind() == io::ErrorKind::Unsupported
}
