//! What a copy knows about the file systems, so as not to ask for every inode.

use crate::dir::Dir;
use crate::subvolume;
use rustix::fs::{Mode, OFlags};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known so far. Not knowing costs system calls, never a wrong result.
#[derive(Debug, Default)]
pub(super) struct Facts {
    cannot_clone: AtomicBool,
    has_no_projects: AtomicBool,
    /// Files of the source may be marked to be overwritten in place.
    pub(super) is_from_btrfs: bool,
    /// How new inodes of the target come out.
    pub(super) new: Option<New>,
}

/// How new inodes of the target come out, if they come out with the mode that was asked for.
///
/// All are made alike: in folders that are undressed yet, below a top whose group is theirs too if
/// the file system hands groups down.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub(super) owner: (u32, u32),
    /// Folders inherit the mark that does so.
    pub(super) hands_group_down: bool,
}

impl Facts {
    pub(super) fn learn(source: &Dir, target: &Dir) -> Self {
        Self {
            is_from_btrfs: subvolume::is_btrfs(source).unwrap_or(false),
            new: try_out(target),
            ..Self::default()
        }
    }

    /// Whether contents might be shared between the two trees.
    pub(super) fn may_clone(&self) -> bool {
        !self.cannot_clone.load(Ordering::Relaxed)
    }

    /// Notes that they cannot, whatever the file.
    pub(super) fn cannot_clone(&self) {
        self.cannot_clone.store(true, Ordering::Relaxed);
    }

    /// Whether the source might have project numbers.
    pub(super) fn may_have_projects(&self) -> bool {
        !self.has_no_projects.load(Ordering::Relaxed)
    }

    /// Notes that its file system has none.
    pub(super) fn has_no_projects(&self) {
        self.has_no_projects.store(true, Ordering::Relaxed);
    }
}

/// Makes an inode without a name and looks at it.
fn try_out(target: &Dir) -> Option<New> {
    let mode = Mode::from_raw_mode(0o777);
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(target, ".", flags, mode).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    // A umask, or a default access list.
    let is_exact = stat.st_mode & 0o7777 == mode.as_raw_mode();
    let top = target.stat_self().ok()?;
    is_exact.then_some(New {
        owner: (stat.st_uid, stat.st_gid),
        hands_group_down: top.st_mode & 0o2000 != 0,
    })
}
