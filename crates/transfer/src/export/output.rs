//! Where an export goes: standard output as it is, or a file that appears when it is complete.
//!
//! # Atomicity
//! A named file is written under a hidden name beside it and renamed at the end: what was there
//! stays whole until then, and a failed export leaves nothing. (The reference truncates the file
//! before it looks at the image.) A killed export leaves a hidden file, which the next export to the
//! same name sweeps. A named device, fifo or `/dev/stdout` is written directly.

use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::source::file::standard_label;
use importd_api::failure::Kind;
use importd_host::cancel::{Cancel, wait_writable};
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::sparse::{self, Writeback};
use importd_host::staging::{self, Shape, Staging};
use rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Mode of a new file, before the umask.
const MODE: u32 = 0o666;

/// How often the opening of a fifo is tried while it has no reader.
const OPEN_INTERVAL: Duration = Duration::from_millis(100);

/// An open output.
#[derive(Debug)]
pub struct Output {
    fd: OwnedFd,
    staged: Option<Staged>,
    label: String,
}

/// A file that is written under a hidden name.
#[derive(Debug)]
struct Staged {
    folder: Dir,
    staging: Staging,
    name: OsString,
    /// Who the new file belongs to, if it replaces another one, and its mode.
    owner: Option<(Uid, Gid)>,
    mode: Mode,
}

impl Output {
    /// Standard output.
    ///
    /// # Errors
    /// When it is not open.
    pub fn standard() -> Result<Self> {
        let fd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)
            .doing(|| "Failed to take standard output".into())?;
        Ok(Self {
            fd,
            staged: None,
            label: standard_label(1, "standard output"),
        })
    }

    /// A file by its path. A fifo is waited for until it has a reader.
    ///
    /// # Errors
    /// [`Kind::IsDirectory`] for a folder; what open(2) says.
    pub fn file(path: &Path, context: &Context) -> Result<Self> {
        let label = path.display().to_string();
        let failed = || format!("Failed to open '{label}' for writing");
        let there = match rustix::fs::stat(path) {
            Ok(stat) => Some(stat),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(errno).doing(failed),
        };
        let kind = there.map(|stat| FileType::from_raw_mode(stat.st_mode));
        if kind == Some(FileType::Directory) {
            let text = format!("{}: it is a folder", failed());
            return Err(Error::new(Kind::IsDirectory, text));
        }
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
        if is_link || kind.is_some_and(|kind| kind != FileType::RegularFile) {
            return Ok(Self {
                fd: open_directly(path, &context.cancel).doing(failed)?,
                staged: None,
                label,
            });
        }
        let staged = Staged::create(path, there.as_ref(), context).doing(failed)?;
        let fd = staged.staging.fd().try_clone_to_owned().doing(failed)?;
        Ok(Self {
            fd,
            staged: Some(staged),
            label,
        })
    }

    /// The folder in which the output appears; `None` if it is written directly.
    #[must_use]
    pub fn folder(&self) -> Option<&Dir> {
        self.staged.as_ref().map(|staged| &staged.folder)
    }

    /// What messages call it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Writes at the position where the caller left the descriptor.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn writer(&self, context: &Context) -> Result<OutputWriter> {
        let fd = self.fd.try_clone();
        Ok(OutputWriter {
            fd: fd.doing(|| format!("Failed to duplicate '{}'", self.label))?,
            cancel: context.cancel.clone(),
            written: 0,
            writeback: self.staged.as_ref().map(|_| Writeback::default()),
        })
    }

    /// Whether this is a regular file from its start, so that it may be cloned to and have holes.
    #[must_use]
    pub fn is_fresh_file(&self) -> bool {
        let is_regular = rustix::fs::fstat(&self.fd)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let appends =
            rustix::fs::fcntl_getfl(&self.fd).is_ok_and(|flags| flags.contains(OFlags::APPEND));
        let position = rustix::fs::tell(&self.fd);
        let size = rustix::fs::fstat(&self.fd).map(|stat| stat.st_size);
        is_regular && !appends && position == Ok(0) && size == Ok(0)
    }

    /// Completes the output: a named file is flushed and gets its name. One that was there keeps
    /// its owner, where we may give it, and its mode.
    ///
    /// # Errors
    /// What fsync(2) and renameat(2) say; the hidden file is removed then.
    pub fn finish(self) -> Result<()> {
        let failed = || format!("Failed to complete '{}'", self.label);
        let Some(staged) = self.staged else {
            return Ok(());
        };
        let fd = staged.staging.fd();
        let mut mode = staged.mode;
        if let Some((uid, gid)) = staged.owner
            && rustix::fs::fchown(fd, Some(uid), Some(gid)).is_err()
        {
            // Somebody else's secrets must not become readable to our group.
            mode &= Mode::RWXU;
        }
        rustix::fs::fchmod(fd, mode).doing(failed)?;
        rustix::fs::fsync(fd).doing(failed)?;
        let installed = staged.staging.install(&staged.name, Replace::File);
        installed.doing(failed)?.sync().doing(failed)
    }
}

impl Staged {
    fn create(path: &Path, there: Option<&Stat>, context: &Context) -> io::Result<Self> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let folder = Dir::open(parent.unwrap_or(Path::new(".")))?;
        // What cannot be swept is no reason not to export.
        staging::sweep_files(&folder, name).unwrap_or(0);
        Ok(Self {
            staging: Staging::create(&folder, name, Shape::File)?,
            folder,
            name: name.to_owned(),
            owner: there.map(|stat| (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))),
            mode: there.map_or(Mode::from_raw_mode(MODE & !context.umask), |stat| {
                Mode::from_raw_mode(stat.st_mode & 0o777)
            }),
        })
    }
}

/// Opens what is no regular file.
fn open_directly(path: &Path, cancel: &Cancel) -> io::Result<OwnedFd> {
    let flags =
        OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    loop {
        match rustix::fs::open(path, flags, Mode::empty()) {
            // A fifo that nobody reads: there is nothing that could be waited for but a signal.
            Err(Errno::NXIO) if is_fifo(path) => cancel.wait_signal(OPEN_INTERVAL)?,
            other => return Ok(other?),
        }
    }
}

fn is_fifo(path: &Path) -> bool {
    let stat = rustix::fs::stat(path);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}

/// Writes to an [`Output`], whether its descriptor waits or not.
#[derive(Debug)]
pub struct OutputWriter {
    fd: OwnedFd,
    cancel: Cancel,
    written: u64,
    /// `None` where nobody flushes.
    writeback: Option<Writeback>,
}

impl OutputWriter {
    /// Lets the kernel begin to write what is to be flushed in the end.
    fn note(&mut self, length: usize) {
        self.written += length as u64;
        let due = self.writeback.as_mut().and_then(|it| it.due(self.written));
        if let Some((offset, length)) = due {
            sparse::start_writeback(self.fd.as_fd(), offset, length);
        }
    }
}

impl Write for OutputWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(&self.fd, data) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_writable(self.fd.as_fd(), &self.cancel)?,
                other => {
                    let length = other?;
                    self.note(length);
                    return Ok(length);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
