//! Where an image goes: under a name in the image root, or to a path, and how that place is opened.
//!
//! With `--direct` the reference writes to the path as it comes. Here a path that can be replaced by
//! one rename is: the bytes come into a hidden file or folder beside it. Only what cannot be
//! replaced is written in place: a block device, a range of a file, a file with several names, a
//! folder that is there.

use crate::context::{Context, Target};
use crate::error::{Doing, Error, Result};
use crate::install::{Manner, Root};
use crate::sink::raw::{Bounds, Dress, InPlace, Range};
use importd_api::failure::Kind;
use importd_api::name::{Form, ImageName};
use importd_host::dir::Dir;
use importd_host::rename::Replace;
use importd_host::staging;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// Mode of folders that are made for an image.
const FOLDER_MODE: u32 = 0o700;

/// Where an image goes, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the image root, under this name.
    Image(ImageName),
    /// To this absolute path (`--direct`).
    Path(PathBuf),
}

/// An opened place for a disk image.
#[derive(Debug)]
pub enum FileSite {
    /// A hidden file that is renamed when it is complete, and whose it will be.
    Hidden(Hidden, Dress),
    /// A file or device that is written in place.
    InPlace(InPlace),
}

/// An opened place for a tree.
#[derive(Debug)]
pub enum TreeSite {
    /// A hidden folder that is renamed when it is complete.
    Hidden(Hidden),
    /// A folder that is there already and is filled.
    Folder(Dir),
}

/// Where a hidden entry is made, and what becomes of it.
#[derive(Debug)]
pub struct Hidden {
    /// The folder.
    pub root: Root,
    /// The name that the entry gets.
    pub name: OsString,
    /// How it gets it.
    pub manner: Manner,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Image(name) => write!(f, "{name}"),
            Destination::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The name of the file of a disk image.
///
/// # Errors
/// [`Kind::InvalidArgument`] if it would be too long.
pub(crate) fn disk_name(name: &ImageName) -> Result<OsString> {
    name.file_name(Form::Raw)
        .map(OsString::from)
        .map_err(|error| {
            let text = format!("Local image name '{name}' is not valid");
            Error::caused(Kind::InvalidArgument, text, error)
        })
}

impl Destination {
    /// Refuses the name of an image that is there, unless it may be replaced.
    ///
    /// # Errors
    /// As [`crate::images::Places::refuse_taken`].
    pub fn check_free(&self, target: &Target) -> Result<()> {
        match self {
            Destination::Image(name) => target.check_free(name),
            Destination::Path(_) => Ok(()),
        }
    }

    /// The place for a disk image.
    ///
    /// # Errors
    /// [`Kind::IsDirectory`] for a folder, [`Kind::BadDescriptor`] for a fifo and its kin, what
    /// opening it says.
    pub fn open_file(
        &self,
        target: &Target,
        range: Option<Range>,
        bounds: Bounds,
        context: &Context,
    ) -> Result<FileSite> {
        let fresh = Dress::fresh(context.umask);
        let path = match self {
            Destination::Image(name) => {
                let name = disk_name(name)?;
                let hidden = Hidden {
                    root: target.open_root(context)?,
                    name,
                    manner: target.manner(),
                };
                return Ok(FileSite::Hidden(hidden, fresh));
            }
            Destination::Path(path) => path,
        };
        if range.is_some() {
            return InPlace::open(path, range, bounds).map(FileSite::InPlace);
        }
        let path = resolved(path);
        let dress = match look(&path)? {
            None => fresh,
            Some(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let text = format!("Target '{}' is a folder", path.display());
                    return Err(Error::new(Kind::IsDirectory, text));
                }
                FileType::RegularFile if is_replaceable(&stat) => Dress::of(&stat),
                _ => return InPlace::open(&path, None, bounds).map(FileSite::InPlace),
            },
        };
        let (root, name) = beside(&path, context, staging::sweep_files)?;
        let manner = Manner {
            replace: Replace::File,
            ..target.manner()
        };
        let hidden = Hidden { root, name, manner };
        Ok(FileSite::Hidden(hidden, dress))
    }

    /// The place for a tree. A path that is there is filled, unless it may be replaced.
    ///
    /// # Errors
    /// [`Kind::Exists`] for anything but a folder that is there; what opening it says.
    pub fn open_tree(&self, target: &Target, context: &Context) -> Result<TreeSite> {
        let hidden = |root, name| Hidden {
            root,
            name,
            manner: target.manner(),
        };
        let path = match self {
            Destination::Image(name) => {
                let name = OsString::from(name.as_str());
                return Ok(TreeSite::Hidden(hidden(target.open_root(context)?, name)));
            }
            Destination::Path(path) => path,
        };
        let failed = || format!("Failed to open '{}' for writing", path.display());
        match look(path)? {
            Some(stat) if !target.force => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Ok(TreeSite::Folder(Dir::open(path).doing(failed)?)),
                _ => {
                    let text = format!(
                        "'{}' exists and is no folder; --force replaces it",
                        path.display()
                    );
                    Err(Error::new(Kind::Exists, text))
                }
            },
            _ => {
                let (root, name) = beside(path, context, |folder, _| sweep_private(folder))?;
                Ok(TreeSite::Hidden(hidden(root, name)))
            }
        }
    }
}

/// Follows links to the file that is meant; a path that leads nowhere stays as it is.
fn resolved(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn look(path: &Path) -> Result<Option<Stat>> {
    match rustix::fs::stat(path) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).doing(|| format!("Failed to look at '{}'", path.display())),
    }
}

/// Whether a new file can take the place of one that is there, unnoticed: it has no other name, and
/// its owner can be kept.
fn is_replaceable(stat: &Stat) -> bool {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let is_ours = (uid.as_raw(), gid.as_raw()) == (stat.st_uid, stat.st_gid);
    stat.st_nlink == 1 && (uid.is_root() || is_ours)
}

/// The folder of a path, made where missing and swept, and the name in it.
fn beside(
    path: &Path,
    context: &Context,
    sweep: impl FnOnce(&Dir, &OsStr) -> std::io::Result<usize>,
) -> Result<(Root, OsString)> {
    let name = path.file_name().ok_or_else(|| {
        let text = format!("'{}' has no last component to write to", path.display());
        Error::new(Kind::InvalidArgument, text)
    })?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    let folder = Dir::create_all(parent, FOLDER_MODE)
        .doing(|| format!("Failed to open directory '{}'", parent.display()))?;
    match sweep(&folder, name) {
        Ok(0) | Err(_) => {}
        Ok(count) => context
            .report
            .info(format!("Removed {count} leftovers of killed transfers.")),
    }
    let root = Root {
        folder,
        path: parent.to_owned(),
    };
    Ok((root, name.to_owned()))
}

/// Sweeps a folder in which nobody but us can put anything.
fn sweep_private(folder: &Dir) -> std::io::Result<usize> {
    let stat = folder.stat_self()?;
    let is_ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0;
    if is_ours {
        staging::sweep(folder, &mut || Ok(()))
    } else {
        Ok(0)
    }
}
