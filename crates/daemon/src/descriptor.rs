//! Which descriptors of callers are taken.
//!
//! A descriptor shares its open file description with the caller. The daemon only looks at it and
//! hands it on: it never changes its flags, its offset or its content.

use crate::refusal::Refusal;
use rustix::fs::{FileType, OFlags};
use std::os::fd::BorrowedFd;

/// What a worker will do with a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Read an archive or a disk image from it.
    Read,
    /// Write an archive or a disk image to it.
    Write,
    /// Copy the tree below it.
    Folder,
    /// Read an image of OCI: an archive, or a folder with its files.
    Image,
}

impl Purpose {
    /// Status flags that may be set besides the access mode. All others change what reads and
    /// writes do behind the worker's back (`O_NONBLOCK`, `O_DIRECT`, `O_PATH` …). `O_APPEND` is
    /// harmless to an export, which only ever writes at the end: `>> file` in a shell sets it.
    fn allowed(self) -> OFlags {
        let always = OFlags::ACCMODE | OFlags::NOFOLLOW | OFlags::LARGEFILE;
        match self {
            Purpose::Read => always,
            Purpose::Write => always | OFlags::APPEND,
            Purpose::Folder | Purpose::Image => always | OFlags::DIRECTORY,
        }
    }
}

/// Kernel value of `O_LARGEFILE` on 64-bit machines, where the C headers define it as zero but
/// open(2) sets it all the same (`include/uapi/asm-generic/fcntl.h`).
const LARGEFILE: u32 = 0o100_000;

/// Checks a caller's descriptor: first its flags, then what it is.
///
/// Files, pipes and sockets can be streamed; devices and folders cannot. An image of OCI may be a folder.
///
/// # Errors
/// [`Refusal::FileFlags`], [`Refusal::FileType`] or [`Refusal::NotFolder`] by the first rule that
/// is broken; [`Refusal::Descriptor`] if the kernel does not tell.
pub fn check(fd: BorrowedFd<'_>, purpose: Purpose) -> Result<(), Refusal> {
    let flags = rustix::fs::fcntl_getfl(fd).map_err(|e| Refusal::Descriptor(e.into()))?;
    let allowed = purpose.allowed() | OFlags::from_bits_retain(LARGEFILE);
    // How a nameless file was made matters to nobody who reads or writes it.
    let flags = if flags.contains(OFlags::TMPFILE) {
        flags.difference(OFlags::TMPFILE)
    } else {
        flags
    };
    if !allowed.contains(flags) {
        return Err(Refusal::FileFlags);
    }
    let stat = rustix::fs::fstat(fd).map_err(|e| Refusal::Descriptor(e.into()))?;
    match (purpose, FileType::from_raw_mode(stat.st_mode)) {
        (Purpose::Folder | Purpose::Image, FileType::Directory)
        | (
            Purpose::Read | Purpose::Write | Purpose::Image,
            FileType::RegularFile | FileType::Fifo | FileType::Socket,
        ) => Ok(()),
        (Purpose::Folder, _) => Err(Refusal::NotFolder),
        (Purpose::Read | Purpose::Write | Purpose::Image, _) => Err(Refusal::FileType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::Mode;
    use std::os::fd::{AsFd, OwnedFd};

    fn open(path: &std::path::Path, flags: OFlags) -> OwnedFd {
        rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).unwrap()
    }

    fn verdict(fd: &OwnedFd, purpose: Purpose) -> String {
        match check(fd.as_fd(), purpose) {
            Ok(()) => "taken".into(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn streams_are_taken_and_devices_and_folders_are_not() {
        let place = tempfile::tempdir().unwrap();
        let file = open(&place.path().join("f"), OFlags::RDWR | OFlags::CREATE);
        let (pipe_read, pipe_write) = rustix::pipe::pipe().unwrap();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let folder = open(place.path(), OFlags::RDONLY | OFlags::DIRECTORY);
        let plain_folder = open(place.path(), OFlags::RDONLY);
        let device = open("/dev/null".as_ref(), OFlags::RDWR);
        let (invalid, flags) = ("Invalid argument", "Remote I/O error");
        for (fd, purpose, expected) in [
            (&file, Purpose::Read, "taken"),
            (&pipe_read, Purpose::Read, "taken"),
            (&pipe_write, Purpose::Write, "taken"),
            (&OwnedFd::from(socket), Purpose::Write, "taken"),
            (&plain_folder, Purpose::Read, invalid),
            (&folder, Purpose::Read, flags),
            (&device, Purpose::Read, invalid),
            (&device, Purpose::Write, invalid),
            (&folder, Purpose::Folder, "taken"),
            (&plain_folder, Purpose::Folder, "taken"),
            (&file, Purpose::Folder, "Not a directory"),
        ] {
            assert_eq!(verdict(fd, purpose), expected, "{purpose:?}");
        }
    }

    #[test]
    fn status_flags_are_refused_but_append_on_an_export() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f");
        std::fs::File::create(&path).unwrap();
        for flag in [
            OFlags::NONBLOCK,
            OFlags::SYNC,
            OFlags::DSYNC,
            OFlags::NOATIME,
        ] {
            let fd = open(&path, OFlags::RDWR | flag);
            assert_eq!(verdict(&fd, Purpose::Read), "Remote I/O error", "{flag:?}");
            assert_eq!(verdict(&fd, Purpose::Write), "Remote I/O error", "{flag:?}");
        }
        let path_only = open(&path, OFlags::PATH);
        assert_eq!(verdict(&path_only, Purpose::Read), "Remote I/O error");
        let appending = open(&path, OFlags::RDWR | OFlags::APPEND);
        assert_eq!(verdict(&appending, Purpose::Write), "taken");
        assert_eq!(verdict(&appending, Purpose::Read), "Remote I/O error");
        let nameless = open(place.path(), OFlags::RDWR | OFlags::TMPFILE);
        assert_eq!(verdict(&nameless, Purpose::Read), "taken");
        let no_follow = open(&path, OFlags::RDONLY | OFlags::NOFOLLOW);
        assert_eq!(verdict(&no_follow, Purpose::Read), "taken");
    }
}
