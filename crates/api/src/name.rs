//! Names of images: what is allowed, and how one is derived from a URL or a file name.

use std::fmt;

/// Longest name of an image, in bytes: the limit of a directory entry.
pub const NAME_MAX: usize = 255;

/// A checked image name: a file name in UTF-8 without control characters that cannot be taken for
/// an option or a hidden staging entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

/// Why a text is not an image name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is there, or nothing is left after the suffixes were cut.
    #[error("The name is empty")]
    Empty,
    /// `.` or `..`.
    #[error("The name stands for a folder of its own")]
    Dots,
    /// Longer than [`NAME_MAX`].
    #[error("The name is longer than 255 bytes")]
    TooLong,
    /// Longer than [`NAME_MAX`] once `.raw` is added, as it is for a disk image.
    #[error("The name is longer than 251 bytes, and with '.raw' longer than 255")]
    TooLongForRaw,
    /// A `/` in it.
    #[error("The name contains a slash")]
    Slash,
    /// A control character in it.
    #[error("The name contains a control character")]
    Control,
    /// It begins with `.#`, as staging entries do.
    #[error("Names that begin with '.#' are reserved for unfinished transfers")]
    Staging,
    /// It begins with `-`. The reference takes such names and then reads them as options of its
    /// worker; we refuse them.
    #[error("The name begins with '-', which would be taken for an option")]
    Option,
}

/// What the bytes of an image are: decides which suffixes belong to the file and not to the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// An archive of a tree.
    Tar,
    /// A disk image.
    Raw,
}

impl Form {
    /// The worker's verb: `tar` or `raw`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Form::Tar => "tar",
            Form::Raw => "raw",
        }
    }

    /// Cuts the suffixes that describe the file: one of the archive suffixes for [`Form::Tar`],
    /// all of the image suffixes, repeatedly, for [`Form::Raw`].
    #[must_use]
    pub fn strip_suffixes(self, file_name: &str) -> &str {
        match self {
            Form::Tar => TAR_SUFFIXES
                .iter()
                .find_map(|suffix| file_name.strip_suffix(suffix))
                .unwrap_or(file_name),
            Form::Raw => {
                let mut rest = file_name;
                while let Some(shorter) = RAW_SUFFIXES.iter().find_map(|s| rest.strip_suffix(s)) {
                    rest = shorter;
                }
                rest
            }
        }
    }
}

/// Cut once, longest first, from the name of an archive. The last four are ours: the reference
/// unpacks such files too, but leaves the suffix in the name.
const TAR_SUFFIXES: [&str; 10] = [
    ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar", ".tgz", ".tar.lz4", ".txz", ".tbz2",
    ".tzst",
];

/// Cut repeatedly from the name of a disk image. `.lz4` is ours, for the same reason.
const RAW_SUFFIXES: [&str; 11] = [
    ".xz",
    ".gz",
    ".bz2",
    ".zst",
    ".lz4",
    ".sysext.raw",
    ".confext.raw",
    ".raw",
    ".qcow2",
    ".img",
    ".bin",
];

impl ImageName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] by the first rule that is broken.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text {
            "" => Err(NameError::Empty),
            "." | ".." => Err(NameError::Dots),
            _ if text.len() > NAME_MAX => Err(NameError::TooLong),
            _ if text.contains('/') => Err(NameError::Slash),
            _ if text.bytes().any(|b| b < 0x20 || b == 0x7f) => Err(NameError::Control),
            _ if text.starts_with(".#") => Err(NameError::Staging),
            _ if text.starts_with('-') => Err(NameError::Option),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The name an image of this form gets from the name of its file.
    ///
    /// # Errors
    /// [`NameError`] if what is left after cutting the suffixes is no image name.
    pub fn from_file_name(file_name: &str, form: Form) -> Result<Self, NameError> {
        Self::parse(form.strip_suffixes(file_name))
    }

    /// The name of the file or folder that holds an image of this form: with `.raw` for a disk.
    ///
    /// # Errors
    /// [`NameError::TooLongForRaw`].
    pub fn file_name(&self, form: Form) -> Result<String, NameError> {
        let name = match form {
            Form::Tar => self.0.clone(),
            Form::Raw => format!("{}.raw", self.0),
        };
        match name.len() {
            0..=NAME_MAX => Ok(name),
            _ => Err(NameError::TooLongForRaw),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_archives_are_cut_once() {
        for (file, name) in [
            ("a.tar", "a"),
            ("a.tar.gz", "a"),
            ("a.tgz", "a"),
            ("a.tar.tar", "a.tar"),
            ("a.tar.gz.tgz", "a.tar.gz"),
            ("a.txz", "a"),
            ("a.tbz2", "a"),
            ("a.tzst", "a"),
            ("a.tar.lz4", "a"),
            ("a.lz4", "a.lz4"),
            ("a.tbz", "a.tbz"),
            ("a.txz.txz", "a.txz"),
            ("a.TAR", "a.TAR"),
        ] {
            assert_eq!(Form::Tar.strip_suffixes(file), name, "{file}");
        }
    }

    #[test]
    fn suffixes_of_disk_images_are_cut_until_none_matches() {
        for (file, name) in [
            ("a.img.raw.gz", "a"),
            ("a.xz.raw", "a"),
            ("a.sysext.img", "a.sysext"),
            ("a.sysext.raw", "a"),
            ("a.raw.lz4", "a"),
            ("a.lz4.img", "a"),
            ("a.iso", "a.iso"),
            ("a.vmdk", "a.vmdk"),
            ("a.RAW", "a.RAW"),
            ("a.raw.img.bin", "a"),
        ] {
            assert_eq!(Form::Raw.strip_suffixes(file), name, "{file}");
        }
    }

    #[test]
    fn names_that_could_escape_hide_or_pass_for_options_are_refused() {
        let long = "x".repeat(256);
        for (text, error) in [
            ("", NameError::Empty),
            (".", NameError::Dots),
            ("..", NameError::Dots),
            ("a/b", NameError::Slash),
            ("a\nb", NameError::Control),
            ("a\x7f", NameError::Control),
            (".#a", NameError::Staging),
            ("-", NameError::Option),
            ("--verify=no", NameError::Option),
            (long.as_str(), NameError::TooLong),
        ] {
            assert_eq!(ImageName::parse(text), Err(error), "{text:?}");
        }
        for text in ["a", ".host", "a b", "a:b", "ü", "x.raw", ".hidden", "*"] {
            assert_eq!(ImageName::parse(text).unwrap().as_str(), text);
        }
        assert!(ImageName::parse(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn a_disk_image_needs_room_for_its_suffix() {
        let name = |length| ImageName::parse(&"x".repeat(length)).unwrap();
        assert_eq!(name(251).file_name(Form::Raw).map(|n| n.len()), Ok(255));
        assert_eq!(
            name(252).file_name(Form::Raw),
            Err(NameError::TooLongForRaw)
        );
        assert_eq!(name(255).file_name(Form::Tar).map(|n| n.len()), Ok(255));
    }
}
