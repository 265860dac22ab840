//! Changes in a layer's own tree that nobody notices by a folder's times.

use crate::sink::tree::{IMPLIED_MODE, joined};
use importd_host::attributes;
use importd_host::dir::Dir;
use importd_host::overlay;
use rustix::fs::Mode;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// Does something in a folder, which keeps its times: they are what the archive says.
pub(in crate::oci) fn keeping_times<T>(
    folder: &Dir,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let before = folder.stat_self()?;
    let result = work()?;
    rustix::fs::futimens(folder, &attributes::times(&before))?;
    Ok(result)
}

/// The folder of a path.
pub(super) fn open(top: &Dir, path: &[Vec<u8>]) -> io::Result<Dir> {
    let mut folder = top.try_clone()?;
    for name in path {
        folder = folder.open_dir(OsStr::from_bytes(name))?;
    }
    Ok(folder)
}

/// The folder of a path, made where it is missing, and noted then.
pub(super) fn ensure(
    top: &Dir,
    path: &[Vec<u8>],
    implied: &mut BTreeSet<Box<[u8]>>,
) -> io::Result<Dir> {
    let mut folder = top.try_clone()?;
    for (depth, name) in path.iter().enumerate() {
        let name = OsStr::from_bytes(name);
        let is_new = match folder.stat(name) {
            Ok(stat) => overlay::is_hiding(&folder, name, &stat)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        if is_new {
            keeping_times(&folder, || make(&folder, name))?;
            implied.insert(joined(&path[..=depth]));
        }
        folder = folder.open_dir(name)?;
    }
    Ok(folder)
}

/// Makes a folder; what hides its name below comes to hide what is in the folder there.
fn make(parent: &Dir, name: &OsStr) -> io::Result<()> {
    let was_hidden = parent.exists(name);
    if was_hidden {
        parent.unlink(name)?;
    }
    parent.make_dir(name, IMPLIED_MODE)?;
    let folder = parent.open_dir(name)?;
    // A default access list of the parent has nothing to say.
    attributes::remove_access_lists(folder.as_fd())?;
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(IMPLIED_MODE))?;
    match was_hidden {
        true => overlay::make_opaque(folder.as_fd()),
        false => Ok(()),
    }
}
