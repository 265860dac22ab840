//! The few system calls that the standard library lacks.

use rustix::fs::{Access, AtFlags, IFlags, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::process::Pid;
pub(crate) use rustix::process::Signal;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// `f_type` of btrfs, statfs(2).
const BTRFS_MAGIC: rustix::fs::FsWord = 0x9123_683e;

/// Inode number of the top of every btrfs subvolume.
const SUBVOLUME_INODE: u64 = 256;

/// Where systemd notes a time of birth: 8 bytes, little-endian microseconds since 1970.
const CRTIME: &str = "user.crtime_usec";

/// What is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Anything that bytes can be read from.
    File,
    /// A folder.
    Folder,
}

/// Opens for reading, and never makes a terminal the controlling one. No other status flag is set:
/// the service refuses descriptors that carry one.
///
/// # Errors
/// Those of open(2).
pub(crate) fn open_to_read(path: &Path, what: Opened) -> io::Result<File> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    if what == Opened::Folder {
        flags |= OFlags::DIRECTORY;
    }
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// A second handle of standard output.
pub(crate) fn own_output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Columns of the terminal on standard output, if it is one.
pub(crate) fn terminal_columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Columns of the terminal on standard error, if it is one.
pub(crate) fn error_columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Sends a signal to a child that has not been waited for.
///
/// # Errors
/// Those of kill(2).
pub(crate) fn send_signal(process: u32, signal: Signal) -> io::Result<()> {
    Ok(rustix::process::kill_process(pid(process)?, signal)?)
}

/// Kills a child that has not been waited for and leads a group of its own, and all it started.
///
/// # Errors
/// Those of kill(2).
pub(crate) fn kill_group(process: u32) -> io::Result<()> {
    let leader = pid(process)?;
    Ok(rustix::process::kill_process_group(leader, Signal::KILL)?)
}

fn pid(process: u32) -> io::Result<Pid> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::from(rustix::io::Errno::SRCH))
}

/// Whether this process ignores a signal now, proc_pid_status(5), `SigIgn`; `false` where that
/// cannot be known.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    let bit = u32::try_from(signal - 1)
        .ok()
        .and_then(|bit| 1u64.checked_shl(bit));
    mask.zip(bit).is_some_and(|(mask, bit)| mask & bit != 0)
}

/// Whether something is mounted on a file; `false` where that cannot be known (statx(2), Linux
/// 5.8).
pub(crate) fn is_mount_point(path: &Path) -> bool {
    let found = rustix::fs::statx(
        rustix::fs::CWD,
        path,
        AtFlags::NO_AUTOMOUNT,
        StatxFlags::empty(),
    );
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The time of birth that systemd has noted in an attribute of a file or folder, in microseconds
/// since 1970.
pub(crate) fn noted_birth(path: &Path) -> Option<u64> {
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(path, CRTIME, &mut value[..]).ok()?;
    let is_whole = length == value.len();
    is_whole
        .then(|| u64::from_le_bytes(value))
        .filter(|time| *time != 0)
}

/// Notes a time of birth as systemd does.
#[cfg(test)]
pub(crate) fn note_birth(path: &Path, microseconds: u64) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, CRTIME, &microseconds.to_le_bytes(), flags).unwrap();
}

/// Whether this process may have rights that whoever is logged in has not: its user is not the
/// owner of the login session it is in, or it is in none.
pub(crate) fn is_for_another() -> bool {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    session_owner(&groups) != Some(rustix::process::geteuid().as_raw())
}

/// The owner of a session, by the slice in which logind puts it: `user-UID.slice`.
fn session_owner(groups: &str) -> Option<u32> {
    let slices = groups.lines().flat_map(|line| line.split('/'));
    slices
        .filter_map(|part| part.strip_prefix("user-")?.strip_suffix(".slice"))
        .find_map(|uid| uid.parse().ok())
}

/// Whether this process acts as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a folder with this inode number is the top of a btrfs subvolume.
pub(crate) fn is_subvolume(path: &Path, inode: u64) -> bool {
    inode == SUBVOLUME_INODE && rustix::fs::statfs(path).is_ok_and(|fs| fs.f_type == BTRFS_MAGIC)
}

/// Whether the file system, or the subvolume, can only be read.
pub(crate) fn is_on_read_only(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK) == Err(rustix::io::Errno::ROFS)
}

/// Whether the immutable flag is set; `false` where that cannot be known.
pub(crate) fn is_immutable(path: &Path) -> bool {
    open_to_read(path, Opened::Folder)
        .ok()
        .and_then(|folder| rustix::fs::ioctl_getflags(folder).ok())
        .is_some_and(|flags| flags.contains(IFlags::IMMUTABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_of_sessions_are_found_in_the_names_of_slices() {
        for (groups, owner) in [
            (
                "0::/user.slice/user-1000.slice/session-3.scope\n",
                Some(1000),
            ),
            ("1:name=systemd:/user.slice/user-0.slice/x\n0::/\n", Some(0)),
            ("0::/system.slice/cron.service\n", None),
            ("0::/user.slice/user-x.slice\n", None),
            ("", None),
        ] {
            assert_eq!(session_owner(groups), owner, "{groups}");
        }
    }

    #[test]
    fn folders_are_opened_as_folders_only() {
        assert!(open_to_read(Path::new("/"), Opened::Folder).is_ok());
        let error = open_to_read(Path::new("/dev/null"), Opened::Folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn no_process_is_signalled_by_a_number_that_none_can_have() {
        let error = send_signal(0, Signal::TERM).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(3));
    }

    #[test]
    fn signals_that_are_ignored_are_told_from_others() {
        // The standard library ignores this one in all programs.
        assert!(is_ignored(Signal::PIPE.as_raw()));
        assert!(!is_ignored(Signal::TERM.as_raw()));
        assert!(!is_ignored(0));
    }
}
