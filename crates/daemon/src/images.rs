//! The list of images.
//!
//! Looks at the entries of the folders of a class, and of what is inside of them only at whether a
//! stack of layers has a place for changes. An entry is an image by its kind and its suffix; in one class the first folder that has a name wins. Blocking:
//! call it off the thread that serves the bus.
//!
//! Source: org.freedesktop.import1(5), `ListImages()`.

use crate::refusal::Refusal;
use importd_api::bus::SIZE_UNKNOWN;
use importd_api::class::{Class, UserBases};
use importd_api::name::{ImageName, NameError};
use rustix::fs::{IFlags, Mode, OFlags, StatVfsMountFlags};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most images listed of one class. A bus message holds 128 MiB; this many entries with the longest
/// names and paths stay below.
const IMAGES_MAX: usize = 65_536;

/// Inode number of the top folder of every btrfs subvolume (btrfs(5)).
const SUBVOLUME_INODE: u64 = 256;

/// Bytes in the unit of `st_blocks` and of sizes in sysfs.
const BLOCK_BYTES: u64 = 512;

/// Name under which the machine itself is listed.
const HOST: &str = ".host";

/// A folder that is searched for names but never listed.
const UNLISTED: &str = "/var/lib/container";

/// What an image is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A folder.
    Directory,
    /// A btrfs subvolume.
    Subvolume,
    /// A disk image file.
    Raw,
    /// A block device.
    Block,
    /// A folder of layers.
    Mstack,
}

impl Type {
    /// The type's name on the bus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Type::Directory => "directory",
            Type::Subvolume => "subvolume",
            Type::Raw => "raw",
            Type::Block => "block",
            Type::Mstack => "mstack",
        }
    }
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it is for.
    pub class: Class,
    /// Its name.
    pub name: String,
    /// What it is on disk.
    pub r#type: Type,
    /// Where it is; symbolic links are resolved.
    pub path: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// When it was made, in microseconds since 1970; 0 if not known.
    pub created_usec: u64,
    /// When it was last written to, in microseconds since 1970; 0 if not known, as for folders.
    pub modified_usec: u64,
    /// How much disk it takes, in bytes; [`SIZE_UNKNOWN`] if not known, as for folders.
    pub usage_bytes: u64,
    /// How large it may grow, in bytes; [`SIZE_UNKNOWN`] if not known.
    pub limit_bytes: u64,
}

/// Where images lie.
#[derive(Clone, Debug, Default)]
pub struct Places {
    folders: Vec<(Class, PathBuf)>,
    host: bool,
}

impl Places {
    /// The folders of the system scope, and the machine itself.
    #[must_use]
    pub fn system() -> Self {
        let of = |class: Class| {
            let paths = class.system_search_path().iter();
            paths
                .filter(|path| **path != UNLISTED)
                .map(move |path| (class, PathBuf::from(path)))
        };
        Self {
            folders: Class::ALL.into_iter().flat_map(of).collect(),
            host: true,
        }
    }

    /// The folders of the user scope.
    #[must_use]
    pub fn user(bases: &UserBases) -> Self {
        let of = |class| {
            let paths = bases.search_path(class).into_iter();
            paths.map(move |path| (class, path))
        };
        Self {
            folders: Class::ALL.into_iter().flat_map(of).collect(),
            host: false,
        }
    }

    /// All folders.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|(_, path)| path.as_path())
    }

    /// Lists the images of a class, or of all classes.
    ///
    /// # Errors
    /// [`Refusal::List`] if a folder of the wanted class cannot be read. When all are wanted, a
    /// class with such a folder is logged and left out.
    pub fn list(&self, wanted: Option<Class>) -> Result<Vec<Image>, Refusal> {
        let mut images = Vec::new();
        for class in Class::ALL {
            if wanted.is_some_and(|wanted| wanted != class) {
                continue;
            }
            match self.list_class(class) {
                Ok(found) => images.extend(found),
                Err(refusal) if wanted.is_none() => tracing::warn!("{refusal}"),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(images)
    }

    fn list_class(&self, class: Class) -> Result<Vec<Image>, Refusal> {
        let mut images = BTreeMap::new();
        if self.host && class == Class::Machine {
            let meta = std::fs::metadata("/").map_err(|e| unreadable(Path::new("/"), e))?;
            let host = folder_image(class, HOST.into(), Path::new("/"), &meta);
            images.insert(HOST.to_owned(), host);
        }
        for (_, folder) in self.folders.iter().filter(|(of, _)| *of == class) {
            let entries = match std::fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(folder, error)),
            };
            for entry in entries {
                let entry = entry.map_err(|e| unreadable(folder, e))?;
                let Some(image) = image(class, &entry.path()) else {
                    continue;
                };
                if images.len() < IMAGES_MAX {
                    images.entry(image.name.clone()).or_insert(image);
                }
            }
        }
        Ok(images.into_values().collect())
    }
}

fn unreadable(folder: &Path, source: io::Error) -> Refusal {
    Refusal::List {
        folder: folder.to_owned(),
        source,
    }
}

/// The image that an entry is, if it is one; entries that vanish or lead nowhere are none.
fn image(class: Class, entry: &Path) -> Option<Image> {
    let file_name = entry.file_name()?.to_str()?;
    let meta = std::fs::metadata(entry).ok()?;
    let kind = meta.file_type();
    let resolved = std::fs::canonicalize(entry).ok()?;
    let bare = |suffix: &str| {
        let name = file_name.strip_suffix(suffix)?;
        Some(name.strip_suffix(class.name_suffix()).unwrap_or(name))
    };
    let (name, r#type) = if kind.is_file() {
        (bare(".raw")?, Type::Raw)
    } else if kind.is_block_device() {
        (file_name, Type::Block)
    } else if !kind.is_dir() || file_name.ends_with(".v") {
        // Folders of versions are no images themselves.
        return None;
    } else if let Some(name) = bare(".mstack") {
        (name, Type::Mstack)
    } else {
        (bare("")?, Type::Directory)
    };
    if !is_listed(name) {
        return None;
    }
    let name = name.to_owned();
    match r#type {
        Type::Raw => raw_image(class, name, &resolved, &meta),
        Type::Block => block_image(class, name, &resolved, &meta),
        Type::Directory | Type::Subvolume => Some(folder_image(class, name, &resolved, &meta)),
        Type::Mstack => {
            let folder = folder_image(class, name, &resolved, &meta);
            Some(Image {
                r#type: Type::Mstack,
                read_only: folder.read_only || has_only_layers(&resolved),
                ..folder
            })
        }
    }
}

/// Whether a stack has no place for changes: what is written to it would go nowhere.
///
/// # Source
/// systemd.mstack(7), `rw/`; ListImages of systemd-importd of systemd 262.
fn has_only_layers(stack: &Path) -> bool {
    let place = std::fs::symlink_metadata(stack.join("rw"));
    place.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Whether a file of that name can be an image. Names like options cannot be given to us, but may
/// have been made by others, and have to be seen.
fn is_listed(name: &str) -> bool {
    name != HOST && matches!(ImageName::parse(name), Ok(_) | Err(NameError::Option))
}

fn raw_image(class: Class, name: String, path: &Path, meta: &Metadata) -> Option<Image> {
    let usage_bytes = meta.blocks().saturating_mul(BLOCK_BYTES);
    Some(Image {
        class,
        name,
        r#type: Type::Raw,
        path: path.to_str()?.to_owned(),
        read_only: meta.permissions().readonly() || is_on_read_only(path),
        created_usec: created(path, meta),
        modified_usec: microseconds(meta.modified()),
        usage_bytes,
        limit_bytes: meta.len(),
    })
}

fn block_image(class: Class, name: String, path: &Path, meta: &Metadata) -> Option<Image> {
    let device = meta.rdev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let attribute = |file: &str| {
        let text =
            std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/{file}")).ok()?;
        text.trim_end().parse::<u64>().ok()
    };
    let size = attribute("size").map_or(SIZE_UNKNOWN, |blocks| blocks.saturating_mul(BLOCK_BYTES));
    Some(Image {
        class,
        name,
        r#type: Type::Block,
        path: path.to_str()?.to_owned(),
        read_only: meta.permissions().readonly() || attribute("ro") == Some(1),
        created_usec: 0,
        modified_usec: 0,
        usage_bytes: size,
        limit_bytes: size,
    })
}

fn folder_image(class: Class, name: String, path: &Path, meta: &Metadata) -> Image {
    let facts = folder_facts(path, meta);
    Image {
        class,
        name,
        r#type: if facts.is_subvolume {
            Type::Subvolume
        } else {
            Type::Directory
        },
        path: path.to_string_lossy().into_owned(),
        read_only: facts.read_only,
        created_usec: created(path, meta),
        modified_usec: 0,
        usage_bytes: SIZE_UNKNOWN,
        limit_bytes: SIZE_UNKNOWN,
    }
}

#[derive(Default)]
struct FolderFacts {
    is_subvolume: bool,
    read_only: bool,
}

/// What only an open folder tells; one that cannot be opened is an ordinary writable one.
fn folder_facts(path: &Path, meta: &Metadata) -> FolderFacts {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let read_only = is_on_read_only(path);
    let Ok(folder) = rustix::fs::open(path, flags, Mode::empty()) else {
        return FolderFacts {
            is_subvolume: false,
            read_only,
        };
    };
    let is_subvolume = meta.ino() == SUBVOLUME_INODE
        && importd_host::subvolume::is_subvolume(&folder).unwrap_or(false);
    let marked = if is_subvolume {
        importd_host::subvolume::is_read_only(&folder).unwrap_or(false)
    } else {
        rustix::fs::ioctl_getflags(&folder).is_ok_and(|flags| flags.contains(IFlags::IMMUTABLE))
    };
    FolderFacts {
        is_subvolume,
        read_only: read_only || marked,
    }
}

/// Whether the image lies below `/usr`, which belongs to the vendor, or its file system can only be
/// read.
fn is_on_read_only(path: &Path) -> bool {
    path.starts_with("/usr")
        || rustix::fs::statvfs(path)
            .is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// When an image was made: what is noted in its attributes, or what the file system says; the
/// earlier of both, since a copy is younger than the image.
fn created(path: &Path, meta: &Metadata) -> u64 {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let noted = rustix::fs::open(path, flags, Mode::empty())
        .ok()
        .and_then(|fd| importd_host::attributes::crtime(fd.as_fd()));
    let known = [noted.unwrap_or(0), microseconds(meta.created())];
    known
        .into_iter()
        .filter(|time| *time != 0)
        .min()
        .unwrap_or(0)
}

fn microseconds(time: io::Result<SystemTime>) -> u64 {
    time.ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
