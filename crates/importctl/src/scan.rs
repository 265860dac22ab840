//! Images found by looking, for `list-images --standalone`.
//!
//! Limits: versioned folders (`NAME.v`) are left out, the read-only state of block devices is that of
//! their permissions, and quotas are not read.

use crate::environment::Environment;
use crate::report::Failure;
use crate::system;
use crate::verbs::list::Image;
use importd_api::bus::SIZE_UNKNOWN;
use importd_api::class::{Class, Scope, UserBases};
use importd_api::name::{ImageName, NameError};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Bytes in a block of `st_blocks`, stat(2).
const BLOCK: u64 = 512;

/// Searched for names by the reference, but not listed.
const NOT_LISTED: &str = "/var/lib/container";

/// Name under which the machine itself is listed.
const HOST: &str = ".host";

/// What is to be listed.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    /// Whose images.
    pub(crate) scope: Scope,
    /// One class; all if `None`.
    pub(crate) class: Option<Class>,
    /// A folder instead of those of the class.
    pub(crate) image_root: Option<&'a Path>,
}

/// Lists images, sorted by class and name.
///
/// # Errors
/// A failure if a folder of a class that was asked for by name cannot be read; other unreadable
/// folders are skipped, missing ones always.
pub(crate) fn images(search: &Search<'_>, environment: &Environment) -> anyhow::Result<Vec<Image>> {
    let mut found: BTreeMap<(&str, String), Image> = BTreeMap::new();
    let classes = match (search.class, search.image_root) {
        (Some(class), _) => vec![class],
        // A folder of images has no class; they are shown as what most are.
        (None, Some(_)) => vec![Class::Machine],
        (None, None) => Class::ALL.to_vec(),
    };
    for class in classes {
        let folders = match search.image_root {
            Some(root) => vec![root.to_owned()],
            None => folders(class, search.scope, environment),
        };
        for folder in folders {
            let images = match scan(&folder, class) {
                Ok(images) => images,
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && search.image_root.is_none() =>
                {
                    continue;
                }
                Err(_) if search.class.is_none() && search.image_root.is_none() => continue,
                Err(error) => {
                    let folder = folder.display();
                    let doing = format!("Could not list images: {folder}");
                    return Err(Failure::io(&doing, &error));
                }
            };
            for image in images {
                let key = (class.as_str(), image.name.clone());
                found.entry(key).or_insert(image);
            }
        }
        let host = search.scope == Scope::System && search.image_root.is_none();
        if host
            && class == Class::Machine
            && let Some(image) = host_image()
        {
            found.insert((class.as_str(), image.name.clone()), image);
        }
    }
    Ok(found.into_values().collect())
}

fn folders(class: Class, scope: Scope, environment: &Environment) -> Vec<PathBuf> {
    match scope {
        Scope::System => {
            let paths = class.system_search_path().iter();
            let listed = paths.filter(|path| **path != NOT_LISTED);
            listed.map(PathBuf::from).collect()
        }
        Scope::User => {
            let bases = UserBases::new(
                Some(environment.home.clone()),
                environment.runtime_dir.clone(),
                Some(environment.state_home.clone()),
            );
            bases.search_path(class)
        }
    }
}

/// The images in one folder; of several with one name, trees come before disk images.
fn scan(folder: &Path, class: Class) -> io::Result<Vec<Image>> {
    let mut images = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Links are followed, as the reference does; a dangling one is no image.
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        let Ok(file_name) = entry.file_name().into_string() else {
            continue;
        };
        let Some((name, kind)) = recognise(&file_name, &metadata, &path) else {
            continue;
        };
        let suffix = match kind {
            "block" => "",
            _ => class.name_suffix(),
        };
        let name = name.strip_suffix(suffix).unwrap_or(name);
        if is_listed(name) {
            images.push(describe(class, name, kind, (&path, &metadata)));
        }
    }
    images.sort_by_key(|image| image.kind == "raw" || image.kind == "mstack");
    Ok(images)
}

/// Whether a file of that name can be an image, as the service has it. Names like options cannot be
/// given to us, but may have been made by others, and have to be seen.
fn is_listed(name: &str) -> bool {
    name != HOST && matches!(ImageName::parse(name), Ok(_) | Err(NameError::Option))
}

/// The name and type of an image, by its file name and type.
fn recognise<'a>(
    file_name: &'a str,
    metadata: &Metadata,
    path: &Path,
) -> Option<(&'a str, &'static str)> {
    if metadata.is_dir() {
        if let Some(name) = file_name.strip_suffix(".mstack") {
            return Some((name, "mstack"));
        }
        if file_name.ends_with(".v") {
            return None;
        }
        let kind = if system::is_subvolume(path, metadata.ino()) {
            "subvolume"
        } else {
            "directory"
        };
        Some((file_name, kind))
    } else if metadata.is_file() {
        Some((file_name.strip_suffix(".raw")?, "raw"))
    } else if metadata.file_type().is_block_device() {
        Some((file_name, "block"))
    } else {
        None
    }
}

fn describe(
    class: Class,
    name: &str,
    kind: &'static str,
    (path, metadata): (&Path, &Metadata),
) -> Image {
    let is_raw = kind == "raw";
    let no_write_bit = metadata.mode() & 0o222 == 0;
    let marked = match kind {
        "raw" | "block" => no_write_bit,
        "mstack" => has_only_layers(path) || system::is_immutable(path),
        _ => system::is_immutable(path),
    };
    let time = |time: io::Result<std::time::SystemTime>| {
        let since = time
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
    };
    Image {
        class: class.as_str().to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        path: path.to_string_lossy().into_owned(),
        read_only: marked || path.starts_with("/usr") || system::is_on_read_only(path),
        created: match kind {
            // When its node was made says nothing.
            "block" => 0,
            _ => earliest([
                system::noted_birth(path).unwrap_or(0),
                time(metadata.created()),
            ]),
        },
        modified: if is_raw { time(metadata.modified()) } else { 0 },
        usage: if is_raw {
            metadata.blocks() * BLOCK
        } else {
            SIZE_UNKNOWN
        },
        limit: if is_raw { metadata.len() } else { SIZE_UNKNOWN },
    }
}

/// Whether a stack of layers has no place for changes, systemd.mstack(7).
fn has_only_layers(stack: &Path) -> bool {
    let place = fs::symlink_metadata(stack.join("rw"));
    place.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The earlier of the known times, 0 if none is: a copy is younger than the image.
fn earliest(times: [u64; 2]) -> u64 {
    let known = times.into_iter().filter(|time| *time != 0);
    known.min().unwrap_or(0)
}

/// The running system itself.
fn host_image() -> Option<Image> {
    let path = Path::new("/");
    let metadata = fs::metadata(path).ok()?;
    let kind = if system::is_subvolume(path, metadata.ino()) {
        "subvolume"
    } else {
        "directory"
    };
    Some(describe(Class::Machine, HOST, kind, (path, &metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn list(root: &Path, class: Class) -> Vec<Image> {
        let search = Search {
            scope: Scope::System,
            class: Some(class),
            image_root: Some(root),
        };
        images(&search, &Environment::default()).unwrap()
    }

    #[test]
    fn files_and_folders_are_recognised_and_leftovers_hidden() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "tree",
            ".#half",
            "layers.mstack",
            "versions.v",
            "-odd",
            ".host",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let disk = File::create(root.path().join("disk.raw")).unwrap();
        disk.set_len(300_000).unwrap();
        disk.set_permissions(Permissions::from_mode(0o444)).unwrap();
        File::create(root.path().join("tree.raw")).unwrap();
        File::create(root.path().join("note.txt")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling.raw")).unwrap();

        let found = list(root.path(), Class::Machine);
        let names: Vec<_> = found
            .iter()
            .map(|i| (i.name.as_str(), i.kind.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("-odd", "directory"),
                ("disk", "raw"),
                ("layers", "mstack"),
                ("tree", "directory")
            ]
        );
        let disk = &found[1];
        assert!(disk.read_only && disk.modified > 0);
        assert_eq!((disk.usage, disk.limit), (0, 300_000));
        let tree = &found[3];
        assert_eq!(
            (tree.modified, tree.usage, tree.limit),
            (0, SIZE_UNKNOWN, SIZE_UNKNOWN)
        );
        assert!(!tree.read_only);
        let stack = || list(root.path(), Class::Machine).swap_remove(2);
        assert!(stack().read_only);
        fs::create_dir_all(root.path().join("layers.mstack/rw")).unwrap();
        assert!(!stack().read_only);
    }

    #[test]
    fn the_time_of_birth_is_the_noted_one_if_that_is_earlier() {
        // Where attributes of users can be set.
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        for folder in ["early", "late", "none"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let note = |name: &str, time| system::note_birth(&root.path().join(name), time);
        note("early", 1_700_000_000_123_456);
        note("late", u64::MAX);
        let found = list(root.path(), Class::Machine);
        assert_eq!(found[0].created, 1_700_000_000_123_456);
        let born = |image: &Image| (1_700_000_000_123_456..u64::MAX).contains(&image.created);
        assert!(born(&found[1]) && born(&found[2]));
    }

    #[test]
    fn suffixes_of_extensions_are_not_part_of_their_names() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a.sysext.raw", "b.raw"] {
            File::create(root.path().join(name)).unwrap();
        }
        let found = list(root.path(), Class::Sysext);
        let names: Vec<_> = found.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_missing_root_is_an_error_and_missing_folders_of_a_class_are_not() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("none");
        let search = Search {
            scope: Scope::System,
            class: None,
            image_root: Some(&missing),
        };
        let error = images(&search, &Environment::default()).unwrap_err();
        assert!(
            error.to_string().ends_with("No such file or directory"),
            "{error}"
        );
        let search = Search {
            scope: Scope::User,
            class: None,
            image_root: None,
        };
        let environment = Environment {
            state_home: missing.clone(),
            home: missing,
            ..Environment::default()
        };
        assert!(images(&search, &environment).unwrap().is_empty());
    }
}
