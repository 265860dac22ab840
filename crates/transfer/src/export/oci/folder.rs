//! A layout folder gets an image.
//!
//! # Atomicity
//! A new folder is hidden until it is complete. In one that is there blobs appear first, under their
//! digests, then `index.json` is replaced by one rename: whoever reads the layout sees the old list or
//! the new one. Two exports into one layout wait for each other before they change the list.

use super::blobs::{Blob, Data, HIDDEN_NAME};
use super::build::Built;
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::oci::layout::{
    BLOBS_FOLDER, INDEX_FILE, Listing, MARKER, MARKER_FILE, MARKER_MAX, check_marker,
};
use importd_formats::oci::{self, DOCUMENT_MAX};
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging::{self, Shape, Staging};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

/// Mode of new folders, before the umask.
const FOLDER_MODE: u32 = 0o777;
/// Mode of new files, before the umask.
const FILE_MODE: u32 = 0o666;
/// The folder of blobs of our digests.
const SHA256_FOLDER: &str = "sha256";
/// How often it is tried to lock a layout that another export is changing.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// A layout that is written to.
#[derive(Debug)]
pub(super) struct Layout {
    top: Dir,
    parent: Dir,
    name: OsString,
    label: String,
    /// The folder itself, if it is new.
    staging: Option<Staging>,
    umask: u32,
}

impl Layout {
    /// Opens a layout, or begins a hidden one.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for a folder that has something else in it; [`Kind::NotDirectory`]; what
    /// open(2) and mkdir(2) say.
    pub(super) fn open(path: &Path, context: &Context) -> Result<Self> {
        let label = path.display().to_string();
        let failed = || format!("Failed to open '{label}' for writing");
        let above = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let umask = context.umask;
        match Dir::open(path) {
            Ok(top) => {
                let layout = Self {
                    parent: top.try_clone().doing(failed)?,
                    name: OsString::new(),
                    staging: None,
                    top,
                    label: label.clone(),
                    umask,
                };
                layout.check()?;
                Ok(layout)
            }
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {
                let name = path.file_name().ok_or(Errno::INVAL).doing(failed)?;
                let parent = Dir::open(above.unwrap_or(Path::new("."))).doing(failed)?;
                // What cannot be swept is no reason not to export.
                staging::sweep_folders(&parent, name).unwrap_or(0);
                let staging = Staging::create(&parent, name, Shape::Folder).doing(failed)?;
                let top = staging.folder().and_then(|top| top.reopen());
                Ok(Self {
                    top: top.doing(failed)?,
                    parent,
                    name: name.to_owned(),
                    staging: Some(staging),
                    label: label.clone(),
                    umask,
                })
            }
            Err(error) => Err(error).doing(failed),
        }
    }

    /// What it is: a layout, or nothing yet.
    fn check(&self) -> Result<()> {
        let marker = self.read(MARKER_FILE, MARKER_MAX)?;
        let text = format!("'{}' is a folder, but no layout of images", self.label);
        if let Some(marker) = marker {
            return check_marker(&marker)
                .map_err(|error| Error::caused(Kind::InvalidArgument, text, error));
        }
        let names = self.top.entries().doing(|| self.failed())?;
        match names.iter().all(|name| staging::is_hidden(name)) {
            true => Ok(()),
            false => Err(Error::new(Kind::InvalidArgument, text)),
        }
    }

    fn failed(&self) -> String {
        format!("Failed to write '{}'", self.label)
    }

    pub(super) fn top(&self) -> &Dir {
        &self.top
    }

    /// Where the folder appears; the folder itself if it is there.
    pub(super) fn parent(&self) -> &Dir {
        &self.parent
    }

    /// The folder of blobs, made where missing and swept of what killed exports left.
    ///
    /// # Errors
    /// What mkdir(2) and open(2) say.
    pub(super) fn blobs(&self) -> Result<Dir> {
        let mut folder = self.top.try_clone().doing(|| self.failed())?;
        for name in [BLOBS_FOLDER, SHA256_FOLDER] {
            match folder.make_dir(OsStr::new(name), FOLDER_MODE & !self.umask) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).doing(|| self.failed());
                }
                _ => {}
            }
            folder = folder.open_dir(OsStr::new(name)).doing(|| self.failed())?;
        }
        for swept in [&self.top, &folder] {
            staging::sweep_files(swept, OsStr::new(HIDDEN_NAME)).unwrap_or(0);
        }
        Ok(folder)
    }

    /// Adds an image: its blobs, then its name.
    ///
    /// # Errors
    /// [`Kind::Document`] for a list that cannot be read; what the file system says.
    pub(super) fn add(self, image: Built, tag: Option<&str>, context: &Context) -> Result<()> {
        let listed = image.listed();
        let blobs = self.blobs()?;
        for blob in image.blobs.into_iter().chain([image.manifest]) {
            self.place(blob, &blobs)?;
        }
        blobs.sync().doing(|| self.failed())?;
        let _lock = self.lock(context)?;
        if self.read(MARKER_FILE, MARKER_MAX)?.is_none() {
            self.write(&self.top, MARKER_FILE, MARKER)?;
        }
        let refused = |error: oci::Error| {
            let text = format!("Failed to add the image to the list of '{}'", self.label);
            Error::caused(Kind::Document, text, error)
        };
        let listing = match self.read(INDEX_FILE, DOCUMENT_MAX)? {
            Some(bytes) => Listing::parse(&bytes).map_err(refused)?,
            None => Listing::default(),
        };
        let listing = listing.with(&listed, tag).map_err(refused)?;
        self.write(&self.top, INDEX_FILE, &listing)?;
        self.top.sync().doing(|| self.failed())?;
        self.publish()
    }

    fn publish(self) -> Result<()> {
        let failed = self.failed();
        let Some(staging) = self.staging else {
            return Ok(());
        };
        let mode = Mode::from_raw_mode(FOLDER_MODE & !self.umask);
        rustix::fs::fchmod(staging.fd(), mode).doing(|| failed.clone())?;
        let installed = staging.install(&self.name, Replace::Refuse);
        installed
            .doing(|| failed.clone())?
            .sync()
            .doing(|| failed.clone())
    }

    /// Gives a blob its name. One that is there is replaced: it may be damaged.
    fn place(&self, blob: Blob, blobs: &Dir) -> Result<()> {
        let name = blob.stored.digest.hex();
        match (blob.data, blob.staging) {
            (Data::Bytes(bytes), _) => self.write(blobs, &name, &bytes),
            (Data::File(_), Some(staging)) => self.install(staging, &name),
            (Data::File(_), None) => {
                let text = format!("Layer {name} has no name to be renamed from");
                Err(Error::new(Kind::Io, text))
            }
        }
    }

    fn write(&self, folder: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
        let staging = Staging::create(folder, OsStr::new(HIDDEN_NAME), Shape::File);
        let staging = staging.doing(|| self.failed())?;
        let file = staging.fd().try_clone_to_owned().doing(|| self.failed())?;
        File::from(file).write_all(bytes).doing(|| self.failed())?;
        self.install(staging, name)
    }

    fn install(&self, staging: Staging, name: &str) -> Result<()> {
        let mode = Mode::from_raw_mode(FILE_MODE & !self.umask);
        rustix::fs::fchmod(staging.fd(), mode).doing(|| self.failed())?;
        rustix::fs::fsync(staging.fd()).doing(|| self.failed())?;
        let installed = staging.install(OsStr::new(name), Replace::File);
        installed.doing(|| self.failed()).map(drop)
    }

    /// Waits for other exports into the layout.
    fn lock(&self, context: &Context) -> Result<Dir> {
        let folder = self.top.reopen().doing(|| self.failed())?;
        loop {
            match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if self.staging.is_none() => {
                    context
                        .cancel
                        .wait_signal(LOCK_INTERVAL)
                        .doing(|| self.failed())?;
                }
                // Nobody sees a new folder; file systems without locks cannot help.
                _ => return Ok(folder),
            }
        }
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let failed = || format!("Failed to read '{name}' of '{}'", self.label);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.top.open_file(OsStr::new(name), flags, Mode::empty());
        let file = match opened {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(None),
            other => File::from(other.doing(failed)?),
        };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).doing(failed)?;
        if bytes.len() as u64 > limit {
            let text = format!("'{name}' of '{}' has more than {limit} bytes", self.label);
            return Err(Error::new(Kind::TooLarge, text));
        }
        Ok(Some(bytes))
    }
}
