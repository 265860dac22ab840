//! Whether a layer folder that is there is one as we make them.

use importd_formats::oci::marker::Marker;
use importd_host::dir::Dir;
use rustix::fs::FileType;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Deepest folder that is looked into: more than any layer may have, and each costs a descriptor.
const DEPTH_MAX: usize = 500;

/// Whether the folder of a layer has no markers of removed files left: the reference leaves them in
/// the tree, where they hide nothing.
///
/// # Errors
/// What the system says of a folder in it; one that is too deep is not usable.
pub fn is_usable(folder: &Dir) -> io::Result<bool> {
    let mut levels: Vec<(Dir, Vec<OsString>)> = vec![(folder.reopen()?, folder.entries()?)];
    while let Some((folder, names)) = levels.last_mut() {
        let Some(name) = names.pop() else {
            levels.pop();
            continue;
        };
        if !matches!(Marker::parse(name.as_bytes()), Ok(None)) {
            return Ok(false);
        }
        let kind = FileType::from_raw_mode(folder.stat(&name)?.st_mode);
        if kind == FileType::Directory {
            let inner = folder.open_dir(&name)?;
            let names = inner.entries()?;
            levels.push((inner, names));
        }
        if levels.len() > DEPTH_MAX {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_anywhere_make_a_layer_unusable() {
        let place = tempfile::tempdir_in("/var/tmp").unwrap();
        let folder = Dir::create_all(&place.path().join("a/b"), 0o755).unwrap();
        let top = Dir::open(place.path()).unwrap();
        std::fs::File::create(place.path().join("a/file.wh.x")).unwrap();
        assert!(is_usable(&top).unwrap());
        std::os::unix::fs::symlink("/", place.path().join("a/link")).unwrap();
        assert!(is_usable(&top).unwrap());
        for marker in [".wh.x", ".wh..wh..opq", ".wh.."] {
            folder.make_dir(marker.as_ref(), 0o755).unwrap();
            assert!(!is_usable(&top).unwrap(), "{marker}");
            folder.remove_dir(marker.as_ref()).unwrap();
        }
    }
}
