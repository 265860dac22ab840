//! Finding images by name, as systemd's image discovery does.
//!
//! With an image root of the caller's only that is searched: the reference looks in the class's
//! folders even then, and notices a taken name only after all the work.

use crate::error::{Doing, Error, Result};
use importd_api::class::{Class, Scope, UserBases};
use importd_api::failure::Kind;
use importd_api::name::ImageName;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where images of one class are, for one caller.
#[derive(Clone, Debug)]
pub struct Places {
    /// The class.
    pub class: Class,
    /// Folders to search, first match wins.
    pub search: Vec<PathBuf>,
    /// The folder for new images.
    pub root: PathBuf,
}

/// What a candidate of an image must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    FolderOrBlockDevice,
    File,
    Folder,
}

impl Places {
    /// The places of a class: the caller's own root, or those of the scope. `bases` are those of
    /// the user scope.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for the user scope without a home.
    pub fn new(
        class: Class,
        scope: Option<Scope>,
        image_root: Option<PathBuf>,
        bases: &UserBases,
    ) -> Result<Self> {
        if let Some(root) = image_root {
            return Ok(Self {
                class,
                search: vec![root.clone()],
                root,
            });
        }
        if scope == Some(Scope::User) {
            let home = bases.state.as_deref().ok_or_else(|| {
                let text = "Neither XDG_STATE_HOME nor HOME is set; --image-root= names a folder";
                Error::new(Kind::InvalidArgument, text)
            })?;
            let root = class.user_root(home);
            return Ok(Self {
                class,
                search: bases.search_path(class),
                root,
            });
        }
        let search = class.system_search_path().iter().map(PathBuf::from);
        Ok(Self {
            class,
            search: search.collect(),
            root: PathBuf::from(class.system_root()),
        })
    }

    /// The path of the image of this name; links are followed.
    ///
    /// # Errors
    /// [`Kind::Denied`] and others if a folder cannot be searched.
    pub fn find_optional(&self, name: &ImageName) -> Result<Option<PathBuf>> {
        for folder in &self.search {
            for (file_name, wanted) in candidates(self.class, name) {
                let path = folder.join(file_name);
                if is_wanted(&path, wanted)
                    .doing(|| format!("Failed to check whether image '{name}' exists"))?
                {
                    return Ok(Some(path));
                }
            }
        }
        Ok(None)
    }

    /// The names that images called `name` have in the image root, one for each form that is there.
    #[must_use]
    pub fn forms_in_root(&self, name: &ImageName) -> Vec<OsString> {
        candidates(self.class, name)
            .into_iter()
            .filter(|(file_name, wanted)| {
                is_wanted(&self.root.join(file_name), *wanted).is_ok_and(|is_wanted| is_wanted)
            })
            .map(|(file_name, _)| OsString::from(file_name))
            .collect()
    }

    /// Refuses a name that is taken.
    ///
    /// # Errors
    /// [`Kind::Exists`] with the path that has it.
    pub fn refuse_taken(&self, name: &ImageName) -> Result<()> {
        match self.find_optional(name)? {
            None => Ok(()),
            Some(path) => Err(Error::new(
                Kind::Exists,
                format!(
                    "Image '{name}' already exists as '{}'; --force replaces it",
                    path.display()
                ),
            )),
        }
    }
}

fn candidates(class: Class, name: &ImageName) -> Vec<(String, Wanted)> {
    let suffix = class.name_suffix();
    let mut stems = vec![format!("{name}{suffix}")];
    if !suffix.is_empty() {
        stems.push(name.to_string());
    }
    let kinds = [
        ("", Wanted::FolderOrBlockDevice),
        (".raw", Wanted::File),
        (".mstack", Wanted::Folder),
    ];
    kinds
        .iter()
        .flat_map(|(end, wanted)| {
            stems
                .iter()
                .map(move |stem| (format!("{stem}{end}"), *wanted))
        })
        .collect()
}

fn is_wanted(path: &Path, wanted: Wanted) -> std::io::Result<bool> {
    match rustix::fs::statat(rustix::fs::CWD, path, AtFlags::empty()) {
        Ok(stat) => {
            let found = FileType::from_raw_mode(stat.st_mode);
            Ok(match wanted {
                Wanted::FolderOrBlockDevice => {
                    matches!(found, FileType::Directory | FileType::BlockDevice)
                }
                Wanted::File => found == FileType::RegularFile,
                Wanted::Folder => found == FileType::Directory,
            })
        }
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ImageName {
        ImageName::parse(text).unwrap()
    }

    #[test]
    fn folders_come_before_files_and_plain_files_are_no_images() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().to_path_buf();
        let places = Places::new(
            Class::Sysext,
            None,
            Some(root.clone()),
            &UserBases::default(),
        )
        .unwrap();
        std::fs::File::create(root.join("x")).unwrap();
        assert_eq!(places.find_optional(&name("x")).unwrap(), None);
        std::fs::File::create(root.join("x.raw")).unwrap();
        assert_eq!(
            places.find_optional(&name("x")).unwrap(),
            Some(root.join("x.raw"))
        );
        std::fs::create_dir_all(root.join("x.sysext")).unwrap();
        assert_eq!(
            places.find_optional(&name("x")).unwrap(),
            Some(root.join("x.sysext"))
        );
        let error = places.refuse_taken(&name("x")).unwrap_err();
        assert_eq!(error.kind, Kind::Exists);
    }

    #[test]
    fn a_missing_folder_holds_no_images() {
        let root = Some(PathBuf::from("/nonexistent/folder"));
        let places = Places::new(Class::Machine, None, root, &UserBases::default()).unwrap();
        assert_eq!(places.find_optional(&name("x")).unwrap(), None);
    }
}
