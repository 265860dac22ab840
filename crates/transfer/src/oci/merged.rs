//! What several layers look like together, without a mount.
//!
//! Names are looked up in the topmost layer first; what hides ends the search. Links are followed only
//! where that is asked for, one component at a time, and lead nowhere but below the layers' own tops.

use crate::error::{Doing, Error, Result};
use crate::sink::tree::{Components, DEPTH_MAX_POSSIBLE, shown};
use importd_api::failure::Kind;
use importd_host::dir::Dir;
use importd_host::overlay;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// Most symbolic links on the way to one thing, as the kernel has it (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// A folder of the merged tree: the folders of the layers that it is made of, the topmost first.
pub(super) type Stack = Vec<Dir>;

/// What has a name in the merged tree.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A folder.
    Folder(Stack),
    /// Something else.
    Inode(Inode),
}

/// Something that is no folder.
#[derive(Debug)]
pub(super) struct Inode {
    /// The folder of the layer that has it.
    pub(super) folder: Dir,
    /// What it is.
    pub(super) stat: Stat,
}

/// The top of the layers, the lowest first.
pub(super) fn top<'a>(layers: impl DoubleEndedIterator<Item = &'a Dir>) -> io::Result<Stack> {
    let mut stack = Stack::new();
    for layer in layers.rev() {
        stack.push(layer.try_clone()?);
        if overlay::is_opaque(layer.as_fd())? {
            break;
        }
    }
    Ok(stack)
}

/// Looks up one name.
pub(super) fn look(stack: &[Dir], name: &OsStr) -> io::Result<Found> {
    let mut found = Stack::new();
    for folder in stack {
        let stat = match folder.stat(name) {
            Ok(stat) => stat,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(error),
        };
        if overlay::is_hiding(folder, name, &stat)? {
            break;
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            if found.is_empty() {
                let folder = folder.try_clone()?;
                return Ok(Found::Inode(Inode { folder, stat }));
            }
            break;
        }
        let inner = folder.open_dir(name)?;
        let is_opaque = overlay::is_opaque(inner.as_fd())?;
        found.push(inner);
        if is_opaque {
            break;
        }
    }
    Ok(match found.is_empty() {
        true => Found::Nothing,
        false => Found::Folder(found),
    })
}

/// Whether nothing can have the name.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NAMETOOLONG)
    )
}

/// Where the path of a folder leads, links followed: the path without any. What is not there is where it
/// would be.
///
/// # Errors
/// [`Kind::Archive`] for a circle of links, for more than can be followed, and for a way through what is
/// no folder; what the file system says.
pub(crate) fn resolve(layers: &[&Dir], path: &[Vec<u8>]) -> Result<Components> {
    let failed = || format!("Failed to find '{}' in the layers", shown(path));
    let start = || top(layers.iter().copied()).doing(failed);
    let refuse = |why: &str| Error::new(Kind::Archive, format!("{}: {why}", failed()));
    let mut todo: VecDeque<Vec<u8>> = path.iter().cloned().collect();
    let (mut done, mut stack, mut links) = (Components::new(), start()?, 0);
    while let Some(name) = todo.pop_front() {
        match &name[..] {
            b"" | b"." => continue,
            b".." => {
                done.pop();
                stack = folder(start()?, &done).doing(failed)?;
                continue;
            }
            _ => {}
        }
        match look(&stack, OsStr::from_bytes(&name)).doing(failed)? {
            Found::Folder(inner) => stack = inner,
            Found::Nothing => stack = Stack::new(),
            Found::Inode(inode)
                if FileType::from_raw_mode(inode.stat.st_mode) == FileType::Symlink =>
            {
                links += 1;
                if links > LINKS_MAX {
                    return Err(refuse("too many symbolic links"));
                }
                let name = OsStr::from_bytes(&name);
                let target = rustix::fs::readlinkat(&inode.folder, name, Vec::new());
                let target = target.doing(failed)?.into_bytes();
                if target.starts_with(b"/") {
                    (done, stack) = (Components::new(), start()?);
                }
                for part in target.split(|byte| *byte == b'/').rev() {
                    todo.push_front(part.to_vec());
                }
                continue;
            }
            Found::Inode(_) => return Err(refuse("something on the way is no folder")),
        }
        done.push(name);
        if done.len() > DEPTH_MAX_POSSIBLE {
            return Err(refuse("it is too deep"));
        }
    }
    Ok(done)
}

/// The folder of a path; nothing where there is none. No link is followed.
pub(super) fn folder(mut stack: Stack, path: &[Vec<u8>]) -> io::Result<Stack> {
    for name in path {
        stack = match look(&stack, OsStr::from_bytes(name))? {
            Found::Folder(inner) => inner,
            Found::Nothing | Found::Inode(_) => return Ok(Stack::new()),
        };
    }
    Ok(stack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    struct Layers {
        place: tempfile::TempDir,
        folders: Vec<Dir>,
    }

    impl Layers {
        fn new(count: usize) -> Self {
            let place = tempfile::tempdir_in("/var/tmp").unwrap();
            let open = |i: usize| Dir::create_all(&place.path().join(i.to_string()), 0o755);
            let folders = (0..count).map(|i| open(i).unwrap()).collect();
            Self { place, folders }
        }

        fn folder(&self, layer: usize, path: &str) -> Dir {
            let path = self.place.path().join(layer.to_string()).join(path);
            Dir::create_all(&path, 0o755).unwrap()
        }

        fn link(&self, layer: usize, path: &str, target: &str) {
            let path = self.place.path().join(layer.to_string()).join(path);
            symlink(target, path).unwrap();
        }

        fn look(&self, path: &str) -> Found {
            let stack = top(self.folders.iter()).unwrap();
            let path = Path::new(path);
            let parents: Components = path.parent().map_or(Vec::new(), |parents| {
                let parts = parents.components();
                parts.map(|c| c.as_os_str().as_bytes().to_vec()).collect()
            });
            let stack = folder(stack, &parents).unwrap();
            look(&stack, path.file_name().unwrap()).unwrap()
        }

        fn resolve(&self, path: &str) -> Result<String> {
            let layers: Vec<&Dir> = self.folders.iter().collect();
            let path: Components = path.split('/').map(|part| part.into()).collect();
            resolve(&layers, &path).map(|found| shown(&found))
        }
    }

    fn depth(found: &Found) -> usize {
        match found {
            Found::Folder(stack) => stack.len(),
            Found::Nothing | Found::Inode(_) => 0,
        }
    }

    #[test]
    fn what_hides_ends_the_search() {
        let layers = Layers::new(4);
        for layer in 0..3 {
            layers.folder(layer, "a/b");
        }
        assert_eq!(depth(&layers.look("a/b")), 3);
        overlay::make_opaque(layers.folder(1, "a").as_fd()).unwrap();
        assert_eq!(depth(&layers.look("a/b")), 2);
        overlay::hide(&layers.folder(3, "a"), "b".as_ref()).unwrap();
        assert!(matches!(layers.look("a/b"), Found::Nothing));
        layers.link(3, "x", "anywhere");
        layers.folder(0, "x");
        assert!(matches!(layers.look("x"), Found::Inode(_)));
        overlay::make_opaque(layers.folders[3].as_fd()).unwrap();
        assert_eq!(depth(&layers.look("a")), 1);
    }

    #[test]
    fn links_are_followed_and_never_lead_out() {
        let layers = Layers::new(2);
        layers.folder(0, "usr/lib");
        layers.link(0, "lib", "usr/lib");
        layers.link(0, "abs", "/lib/../lib");
        layers.link(1, "out", "../../../../etc");
        layers.link(1, "dangling", "usr/none/x");
        layers.link(0, "loop", "loop/x");
        for (path, expected) in [
            ("lib/x", "usr/lib/x"),
            ("abs/x", "usr/lib/x"),
            ("out/passwd", "etc/passwd"),
            ("dangling/y", "usr/none/x/y"),
            ("none/../lib", "usr/lib"),
        ] {
            assert_eq!(layers.resolve(path).unwrap(), expected, "{path}");
        }
        assert_eq!(layers.resolve("loop/x").unwrap_err().kind, Kind::Archive);
    }
}
