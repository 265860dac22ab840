//! What a tree amounts to, and when something in it was last changed.

use crate::dir::Dir;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::time::{Duration, Instant};

/// Deepest tree surveyed, in folders: each level costs a descriptor, of which a process has 1024.
const DEPTH_MAX: usize = 450;
/// Most inodes with several names that are remembered, so that each is counted once; beyond, a name
/// counts as an inode. Each costs some 20 bytes.
const LINKED_MAX: usize = 1 << 20;
/// Bytes of the unit that `st_blocks` counts in (inode(7)).
const BLOCK_BYTES: u64 = 512;
/// Longest wait of [`outlast`]: some ticks of the slowest kernel (100 a second).
const OUTLAST_MAX: Duration = Duration::from_millis(50);
/// How often [`outlast`] looks at the clock: once in a tick of the fastest kernel (1000 a second).
const OUTLAST_STEP: Duration = Duration::from_millis(1);

/// What was found in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Names in it, at all depths; the top does not count.
    pub entries: u64,
    /// Bytes of the contents of its files, holes included.
    pub apparent_bytes: u64,
    /// Bytes it takes on the disk, the top included; what is shared with other files counts.
    pub allocated_bytes: u64,
    /// When the state of an inode in it was last changed (`st_ctime`, which nobody can set), in
    /// nanoseconds since 1970; the top does not count.
    pub changed: u64,
}

struct Level {
    folder: Dir,
    entries: Vec<OsString>,
}

/// Surveys a tree on its mount; `check` is asked for every folder, and its error ends it.
///
/// # Errors
/// `ELOOP` for a tree deeper than 450 folders; what opening and listing say.
pub fn survey(top: &Dir, check: &dyn Fn() -> io::Result<()>) -> io::Result<Survey> {
    let stat = top.stat_self()?;
    let mount = top.mount_id()?;
    let mut found = Survey {
        allocated_bytes: allocated(&stat),
        ..Survey::default()
    };
    let mut linked = HashSet::new();
    let mut stack = vec![list(top.reopen()?)?];
    while let Some(level) = stack.last_mut() {
        let Some(name) = level.entries.pop() else {
            stack.pop();
            continue;
        };
        let stat = level.folder.stat(&name)?;
        found.add(&stat, &mut linked);
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            continue;
        }
        check()?;
        let folder = level.folder.open_dir(&name)?;
        if folder.mount_id()? != mount {
            continue;
        }
        if stack.len() >= DEPTH_MAX {
            return Err(Errno::LOOP.into());
        }
        stack.push(list(folder)?);
    }
    Ok(found)
}

fn list(folder: Dir) -> io::Result<Level> {
    let entries = folder.entries()?;
    Ok(Level { folder, entries })
}

impl Survey {
    fn add(&mut self, stat: &Stat, linked: &mut HashSet<(u64, u64)>) {
        self.entries += 1;
        self.changed = self
            .changed
            .max(nanoseconds(stat.st_ctime, stat.st_ctime_nsec));
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let is_linked = is_file && stat.st_nlink > 1;
        if is_linked && linked.len() < LINKED_MAX && !linked.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        self.allocated_bytes = self.allocated_bytes.saturating_add(allocated(stat));
        if is_file {
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            self.apparent_bytes = self.apparent_bytes.saturating_add(size);
        }
    }
}

/// Bytes that an inode takes on the disk.
#[must_use]
pub fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks)
        .unwrap_or(0)
        .saturating_mul(BLOCK_BYTES)
}

/// A time of an inode in nanoseconds since 1970; what is before, or beyond the year 2554, is cut.
#[must_use]
pub fn nanoseconds<T: TryInto<u64>>(seconds: i64, nanoseconds: T) -> u64 {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let nanoseconds = nanoseconds.try_into().unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// Waits until whatever is changed from now on gets a later time than this one (nanoseconds since
/// 1970), so that [`Survey::changed`] shows it.
///
/// Inodes get the time of the clock's last tick, which is up to 10 ms old (`CLOCK_REALTIME_COARSE`,
/// clock_gettime(2)): what is changed twice within a tick has the same time. A time that
/// lies further ahead, of a clock that was set back, is not waited for: this takes 50 ms at most.
pub fn outlast(time: u64) {
    let begun = Instant::now();
    while tick() <= time && begun.elapsed() < OUTLAST_MAX {
        std::thread::sleep(OUTLAST_STEP);
    }
}

/// The time that an inode changed now would get at least, in nanoseconds since 1970.
fn tick() -> u64 {
    let time = clock_gettime(ClockId::RealtimeCoarse);
    nanoseconds(time.tv_sec, time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_in_a_tree_is_counted_once_and_every_change_shows() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir_all(path("a/b")).unwrap();
        let mut file = std::fs::File::create(path("a/b/f")).unwrap();
        file.write_all(&[1; 10_000]).unwrap();
        file.sync_all().unwrap();
        std::fs::hard_link(path("a/b/f"), path("a/again")).unwrap();
        std::os::unix::fs::symlink("/", path("link")).unwrap();
        let look = || survey(&Dir::open(place.path()).unwrap(), &|| Ok(())).unwrap();
        let first = look();
        assert_eq!((first.entries, first.apparent_bytes), (5, 10_000));
        assert!((10_000..200_000).contains(&first.allocated_bytes));
        assert_eq!(first, look());

        outlast(first.changed);
        let old = file.metadata().unwrap().modified().unwrap();
        file.write_all(b"x").unwrap();
        file.set_modified(old).unwrap();
        assert_ne!(first.changed, look().changed, "a time that was set back");
        let second = look();
        std::fs::remove_file(path("link")).unwrap();
        assert_ne!(second.entries, look().entries);
    }

    #[test]
    fn changes_right_after_another_show_once_that_is_outlasted() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let top = Dir::open(place.path()).unwrap();
        let look = || survey(&top, &|| Ok(())).unwrap().changed;
        for name in ["a", "b"] {
            std::fs::File::create(place.path().join(name)).unwrap();
        }
        for turn in 0..100 {
            let before = look();
            outlast(before);
            let name = if turn % 2 == 0 { "a" } else { "b" };
            let mut file = std::fs::File::create(place.path().join(name)).unwrap();
            file.write_all(b"x").unwrap();
            assert!(before < look(), "turn {turn}");
        }
    }

    #[test]
    fn a_time_far_ahead_is_not_waited_for() {
        let begun = Instant::now();
        outlast(u64::MAX);
        assert!(begun.elapsed() >= OUTLAST_MAX);
        outlast(0);
    }

    #[test]
    fn trees_that_are_too_deep_are_refused() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let top = Dir::open(place.path()).unwrap();
        let mut folder = top.try_clone().unwrap();
        for _ in 0..DEPTH_MAX {
            folder.make_dir("d".as_ref(), 0o700).unwrap();
            folder = folder.open_dir("d".as_ref()).unwrap();
        }
        let error = survey(&top, &|| Ok(())).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::LOOP));
    }
}
