//! What overlayfs writes into its layers, as layers of images say it.
//!
//! | overlayfs | layer of an image |
//! |---|---|
//! | character device 0:0, or an empty file with an attribute `overlay.whiteout` | `.wh.NAME` |
//! | folder with the attribute `overlay.opaque=y` | `.wh..wh..opq` in it |
//! | a folder that was renamed, a file without its contents | cannot be said: refused |
//!
//! # Source
//! Documentation/filesystems/overlayfs.rst of Linux; OCI image specification, "Image Layer Filesystem
//! Changeset".

use crate::error::{Doing, Error, Result};
use importd_api::failure::Kind;
use importd_formats::tar::Entry;
use importd_host::attributes;
use importd_host::dir::Dir;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// How the name of a marker begins.
pub(super) const MARKER_PREFIX: &[u8] = b".wh.";
/// The marker of an opaque folder.
pub(super) const OPAQUE_MARKER: &[u8] = b".wh..wh..opq";

/// Where overlayfs keeps its attributes, as root and as a user.
const SPACES: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
/// Attributes of this machine, which images of others do not have.
const LOCAL: [&[u8]; 3] = [b"security.selinux", b"security.ima", b"security.evm"];

/// What a tree is, for those who read the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A tree of its own, in an archive.
    Archive,
    /// A tree of its own, as the only layer of an image.
    Tree,
    /// A layer that was an image's before. What looks like a marker is one.
    Lower,
    /// What was changed on top of the layers.
    Upper,
}

impl Form {
    pub(super) const fn is_layer(self) -> bool {
        !matches!(self, Self::Archive)
    }

    /// Whether overlayfs wrote into it.
    pub(super) const fn has_marks(self) -> bool {
        matches!(self, Self::Lower | Self::Upper)
    }
}

/// Whether an inode says that what is below it is gone.
///
/// # Errors
/// What the file system says.
pub(super) fn is_whiteout(folder: &Dir, name: &OsStr, stat: &Stat) -> Result<bool> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => Ok(stat.st_rdev == 0),
        FileType::RegularFile if stat.st_size == 0 => {
            for space in SPACES {
                let attribute = [space, b"whiteout"].concat();
                match attributes::get_at(folder, name, OsStr::from_bytes(&attribute)) {
                    Ok(_) => return Ok(true),
                    Err(error) if is_absent(&error) => {}
                    Err(error) => {
                        let shown = name.to_string_lossy().into_owned();
                        return Err(error).doing(|| format!("Failed to look at '{shown}'"));
                    }
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NODATA | Errno::OPNOTSUPP)
    )
}

/// Takes what is overlayfs's and this machine's from an entry; whether it is an opaque folder.
///
/// # Errors
/// [`Kind::Unsupported`] for what only overlayfs can read.
pub(super) fn strip(entry: &mut Entry, form: Form) -> Result<bool> {
    // What protects a tree here is no part of it.
    entry.file_flags = None;
    let mut is_opaque = false;
    let mut odd = None;
    entry.xattrs.retain(|(name, value)| {
        if LOCAL.contains(&name.as_slice()) {
            return false;
        }
        let Some(own) = SPACES.iter().find_map(|space| name.strip_prefix(*space)) else {
            return true;
        };
        match own {
            b"opaque" if value == b"y" => is_opaque = true,
            b"redirect" => odd = Some("was moved by overlayfs from another place"),
            b"metacopy" => odd = Some("has its contents in a layer below"),
            _ => {}
        }
        false
    });
    match odd.filter(|_| form.has_marks()) {
        Some(what) => {
            let text = format!(
                "'{}' {what}, which no image can say",
                String::from_utf8_lossy(&entry.path)
            );
            Err(Error::new(Kind::Unsupported, text))
        }
        None => Ok(is_opaque && form.has_marks()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use importd_formats::tar;

    fn entry(attributes: &[(&str, &str)]) -> Entry {
        let mut entry = Entry::new(b"./d".to_vec(), tar::Kind::Directory);
        entry.file_flags = Some(b"immutable".to_vec());
        entry.xattrs = attributes
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        entry
    }

    #[test]
    fn what_is_overlayfs_own_goes_and_the_rest_stays() {
        let all = [
            ("trusted.overlay.opaque", "y"),
            ("user.overlay.origin", "?"),
            ("user.overlay.impure", "y"),
            ("security.selinux", "x"),
            ("security.capability", "c"),
            ("user.a", "b"),
        ];
        for (form, is_opaque) in [
            (Form::Upper, true),
            (Form::Lower, true),
            (Form::Tree, false),
        ] {
            let mut entry = entry(&all);
            assert_eq!(strip(&mut entry, form).unwrap(), is_opaque);
            let left: Vec<_> = entry.xattrs.iter().map(|(name, _)| &name[..]).collect();
            assert_eq!(left, [&b"security.capability"[..], b"user.a"]);
            assert_eq!(entry.file_flags, None);
        }
        // As a user overlayfs marks folders that have whiteouts so.
        let mut has_whiteouts = entry(&[("user.overlay.opaque", "x")]);
        assert!(!strip(&mut has_whiteouts, Form::Lower).unwrap());
    }

    #[test]
    fn what_only_overlayfs_can_read_is_refused() {
        for name in ["trusted.overlay.redirect", "user.overlay.metacopy"] {
            let error = strip(&mut entry(&[(name, "/a")]), Form::Upper).unwrap_err();
            assert_eq!(error.kind, Kind::Unsupported);
            strip(&mut entry(&[(name, "/a")]), Form::Tree).unwrap();
        }
    }
}
