//! The few system calls that the standard library lacks.

use rustix::fs::{Access, IFlags, Mode, OFlags};
use rustix::process::{Pid, Signal};
use std::fs::File;
use std::io;
use std::path::Path;

/// `f_type` of btrfs, statfs(2).
const BTRFS_MAGIC: rustix::fs::FsWord = 0x9123_683e;

/// Inode number of the top of every btrfs subvolume.
const SUBVOLUME_INODE: u64 = 256;

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

/// Columns of the terminal on standard output, if it is one.
pub(crate) fn terminal_columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Sends a signal to a child that has not been waited for.
///
/// # Errors
/// Those of kill(2), and EINVAL for numbers that are no signal.
pub(crate) fn send_signal(process: u32, signal: i32) -> io::Result<()> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    match (pid, Signal::from_named_raw(signal)) {
        (Some(pid), Some(signal)) => Ok(rustix::process::kill_process(pid, signal)?),
        _ => Err(io::Error::from(rustix::io::Errno::INVAL)),
    }
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
    fn folders_are_opened_as_folders_only() {
        assert!(open_to_read(Path::new("/"), Opened::Folder).is_ok());
        let error = open_to_read(Path::new("/dev/null"), Opened::Folder).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn signals_that_do_not_exist_are_refused() {
        let error = send_signal(std::process::id(), 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(22));
    }
}
