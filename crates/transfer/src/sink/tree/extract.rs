//! Entries of an archive become inodes.

use super::devices::LostDevices;
use super::dress::{Inode, Wardrobe};
use super::folders::Folders;
use super::layer::{self, Marks, Meaning, Needs};
use super::places::{Components, Missing, Places, shown};
use super::pool::{Pool, Room, SmallFile, made_mode};
use super::{Limits, flatten, inode};
use crate::context::{Context, Target};
use crate::error::{Doing, Error, Result};
use crate::proof::Staged;
use crate::report::Report;
use crate::stage::limit::{Budget, Limit};
use crate::stage::meter::Count;
use importd_api::failure::Kind;
use importd_formats::archive::Archive;
use importd_formats::tar::path::{self, PathError};
use importd_formats::tar::{self, Entry};
use importd_host::copy;
use importd_host::dir::Dir;
use importd_host::flush::Flusher;
use importd_host::sparse::{self, Writeback};
use importd_host::staging::Staging;
use rustix::fs::{FileType, Mode};
use std::ffi::OsStr;
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

/// Mode of a tree whose archive does not say, before the umask.
const TOP_MODE: u32 = 0o755;
/// What data in a sparse file takes on the disk at least, in bytes: a block of common file systems.
const DISK_BLOCK_BYTES: u64 = 4096;

/// A new, hidden tree.
#[derive(Debug)]
pub struct TreeSink {
    staging: Staging,
    flush: bool,
    context: Context,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Number of entries in the archive.
    pub entries: u64,
    /// Bytes of file contents.
    pub bytes: u64,
}

impl TreeSink {
    /// Makes the folder (or subvolume) for the image that will be called `name`.
    ///
    /// # Errors
    /// What mkdirat(2) says.
    pub fn create(folder: &Dir, name: &OsStr, target: &Target, context: &Context) -> Result<Self> {
        let staging = context
            .owners
            .folder(folder, name, target.tree_shape())
            .doing(|| "Failed to create a hidden image folder".into())?;
        // Without set-group-id from the image root: new inodes get our group.
        let fd = staging.fd();
        if !context.owners.are_foreign() {
            rustix::fs::fchmod(fd, Mode::RWXU)
                .doing(|| "Failed to set the mode of the hidden image folder".into())?;
        }
        Ok(Self {
            staging,
            flush: target.sync,
            context: context.clone(),
        })
    }

    /// Unpacks an archive, to its very end. `packed` counts the bytes that the source was unpacked
    /// from.
    ///
    /// # Errors
    /// [`Kind::Archive`] for what is no archive, is damaged, or must not be unpacked;
    /// [`Kind::SizeLimit`] for one that is too large; what the source and the file system say. The
    /// tree is removed then.
    pub fn fill<R: BufRead + Send>(
        self,
        source: R,
        limits: Limits,
        packed: Option<Count>,
    ) -> Result<(Staged, Extracted)> {
        let top = self
            .staging
            .folder()
            .doing(|| "Failed to open the hidden image folder".into())?;
        let unpack = Unpack {
            limits,
            packed,
            top_mode: Some(TOP_MODE & !self.context.umask),
            flush: self.flush,
            context: &self.context,
        };
        let owners = &self.context.owners;
        let done = owners.within(|| unpack.run(top, source))?;
        Ok((Staged(self.staging), done))
    }
}

/// One archive that is unpacked into a folder.
#[derive(Debug)]
pub struct Unpack<'a> {
    /// What it may become.
    pub limits: Limits,
    /// Counts the bytes that the source was unpacked from.
    pub packed: Option<Count>,
    /// The folder's mode where the archive does not say; `None` leaves it.
    pub top_mode: Option<u32>,
    /// Bring what is written to the disk while more comes.
    pub flush: bool,
    /// Takes lines, ends it, and says which owners there can be.
    pub context: &'a Context,
}

impl Unpack<'_> {
    /// Unpacks to the very end of the source.
    ///
    /// # Errors
    /// As [`TreeSink::fill`]; what was unpacked until then stays.
    pub fn run<R: BufRead>(self, top: Dir, source: R) -> Result<Extracted> {
        let extraction = self.extract(Places::new(top), None, source)?;
        extraction.finish(&self.context.report, self.top_mode)
    }

    /// Unpacks the layer of an image, in the form that overlayfs reads: markers become what hides, and
    /// what only the layers below can tell is left.
    ///
    /// # Errors
    /// As [`Unpack::run`].
    pub(crate) fn run_layer<R: BufRead>(self, top: Dir, source: R) -> Result<(Extracted, Needs)> {
        let marks = Some(Marks::default());
        let extraction = self.extract(Places::noting(top), marks, source)?;
        extraction.finish_layer(self.context, self.top_mode)
    }

    fn extract<R: BufRead>(
        &self,
        places: Places,
        marks: Option<Marks>,
        source: R,
    ) -> Result<Extraction> {
        let limits = self.limits;
        let room = match marks {
            None => Room::IMAGE,
            Some(_) => Room::LAYER,
        };
        // A help only: the flush at the end is what counts.
        let mut flusher = match self.flush {
            true => Flusher::new(&places.top()).ok(),
            false => None,
        };
        let wardrobe = Wardrobe::new(self.context);
        let budget = Budget::new(limits.bytes, limits.ratio, self.packed.clone());
        let mut extraction = Extraction {
            places,
            marks,
            pool: Pool::start(&wardrobe, room)?,
            folders: Folders::default(),
            wardrobe,
            done: Extracted::default(),
            limits,
            budget: budget.clone(),
            lost: LostDevices::default(),
        };
        let source = Limit::new(source, budget);
        let mut reader = Archive::new(source, tar::Limits::default())?;
        while let Some(entry) = reader.next_entry()? {
            self.context
                .cancel
                .check()
                .map_err(|error| Error::io("Cancelled", error))?;
            let before = extraction.done.bytes;
            extraction.add(entry, &mut reader)?;
            if let Some(flusher) = &mut flusher {
                flusher.wrote(extraction.done.bytes - before);
            }
        }
        reader.finish()?;
        if let Some(flusher) = flusher {
            self.context.report.early_flushes(flusher.begun());
        }
        Ok(extraction)
    }
}

struct Extraction {
    places: Places,
    /// What is noted of a layer; `None` for a tree of its own.
    marks: Option<Marks>,
    pool: Pool,
    folders: Folders,
    wardrobe: Wardrobe,
    done: Extracted,
    limits: Limits,
    budget: Budget,
    lost: LostDevices,
}

impl Extraction {
    fn add<R: BufRead>(&mut self, mut entry: Entry, reader: &mut Archive<R>) -> Result<()> {
        self.done.entries += 1;
        if self.done.entries > self.limits.entries {
            let text = format!(
                "The archive has more than {} entries; --entries-max= sets another limit",
                self.limits.entries
            );
            return Err(Error::new(Kind::Archive, text));
        }
        let path = self.checked(&entry.path, &entry)?;
        if let Some(marks) = &mut self.marks
            && marks.sort_out(&path, &mut entry)? == Meaning::Noted
        {
            return Ok(());
        }
        let path = match self.marks {
            Some(_) => layer::follow(&mut self.places, path, self.limits.depth)?,
            None => path,
        };
        let Some((name, parents)) = path.split_last() else {
            if entry.kind != tar::Kind::Directory {
                let text = "The archive's top entry is not a directory, refusing";
                return Err(Error::new(Kind::Archive, text));
            }
            return self.folders.note(&path, entry);
        };
        let parent = self.places.folder(parents, Missing::Create)?;
        let name = OsStr::from_bytes(name);
        if self.pool.takes(&entry) {
            let content = self.read_small(&entry, reader)?;
            let path = path.clone();
            return self.pool.submit(SmallFile {
                parent,
                path,
                entry,
                content,
            });
        }
        self.pool.wait_for(&path)?;
        match entry.kind {
            tar::Kind::File => self.large_file(&parent, name, &entry, reader),
            tar::Kind::HardLink => {
                let target = self.checked(&entry.link, &entry)?;
                match self.is_known(&path, &target, &entry)? {
                    true => self.hard_link((&parent, name), &target, &entry, reader),
                    false => Ok(()),
                }
            }
            tar::Kind::Directory => {
                let failed = || format!("Failed to create directory '{}'", shown(&path));
                inode::folder(&parent, name).doing(failed)?;
                self.folders.note(&path, entry)
            }
            _ => self.node(&parent, name, &entry),
        }
    }

    /// Makes what has no contents.
    fn node(&mut self, parent: &Dir, name: &OsStr, entry: &Entry) -> Result<()> {
        let failed = || {
            let path = String::from_utf8_lossy(&entry.path);
            format!("Failed to create {} '{path}'", noun(entry.kind))
        };
        match entry.kind {
            tar::Kind::Symlink => {
                inode::symlink(parent, name, OsStr::from_bytes(&entry.link)).doing(failed)?;
            }
            kind => {
                let node = (node_type(kind), entry.mode);
                let made = inode::node(parent, name, node, entry.device);
                if let Err(error) = &made
                    && self.wardrobe.may_lack(kind, error)
                {
                    self.lost.note(&entry.path);
                    return Ok(());
                }
                made.doing(failed)?;
            }
        }
        let inode = Inode::Named(parent, name);
        self.wardrobe.dress(inode, entry, entry.mode & 0o777)
    }

    fn read_small<R: BufRead>(
        &mut self,
        entry: &Entry,
        reader: &mut Archive<R>,
    ) -> Result<Vec<u8>> {
        let mut content = self.pool.buffer();
        content.reserve(usize::try_from(entry.size).unwrap_or(0));
        while let Some(data) = reader.data()? {
            content.extend_from_slice(data.bytes);
        }
        self.done.bytes += content.len() as u64;
        Ok(content)
    }

    fn large_file<R: BufRead>(
        &mut self,
        parent: &Dir,
        name: &OsStr,
        entry: &Entry,
        reader: &mut Archive<R>,
    ) -> Result<()> {
        let failed = || {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            format!("Failed to create regular file '{path}'")
        };
        let fd = inode::file(parent, name, entry.mode).doing(failed)?;
        self.wardrobe.prepare(fd.as_fd(), entry)?;
        self.content(fd.as_fd(), entry, reader)?;
        self.wardrobe
            .dress(Inode::Open(fd.as_fd()), entry, made_mode(entry))
    }

    /// Writes the contents of a file that is empty.
    fn content<R: BufRead>(
        &mut self,
        fd: BorrowedFd<'_>,
        entry: &Entry,
        reader: &mut Archive<R>,
    ) -> Result<()> {
        let failed = || {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            format!("Failed to write regular file '{path}'")
        };
        let mut writeback = Writeback::default();
        while let Some(data) = reader.data()? {
            copy::write_at(fd, data.bytes, data.offset).doing(failed)?;
            let length = data.bytes.len() as u64;
            self.done.bytes += length;
            if entry.sparse {
                // A byte of an archive must not become a block of the disk for nothing.
                let taken = length.next_multiple_of(DISK_BLOCK_BYTES);
                self.budget.take(taken - length)?;
            }
            if let Some((offset, length)) = writeback.due(data.offset + length) {
                sparse::start_writeback(fd, offset, length);
            }
        }
        // A hole at the end has no data that would make the file long enough.
        rustix::fs::ftruncate(fd, entry.size).doing(failed)
    }

    /// Whether the target of a hard link is there; in a layer, it may come later or be below.
    fn is_known(&mut self, path: &Components, target: &Components, entry: &Entry) -> Result<bool> {
        let Some(marks) = &mut self.marks else {
            return Ok(true);
        };
        Marks::check_target(path, target)?;
        self.pool.wait_for(target)?;
        let is_there = target.split_last().is_none_or(|(name, parents)| {
            let folder = self.places.folder(parents, Missing::Fail);
            folder.is_ok_and(|folder| folder.exists(OsStr::from_bytes(name)))
        });
        if is_there || entry.size > 0 {
            return Ok(true);
        }
        // What has the name until then is not what the archive says.
        if let Some((name, parents)) = path.split_last() {
            inode::absent(
                &*self.places.folder(parents, Missing::Create)?,
                OsStr::from_bytes(name),
            )
            .doing(|| format!("Failed to replace '{}'", shown(path)))?;
        }
        marks.note_link(path, target)?;
        Ok(false)
    }

    fn hard_link<R: BufRead>(
        &mut self,
        (parent, name): (&Dir, &OsStr),
        target: &Components,
        entry: &Entry,
        reader: &mut Archive<R>,
    ) -> Result<()> {
        let failed = || {
            format!(
                "Failed to create hard link '{}' to '{}'",
                String::from_utf8_lossy(&entry.path),
                String::from_utf8_lossy(&entry.link)
            )
        };
        let Some((target_name, parents)) = target.split_last() else {
            let text = format!("{}: it is the top directory", failed());
            return Err(Error::new(Kind::Archive, text));
        };
        self.pool.wait_for(target)?;
        let folder = self.places.folder(parents, Missing::Fail)?;
        let old = (folder.as_ref(), OsStr::from_bytes(target_name));
        inode::hard_link(old, (parent, name)).doing(failed)?;
        if entry.size == 0 {
            return Ok(());
        }
        let fd = inode::emptied(parent, name).doing(failed)?;
        self.content(fd.as_fd(), entry, reader)?;
        // Writing has cleared the set-user-id bit, and the time is another.
        self.wardrobe
            .dress(Inode::Open(fd.as_fd()), entry, u32::MAX)
    }

    /// The components of a path in an archive, or why it must not be unpacked.
    fn checked(&self, bytes: &[u8], entry: &Entry) -> Result<Components> {
        path::components(bytes, self.limits.depth).map_err(|error| {
            let shown = String::from_utf8_lossy(&entry.path);
            let hint = match error {
                PathError::TooDeep(_) => " (--depth-max= sets another limit)",
                _ => "",
            };
            let text = format!("Refusing entry '{shown}'{hint}");
            Error::caused(Kind::Archive, text, error)
        })
    }

    fn finish(mut self, report: &Report, top_mode: Option<u32>) -> Result<Extracted> {
        self.pool.finish()?;
        let top = self.places.top();
        flatten::flatten(&top, &mut self.folders, report)?;
        self.dress(&top, report, top_mode)
    }

    fn finish_layer(
        mut self,
        context: &Context,
        top_mode: Option<u32>,
    ) -> Result<(Extracted, Needs)> {
        self.pool.finish()?;
        let top = self.places.top();
        let mut needs = match self.marks.take() {
            Some(marks) => marks.apply(&mut self.places, context)?,
            None => Needs::default(),
        };
        let places = std::mem::replace(&mut self.places, Places::new(reopened(&top)?));
        needs.implied = places.into_implied();
        needs.implied.retain(|path| !self.folders.has(path));
        needs.has_top = self.folders.has_top();
        Ok((self.dress(&top, &context.report, top_mode)?, needs))
    }

    /// Gives all folders what their entries say.
    fn dress(self, top: &Dir, report: &Report, top_mode: Option<u32>) -> Result<Extracted> {
        if let (Some(top_mode), false) = (top_mode, self.folders.has_top()) {
            rustix::fs::fchmod(top.as_fd(), Mode::from_raw_mode(top_mode))
                .doing(|| "Failed to set the mode of the image folder".into())?;
        }
        let mut places = Places::new(reopened(top)?);
        self.folders.dress(&mut places, &self.wardrobe)?;
        self.lost.tell(report);
        Ok(self.done)
    }
}

fn reopened(top: &Dir) -> Result<Dir> {
    top.try_clone()
        .doing(|| "Failed to open the image folder".into())
}

fn noun(kind: tar::Kind) -> &'static str {
    match kind {
        tar::Kind::File => "regular file",
        tar::Kind::Directory => "directory",
        tar::Kind::Symlink => "symlink",
        tar::Kind::HardLink => "hard link",
        tar::Kind::CharDevice | tar::Kind::BlockDevice => "device node",
        tar::Kind::Fifo => "fifo",
        tar::Kind::Socket => "socket",
    }
}

fn node_type(kind: tar::Kind) -> FileType {
    match kind {
        tar::Kind::CharDevice => FileType::CharacterDevice,
        tar::Kind::BlockDevice => FileType::BlockDevice,
        tar::Kind::Socket => FileType::Socket,
        _ => FileType::Fifo,
    }
}
